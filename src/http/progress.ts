/** A body on its way, in either direction. */
export interface WatchedBody {
  /** Bytes that the peer has sent, or has acknowledged, since the connection began. */
  progress(): number
  /** Whether the peer is to do something: to send, or to take what waits for it. */
  isExpected(): boolean
  /** Ends the connection. */
  cut(): void
}

interface Entry {
  body: WatchedBody
  windowStart: number
  windowProgress: number
}

const CHECK_MS = 5_000
/** 1 KiB/s. */
const MIN_BYTES_PER_MS = 1.024

/**
 * The one guard of all bodies, in both directions: no time limit, but at least 1 KiB/s over each window in which something is expected
 * of the peer. A stream that has nothing to send may be silent for as long as it likes.
 */
export class ProgressWatch {
  readonly #windowMs: number
  readonly #entries = new Set<Entry>()
  #timer: NodeJS.Timeout | undefined

  /** @param windowMs over how many milliseconds progress is judged */
  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** Watches a body from now on. @returns what ends that */
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
