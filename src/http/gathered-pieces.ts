/** Smaller pieces are copied together: each takes at least a hundred bytes in addition to its content, and 400 if Node made it. */
export const MIN_PIECE = 4 * 1024
/** How long a smaller amount waits for more, in milliseconds. The bytes of a slow client must become visible to others. */
export const MAX_GATHER_MS = 100

const MAX_BLOCK = 64 * 1024
const NO_BLOCK = Buffer.alloc(0)

/** Bytes of a body that were copied together from small pieces, in blocks that grow with the body. */
export class GatheredPieces {
  #block = NO_BLOCK
  #length = 0
  #nextSize = MIN_PIECE

  /** How many bytes were copied since they were last taken. */
  get length(): number {
    return this.#length
  }

  /** Whether a piece can be added without another block. */
  hasRoomFor(piece: Uint8Array): boolean {
    return piece.length <= this.#block.length - this.#length
  }

  /** Adds a piece of at most {@link MIN_PIECE} bytes. If there is no room for it, what was gathered must have been taken before. */
  add(piece: Uint8Array): void {
    if (!this.hasRoomFor(piece)) {
      this.#block = Buffer.allocUnsafeSlow(this.#nextSize)
      this.#nextSize = Math.min(2 * this.#nextSize, MAX_BLOCK)
    }
    this.#block.set(piece, this.#length)
    this.#length += piece.length
  }

  /** Takes what was gathered; the rest of the block is used for the next bytes. */
  take(): Uint8Array {
    const gathered = this.#block.subarray(0, this.#length)
    this.#block = this.#block.subarray(this.#length)
    this.#length = 0
    return gathered
  }
}
