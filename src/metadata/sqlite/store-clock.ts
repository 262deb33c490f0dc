const NOT_SET = 0n

/** The clock of a store, which all threads that use the store share. It is the clock of the system, until it is set. */
export class StoreClock {
  readonly #time: BigInt64Array

  /** @param memory of {@link StoreClock.memory}, to share the clock of another thread */
  constructor(memory = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)) {
    this.#time = new BigInt64Array(memory)
  }

  get memory(): SharedArrayBuffer {
    return this.#time.buffer as SharedArrayBuffer
  }

  /** Milliseconds since the epoch. */
  now(): number {
    const time = Atomics.load(this.#time, 0)
    return time === NOT_SET ? Date.now() : Number(time)
  }

  /** Stops the clock at a time, on all threads, as tests need it. @param time milliseconds since the epoch; not 0 */
  set(time: number): void {
    Atomics.store(this.#time, 0, BigInt(time))
  }
}

/** A correction of the clock, as the system makes it to follow other clocks, is smaller than this. */
const MAX_CORRECTION_MS = 60_000

/**
 * The times of the changes of a store. They do not go back when the clock is corrected. If the clock was wrong and is set back further, they
 * follow it, since nothing would expire until it is as late again.
 */
export class ChangeTimes {
  readonly #clock: StoreClock
  #last = 0

  constructor(clock: StoreClock) {
    this.#clock = clock
  }

  /** The time of changes that are made now, in milliseconds since the epoch. */
  next(): number {
    const now = this.#clock.now()
    const isCorrection = now < this.#last && this.#last - now <= MAX_CORRECTION_MS
    if (!isCorrection) this.#last = now
    return this.#last
  }
}
