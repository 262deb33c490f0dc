import { InvalidResponseError } from './error.ts'

const FIRST_BUFFER = 16 * 1024

/**
 * Reads a body into one buffer: a registry may send its bytes one by one, and keeping each piece would cost a hundred times as much.
 *
 * @param maxSize in bytes
 * @param until ends the reading once this text has been read, for bodies without an end
 * @throws InvalidResponseError if the body is larger
 */
export async function readBody(
  response: Response,
  maxSize: number,
  until?: string,
): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(FIRST_BUFFER)
  const decoder = new TextDecoder()
  let size = 0
  let tail = ''
  for await (const piece of piecesOf(response.body)) {
    if (size + piece.length > maxSize)
      throw new InvalidResponseError(`the response is larger than ${maxSize / 1024 / 1024} MiB`)
    if (size + piece.length > bytes.length) {
      const larger = new Uint8Array(Math.min(maxSize, Math.max(2 * bytes.length, size + piece.length)))
      larger.set(bytes.subarray(0, size))
      bytes = larger
    }
    bytes.set(piece, size)
    size += piece.length
    if (until === undefined) continue
    tail += decoder.decode(piece, { stream: true })
    if (tail.includes(until)) break
    tail = tail.slice(1 - until.length)
  }
  return bytes.slice(0, size)
}

/** The pieces of a stream as they arrive, since streams are not iterable in every browser. Stopping before the end cancels the stream. */
export async function* piecesOf(
  stream: ReadableStream<Uint8Array> | null,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = stream?.getReader()
  if (reader === undefined) return
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
  } finally {
    await reader.cancel().catch(() => {})
  }
}
