const POLL_MS = 100

/** Those who wait for changes. While there are any, it looks at the log ten times a second, once for all of them. */
export class ChangeWatch {
  readonly #readLast: () => number
  readonly #waiting = new Map<() => void, number>()
  #timer: NodeJS.Timeout | undefined

  /** @param readLast gives the last sequence number of the log */
  constructor(readLast: () => number) {
    this.#readLast = readLast
  }

  /** Resolves when there is something behind a sequence number, or the signal is aborted. */
  async changed(after: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#readLast() > after) return
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done)
        this.#waiting.delete(done)
        if (this.#waiting.size === 0) this.#stop()
        resolve()
      }
      signal.addEventListener('abort', done)
      this.#waiting.set(done, after)
      this.#timer ??= setInterval(() => this.#look(), POLL_MS)
    })
  }

  /** Lets all go who wait: there is nothing to read any more. */
  close(): void {
    for (const done of [...this.#waiting.keys()]) done()
  }

  #look(): void {
    try {
      const last = this.#readLast()
      for (const [done, after] of [...this.#waiting]) if (last > after) done()
    } catch {
      // Whoever waits reads next, and meets the same error where it can be answered.
      this.close()
    }
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
