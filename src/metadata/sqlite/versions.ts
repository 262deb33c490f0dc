const SLOTS = 4096
/** Raised if it is unknown what has changed. */
const EVERYTHING = 0

/**
 * Counters that all threads of a server share: each counts how often its part of the store was changed, and is odd during a change. Only
 * the writer counts. A reader that finds the same even number again knows that its earlier read is still valid.
 */
export class Versions {
  readonly #counters: Int32Array

  /** @param memory of {@link Versions.memory}, to share what another thread made */
  constructor(memory = new SharedArrayBuffer(SLOTS * Int32Array.BYTES_PER_ELEMENT)) {
    this.#counters = new Int32Array(memory)
  }

  get memory(): SharedArrayBuffer {
    return this.#counters.buffer as SharedArrayBuffer
  }

  /**
   * The state of parts of the store: everything in a repository, by its name, or everything about a digest in all repositories.
   *
   * @returns undefined while it is being changed
   */
  read(parts: readonly string[]): number | undefined {
    let sum = this.#stable(EVERYTHING)
    for (const part of parts) sum += this.#stable(slotOf(part))
    return Number.isNaN(sum) ? undefined : sum
  }

  #stable(slot: number): number {
    const count = Atomics.load(this.#counters, slot)
    return count % 2 === 0 ? count >>> 0 : Number.NaN
  }

  /** For the writer: makes changes in some parts of the store visible, by running the given step. */
  whileChanging(parts: Iterable<string>, makeVisible: () => void): void {
    const slots = new Set(Array.from(parts, slotOf))
    for (const slot of slots) Atomics.add(this.#counters, slot, 1)
    try {
      makeVisible()
    } finally {
      for (const slot of slots) Atomics.add(this.#counters, slot, 1)
    }
  }

  /** For a writer that takes over from one that may have died in the middle of a change. */
  takeOver(): void {
    for (let slot = 0; slot < this.#counters.length; slot++) {
      if (Atomics.load(this.#counters, slot) % 2 !== 0) Atomics.add(this.#counters, slot, 1)
    }
    Atomics.add(this.#counters, EVERYTHING, 2)
  }
}

/** FNV-1a. If two parts share a slot, that costs an additional read, never an error. */
function slotOf(part: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < part.length; index++) {
    hash = Math.imul(hash ^ part.charCodeAt(index), 0x01000193)
  }
  return 1 + ((hash >>> 0) % (SLOTS - 1))
}
