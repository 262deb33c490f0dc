/**
 * A bounded pool of buffers of one size. Each is made when it is first needed and kept from then on. If all are in use, callers wait, first
 * come first served.
 */
export class BufferPool {
  readonly #size: number
  readonly #free: Buffer[] = []
  readonly #waiting: ((buffer: Buffer) => void)[] = []
  #left: number

  /** @param count the maximum number of buffers @param size of each, in bytes */
  constructor(count: number, size: number) {
    this.#left = count
    this.#size = size
  }

  /** Lends a buffer for the duration of `work`, which must not wait for a peer. */
  async use<T>(work: (buffer: Buffer) => Promise<T>): Promise<T> {
    const buffer = await this.#take()
    try {
      return await work(buffer)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free.push(buffer)
      else next(buffer)
    }
  }

  async #take(): Promise<Buffer> {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#left === 0) return await new Promise((resolve) => this.#waiting.push(resolve))
    this.#left--
    return Buffer.allocUnsafeSlow(this.#size)
  }
}
