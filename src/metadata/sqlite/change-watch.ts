import { setImmediate } from 'node:timers'

const POLL_MS = 100
/** So many who wait are woken in a second at most: each of them reads, and others are to be answered meanwhile. */
const WOKEN_IN_A_SECOND = 1000
const WOKEN_AT_ONCE = 16

/**
 * Those who wait for changes. While there are any, it looks at the log, once for all of them: ten times a second, and more seldom if
 * very many wait.
 */
export class ChangeWatch {
  readonly #readLast: () => number
  readonly #waiting = new Map<() => void, number>()
  #timer: NodeJS.Timeout | undefined
  #notBefore = 0

  /** @param readLast gives the last sequence number of the log */
  constructor(readLast: () => number) {
    this.#readLast = readLast
  }

  /** Resolves when there is something behind a sequence number, or the signal is aborted. */
  async changed(after: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    // Also what is there by now waits for the next look, so that many writes wake nobody more often.
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done)
        this.#waiting.delete(done)
        if (this.#waiting.size === 0) this.#stop()
        resolve()
      }
      signal.addEventListener('abort', done)
      this.#waiting.set(done, after)
      this.#timer ??= setTimeout(() => this.#look(), Math.max(POLL_MS, this.#notBefore - performance.now()))
    })
  }

  /** Lets all go who wait: there is nothing to read any more. */
  close(): void {
    for (const done of [...this.#waiting.keys()]) done()
  }

  #look(): void {
    try {
      const last = this.#readLast()
      const woken = [...this.#waiting].filter(([, after]) => last > after).map(([done]) => done)
      const pause = Math.max(POLL_MS, (1000 * woken.length) / WOKEN_IN_A_SECOND)
      this.#notBefore = performance.now() + pause
      this.#timer = setTimeout(() => this.#look(), pause)
      wakeInTurn(woken)
    } catch {
      // Whoever waits reads next, and meets the same error where it can be answered.
      this.close()
    }
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** Some in each turn of the event loop. */
function wakeInTurn(woken: (() => void)[]): void {
  for (const done of woken.splice(0, WOKEN_AT_ONCE)) done()
  if (woken.length > 0) setImmediate(() => wakeInTurn(woken))
}
