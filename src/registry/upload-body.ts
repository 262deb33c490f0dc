import { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import type { Hasher } from './hasher.ts'
import { takenOver, type UploadWriter } from './upload-writers.ts'

/**
 * The body of a request, received in parts: each part continues where the last one ended. It ends early if it breaks off, or if a newer
 * request wants the upload.
 */
export class UploadBody {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #writer: UploadWriter
  /** Receives each chunk from now on. */
  hasher: Hasher | undefined
  /** The chunk that was requested and has not arrived yet. */
  #next: Promise<IteratorResult<Uint8Array>> | undefined
  ended = false
  interrupted: { error: unknown } | undefined

  constructor(body: AsyncIterable<Uint8Array>, writer: UploadWriter, hasher?: Hasher) {
    this.#chunks = body[Symbol.asyncIterator]()
    this.#writer = writer
    this.hasher = hasher
  }

  /** The next chunk; undefined at the end, including an early end; `record` if the bytes so far must be recorded first. */
  async next(): Promise<Uint8Array | 'record' | undefined> {
    if (this.ended) return undefined
    if (this.#writer.isStopped) return this.#end({ error: takenOver() })
    if (this.#writer.mustRecord) return 'record'
    this.#next ??= this.#chunks.next()
    try {
      const next = await this.#arrival(this.#next)
      if (next === 'asked') return await this.next()
      this.#next = undefined
      if (next.done) return this.#end()
      this.hasher?.update(next.value)
      return next.value
    } catch (error) {
      return this.#end({ error })
    }
  }

  /** Whichever happens first: the next chunk arrives, or the writer is asked for something. */
  #arrival(next: Promise<IteratorResult<Uint8Array>>): Promise<IteratorResult<Uint8Array> | 'asked'> {
    return new Promise((resolve, reject) => {
      this.#writer.onAsked = () => resolve('asked')
      next.then(resolve, reject)
    })
  }

  #end(interrupted?: { error: unknown }): undefined {
    this.ended = true
    this.interrupted = interrupted
    if (interrupted === undefined) this.#writer.isClosing = true
    return undefined
  }
}

/**
 * A body that must have the length of its range. It never reads more than that.
 *
 * @throws RegistryError SIZE_INVALID while it is read
 */
export async function* exactly(
  body: AsyncIterable<Uint8Array>,
  range: ByteRange,
): AsyncGenerator<Uint8Array> {
  const length = range.end - range.start + 1
  let size = 0
  const wrong = () =>
    new RegistryError('SIZE_INVALID', {
      message: `Content-Range specifies ${length} bytes, but the body has a different length`,
    })
  for await (const chunk of body) {
    size += chunk.length
    if (size > length) throw wrong()
    yield chunk
  }
  if (size < length) throw wrong()
}
