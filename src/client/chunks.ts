import { piecesOf } from './body.ts'

/**
 * Cuts a stream into chunks of one size, regardless of its pieces. Only the last chunk is shorter, and it may be empty.
 *
 * @param size in bytes; this is also how much is held in memory at a time
 */
export async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, void, void> {
  let chunk = new Uint8Array(size)
  let filled = 0
  for await (const piece of piecesOf(stream)) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + size - filled)
      chunk.set(part, filled)
      filled += part.length
      at += part.length
      if (filled < size) continue
      yield chunk
      chunk = new Uint8Array(size)
      filled = 0
    }
  }
  yield chunk.subarray(0, filled)
}
