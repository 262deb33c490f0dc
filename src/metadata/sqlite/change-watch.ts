import { setImmediate } from 'node:timers'

const POLL_MS = 100
/** The most waiters that are woken in a second: each of them reads, and other requests must be answered in between. */
const WOKEN_IN_A_SECOND = 1000
const WOKEN_AT_ONCE = 16

/**
 * The waiters for changes. While there are any, one poll of the log serves all of them: ten times a second, or less often if very many
 * wait.
 */
export class ChangeWatch {
  readonly #readLast: () => number
  readonly #waiting = new Map<() => void, number>()
  #timer: NodeJS.Timeout | undefined
  #notBefore = 0

  /** @param readLast returns the last sequence number of the log */
  constructor(readLast: () => number) {
    this.#readLast = readLast
  }

  /** Resolves when there is a change after a sequence number, or the signal is aborted. */
  async changed(after: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    // Changes that already exist also wait for the next poll, so that many writes do not wake a waiter more often.
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

  /** Resolves all waiters, since there is nothing to read any more. */
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
      // The waiters read next and get the same error at a place where it can be answered.
      this.close()
    }
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** Wakes some waiters in each turn of the event loop. */
function wakeInTurn(woken: (() => void)[]): void {
  for (const done of woken.splice(0, WOKEN_AT_ONCE)) done()
  if (woken.length > 0) setImmediate(() => wakeInTurn(woken))
}
