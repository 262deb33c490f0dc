/** Value of the memory if nothing is pinned. */
const NOTHING = 0n

/**
 * The times since which the bytes of unlinked content are kept, for backups. One thread sets pins. The thread that deletes bytes reads the
 * earliest of them in shared memory, so that pins take effect at once, and outlive that thread.
 */
export class Pins {
  readonly #earliest: BigInt64Array
  readonly #pins = new Set<{ since: number }>()

  /** @param memory of {@link Pins.memory}, to read the pins that another thread sets */
  constructor(memory = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)) {
    this.#earliest = new BigInt64Array(memory)
  }

  get memory(): SharedArrayBuffer {
    return this.#earliest.buffer as SharedArrayBuffer
  }

  /**
   * Keeps the bytes of all content that is unlinked from now on.
   *
   * @param since also keeps content that was unlinked since then, if it still exists; milliseconds since the epoch
   * @returns a function that ends that
   */
  add(since = Number.POSITIVE_INFINITY): () => void {
    const pin = { since: Math.min(since, Date.now()) }
    this.#pins.add(pin)
    this.#publish()
    return () => {
      this.#pins.delete(pin)
      this.#publish()
    }
  }

  /** Since when bytes are kept, in milliseconds since the epoch; undefined if there are no pins. */
  earliest(): number | undefined {
    const since = Atomics.load(this.#earliest, 0)
    return since === NOTHING ? undefined : Number(since)
  }

  #publish(): void {
    const times = [...this.#pins].map(({ since }) => since)
    // A pin since the epoch keeps everything; no content is that old.
    const since = times.length === 0 ? NOTHING : BigInt(Math.max(1, Math.floor(Math.min(...times))))
    Atomics.store(this.#earliest, 0, since)
  }
}
