import type { BlobKey, BlobStore } from '../storage/blob-store.ts'

/** How long a positive answer is trusted without looking again, in milliseconds. */
const MAX_AGE_MS = 10_000
const MAX_REMEMBERED = 10_000
const SLOTS = 256
const TOTAL = SLOTS

/** Bytes that the metadata references and that cannot be read. */
export interface LostBytes {
  key: BlobKey
  /** How often bytes were missed since the server started, on all its threads. */
  count: number
}

/**
 * Counters of missed bytes that all threads of a server share, so that what one of them finds missing is not remembered as present
 * by another.
 */
export class LossCounters {
  readonly #counters: Int32Array

  /** @param memory of {@link LossCounters.memory}, to share what another thread made */
  constructor(memory = new SharedArrayBuffer((SLOTS + 1) * Int32Array.BYTES_PER_ELEMENT)) {
    this.#counters = new Int32Array(memory)
  }

  get memory(): SharedArrayBuffer {
    return this.#counters.buffer as SharedArrayBuffer
  }

  /** Changes with each loss among the keys that share a slot with this one. */
  of(key: BlobKey): number {
    return Atomics.load(this.#counters, slotOf(key))
  }

  /** @returns the total number of losses, including this one */
  add(key: BlobKey): number {
    Atomics.add(this.#counters, slotOf(key), 1)
    return Atomics.add(this.#counters, TOTAL, 1) + 1
  }
}

/** Keys are random, so their first byte spreads them evenly. */
function slotOf(key: BlobKey): number {
  return Number.parseInt(key.slice(0, 2), 16) % SLOTS
}

/** What watching a blob store needs. */
export interface Watch {
  losses: LossCounters
  /** Milliseconds since the epoch. */
  clock(): number
  /** Called each time that bytes turn out to be lost. */
  onLost(loss: LostBytes): void
}

interface Seen {
  size: number
  at: number
  losses: number
}

/**
 * A blob store that remembers for ten seconds which bytes it has seen, so that the size of a popular blob is known without a disk access. A
 * key is forgotten at once when it is deleted or cannot be opened.
 */
export function watchedBlobs(blobs: BlobStore, { losses, clock, onLost }: Watch): BlobStore {
  const seen = new Map<BlobKey, Seen>()

  function remember(key: BlobKey, size: number): void {
    seen.delete(key)
    seen.set(key, { size, at: clock(), losses: losses.of(key) })
    const [oldest] = seen.keys()
    if (seen.size > MAX_REMEMBERED && oldest !== undefined) seen.delete(oldest)
  }

  function remembered(key: BlobKey): number | undefined {
    const found = seen.get(key)
    if (found === undefined) return undefined
    const age = clock() - found.at
    // A clock that was set back makes the age negative. The real age is then unknown.
    if (age >= 0 && age < MAX_AGE_MS && found.losses === losses.of(key)) return found.size
    seen.delete(key)
    return undefined
  }

  function lost(key: BlobKey): undefined {
    seen.delete(key)
    onLost({ key, count: losses.add(key) })
  }

  return {
    append: (key, state, offset, body) => blobs.append(key, state, offset, body),
    async publish(key, state) {
      await blobs.publish(key, state)
      // Publishing has just checked that the key holds everything that its state describes.
      remember(key, Number.POSITIVE_INFINITY)
    },
    async open(key, range, options) {
      try {
        return (await blobs.open(key, range, options)) ?? lost(key)
      } catch (error) {
        seen.delete(key)
        throw error
      }
    },
    async size(key) {
      const known = remembered(key)
      if (known !== undefined) return known
      const size = await blobs.size(key)
      if (size === undefined) return lost(key)
      remember(key, size)
      return size
    },
    async delete(key) {
      seen.delete(key)
      return await blobs.delete(key)
    },
  }
}
