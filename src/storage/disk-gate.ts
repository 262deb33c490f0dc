/** A disk that has been given something to do and has finished nothing for so long, in milliseconds, stands still. */
export const STALL_MS = 10_000
/** How many reads, and how many writes, all threads of a process may have waiting for the disk at a time, one each at least; see server/thread-pool.ts. */
const SLOTS_OF_ALL = 16

/**
 * What one thread has waiting for the disk. No more than some operations run at a time, so that those that hang leave the rest of the pool to
 * others; and it tells whether the disk stands still.
 */
export class DiskGate {
  readonly #reads: Queue
  readonly #writes: Queue
  readonly #commits = new Queue(Number.POSITIVE_INFINITY)

  /** @param gates how many threads share the disk */
  constructor(gates = 1) {
    const slots = Math.max(1, Math.floor(SLOTS_OF_ALL / gates))
    this.#reads = new Queue(slots)
    this.#writes = new Queue(slots)
  }

  /** Whether the disk has not finished any read, any write or any commit for ten seconds, while it had some to do. */
  get isStalled(): boolean {
    return this.#writes.isStalled || this.#commits.isStalled || this.#reads.isStalled
  }

  /** Runs an operation that only reads, when it is its turn. */
  read<T>(operation: () => Promise<T>): Promise<T> {
    return this.#reads.run(operation)
  }

  /** Runs an operation that changes something, when it is its turn. */
  write<T>(operation: () => Promise<T>): Promise<T> {
    return this.#writes.run(operation)
  }

  /** Runs a commit, which another thread does, so that any number of them may wait. */
  commit<T>(operation: () => Promise<T>): Promise<T> {
    return this.#commits.run(operation)
  }
}

/** Operations of one kind, first come first served. */
class Queue {
  readonly #running = new Set<{ since: number }>()
  readonly #waiting: (() => void)[] = []
  #left: number
  #finished = 0

  constructor(slots: number) {
    this.#left = slots
  }

  get isStalled(): boolean {
    // The oldest is the first.
    const [oldest] = this.#running
    return oldest !== undefined && performance.now() - Math.max(oldest.since, this.#finished) >= STALL_MS
  }

  async run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#left === 0) await new Promise<void>((go) => this.#waiting.push(go))
    else this.#left--
    const entry = { since: performance.now() }
    this.#running.add(entry)
    try {
      return await operation()
    } finally {
      this.#running.delete(entry)
      this.#finished = performance.now()
      const next = this.#waiting.shift()
      if (next === undefined) this.#left++
      else next()
    }
  }
}
