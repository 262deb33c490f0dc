import type { CommitBatches } from '../metadata-store.ts'

const BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
const COMMITS = BOUNDS.length + 1

/** Counts the batches of the writer in memory that other threads can read, and that the next writer continues with. */
export class BatchCounts {
  readonly memory: SharedArrayBuffer
  readonly #counts: Float64Array

  /** @param memory of the counts of another thread; new memory if absent */
  constructor(memory = new SharedArrayBuffer((COMMITS + 1) * Float64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#counts = new Float64Array(memory)
  }

  /** Counts a batch of so many commits. */
  add(commits: number): void {
    const found = BOUNDS.findIndex((bound) => commits <= bound)
    const index = found === -1 ? BOUNDS.length : found
    this.#counts[index] = this.#at(index) + 1
    this.#counts[COMMITS] = this.#at(COMMITS) + commits
  }

  read(): CommitBatches {
    const batches = Array.from({ length: BOUNDS.length + 1 }, (_, index) => this.#at(index))
    return { bounds: BOUNDS, batches, commits: this.#at(COMMITS) }
  }

  #at(index: number): number {
    return this.#counts[index] ?? 0
  }
}
