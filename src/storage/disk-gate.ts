/**
 * How many reads, and how many writes, all threads of a process may have waiting for the disk at a time. Each thread may have at least one
 * of each; see server/thread-pool.ts.
 */
const SLOTS_OF_ALL = 16

/**
 * The operations of one thread that wait for the disk. Only a limited number runs at a time, so that operations that hang leave the rest of
 * the thread pool to others. It also measures how long the disk has stalled.
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

  /** For how many milliseconds the disk has not finished any read, any write or any commit, while some were pending. */
  get stalledMs(): number {
    return Math.max(this.#writes.stalledMs, this.#commits.stalledMs, this.#reads.stalledMs)
  }

  /** Runs a read when it is its turn. */
  read<T>(operation: () => Promise<T>): Promise<T> {
    return this.#reads.run(operation)
  }

  /** Runs a write when it is its turn. */
  write<T>(operation: () => Promise<T>): Promise<T> {
    return this.#writes.run(operation)
  }

  /** Runs a commit. Another thread does the work, so any number of commits may wait. */
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

  get stalledMs(): number {
    // The first one is the oldest.
    const [oldest] = this.#running
    return oldest === undefined ? 0 : performance.now() - Math.max(oldest.since, this.#finished)
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
