import { createHash, hash } from 'node:crypto'

/** A mebibyte, which is also how content is cut. */
export const MIB = 1024 * 1024
const STAMP_BYTES = 16

/** Bytes that look random and are the same in every process, so that all systems are sent the same. */
const base = makeBase()

/** Content that differs from every other in each of its mebibytes. */
export interface Content {
  digest: string
  size: number
  /** Its bytes, a mebibyte at a time. */
  pieces(): Iterable<readonly Buffer[]>
}

/**
 * Content number `id`: random bytes, with a stamp of the id in each mebibyte. It is hashed here, so that a push spends no time on it.
 *
 * @param id of less than 2 ** 48
 * @param size in bytes, at least 16
 */
export function contentOf(id: number, size: number): Content {
  const pieces = () => piecesOf(id, size)
  return { digest: digestOf(pieces()), size, pieces }
}

/** The sha256 digest of small bytes. */
export function digestOfBytes(bytes: Buffer): string {
  return `sha256:${hash('sha256', bytes)}`
}

/** The first bytes of content, by which a reader recognises it. */
export function stampOf(id: number): Buffer {
  return stamp(id, 0)
}

function* piecesOf(id: number, size: number): Iterable<readonly Buffer[]> {
  for (let at = 0; at < size; at += MIB) {
    const length = Math.min(MIB, size - at)
    const head = stamp(id, at / MIB)
    yield length > STAMP_BYTES ? [head, base.subarray(STAMP_BYTES, length)] : [head.subarray(0, length)]
  }
}

function digestOf(pieces: Iterable<readonly Buffer[]>): string {
  const sha256 = createHash('sha256')
  for (const buffers of pieces) for (const buffer of buffers) sha256.update(buffer)
  return `sha256:${sha256.digest('hex')}`
}

function stamp(id: number, index: number): Buffer {
  const bytes = Buffer.alloc(STAMP_BYTES, 0x2e)
  bytes.writeUIntBE(id, 0, 6)
  bytes.writeUIntBE(index, 8, 6)
  return bytes
}

/** A xorshift generator, since what the system's source gives can't be had again. */
function makeBase(): Buffer {
  const words = new Uint32Array(MIB / 4)
  let state = 0x9e3779b9
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return Buffer.from(words.buffer)
}
