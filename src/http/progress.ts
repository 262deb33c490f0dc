/** A body that is being transferred, in either direction. */
export interface WatchedBody {
  /** Bytes that the peer has sent, or has acknowledged, since the connection began. */
  progress(): number
  /** Whether the peer must act: send, or receive bytes that wait for it. */
  isExpected(): boolean
  /** Ends the connection. */
  cut(): void
}

interface WatchedTransfer {
  body: WatchedBody
  windowStart: number
  windowProgress: number
}

const CHECK_MS = 5_000
/** 1 KiB/s. */
const MIN_BYTES_PER_MS = 1.024

/**
 * The guard of all bodies in both directions. It sets no time limit, but requires at least 1 KiB/s over each window in which the peer must
 * act. A stream that has nothing to send may be silent for any time.
 */
export class ProgressWatch {
  readonly #windowMs: number
  readonly #entries = new Set<WatchedTransfer>()
  #timer: NodeJS.Timeout | undefined

  /** @param windowMs the window over which progress is measured, in milliseconds */
  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** Watches a body from now on. @returns a function that ends the watch */
  add(body: WatchedBody): () => void {
    const entry = { body, windowStart: performance.now(), windowProgress: body.progress() }
    this.#entries.add(entry)
    this.#timer ??= setInterval(() => this.#check(), CHECK_MS).unref()
    return () => void this.#entries.delete(entry)
  }

  #check(): void {
    if (this.#entries.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    const now = performance.now()
    for (const entry of this.#entries) {
      const elapsed = now - entry.windowStart
      const progress = entry.body.progress()
      if (entry.body.isExpected()) {
        if (elapsed < this.#windowMs) continue
        if (progress - entry.windowProgress < elapsed * MIN_BYTES_PER_MS) {
          this.#entries.delete(entry)
          entry.body.cut()
          continue
        }
      }
      entry.windowStart = now
      entry.windowProgress = progress
    }
  }
}
