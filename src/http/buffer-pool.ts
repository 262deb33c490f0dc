/**
 * Buffers of one size, each made when it is needed first and kept from then on. There are never more of them: who finds all in use waits,
 * first come first served.
 */
export class BufferPool {
  readonly #size: number
  readonly #free: Buffer[] = []
  readonly #waiting: ((buffer: Buffer) => void)[] = []
  #left: number

  /** @param count how many there are at most @param size of each, in bytes */
  constructor(count: number, size: number) {
    this.#left = count
    this.#size = size
  }

  /** Lends a buffer for the time of some work, which must not wait for a peer. */
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
