import assert from 'node:assert/strict'
import { PeerGoneError } from '../../src/http/message.ts'
import { bytesOf, digestOf } from '../content.ts'
import { chunkRange } from '../protocol/upload-requests.ts'
import type { BlobRegistry, Carried } from './blob-registry.ts'

const BLOBS = '/v2/app/blobs'
/** How often it asks anew before it gives up. */
const MAX_REFUSALS = 20

/** What a client knows of a blob: it was told so, or an answer is outstanding. */
export interface BlobFact {
  type: 'blob'
  digest: string
  state: 'there' | 'unsure' | 'gone'
}

/** What a client knows of an upload. It may be gone only while it is closing. */
export interface UploadFact {
  type: 'upload'
  location: string
  /** What is being uploaded. */
  bytes: Uint8Array
  /** How many of these it was told to be safe. */
  offset: number
  state: 'open' | 'closing' | 'ended'
}

/** What a client knows, when it comes to know it. */
export type Fact = BlobFact | UploadFact

/** Who is told what happens to a client. */
export interface ClientListener {
  onFact?: (fact: Fact) => void
  /** Called before it tries again. */
  onRefused?: () => void
}

/**
 * Uploads blobs as a client does that relies on nothing but what it was answered. Where the registry refuses for a failure of its own
 * it asks where the upload ends and goes on from there, or begins anew.
 */
export class CarefulClient {
  readonly #registry: BlobRegistry
  readonly #learn: (fact: Fact) => void
  readonly #onRefused: () => void
  /** The status of each answer that told of a failure. */
  readonly refusals: number[] = []

  constructor(registry: BlobRegistry, listener: ClientListener = {}) {
    this.#registry = registry
    this.#learn = listener.onFact ?? (() => {})
    this.#onRefused = listener.onRefused ?? (() => {})
  }

  /** Pushes a blob in one request. */
  async pushWhole(bytes: Uint8Array): Promise<void> {
    const digest = digestOf(bytes)
    let answer: Response
    do {
      this.#learn({ type: 'blob', digest, state: 'unsure' })
      answer = await this.#ask('POST', `${BLOBS}/uploads/?digest=${digest}`, { body: inPieces(bytes) })
    } while (this.#isRefused(answer))
    assert.equal(answer.status, 201)
    this.#learn({ type: 'blob', digest, state: 'there' })
  }

  /** Pushes bytes under the digest of others. */
  async pushWrong(bytes: Uint8Array): Promise<void> {
    const path = `${BLOBS}/uploads/?digest=${digestOf('others')}`
    let answer: Response
    do answer = await this.#ask('POST', path, { body: inPieces(bytes) })
    while (this.#isRefused(answer))
    assert.equal(answer.status, 400)
  }

  /** Pushes a blob in chunks of a size. */
  async pushInChunks(bytes: Uint8Array, size: number): Promise<void> {
    let location: string
    do location = await this.begin(bytes)
    while (!(await this.finish(location, bytes, size)))
  }

  /** Begins an upload. @returns its path */
  async begin(bytes: Uint8Array): Promise<string> {
    const answer = await this.#ask('POST', `${BLOBS}/uploads/`)
    assert.equal(answer.status, 202)
    const location = answer.headers.get('location') ?? ''
    this.#learn({ type: 'upload', location, bytes, offset: 0, state: 'open' })
    return location
  }

  /** Sends what an upload lacks, in chunks, and closes it. @returns whether it could; false if it is gone */
  async finish(location: string, bytes: Uint8Array, size: number): Promise<boolean> {
    for (;;) {
      const offset = await this.offsetOf(location, bytes)
      if (offset === undefined) return false
      if (offset < bytes.length) await this.patch(location, bytes, { from: offset, to: offset + size })
      else if (await this.#close(location, bytes)) return true
    }
  }

  /** Sends a chunk. @param cut whether the connection breaks before its end */
  async patch(
    location: string,
    bytes: Uint8Array,
    { from, to, cut = false }: { from: number; to: number; cut?: boolean },
  ): Promise<void> {
    const chunk = bytes.subarray(from, to)
    const carried = cut
      ? { body: inPieces(chunk, cut) }
      : { body: inPieces(chunk), headers: chunkRange(from, chunk.length) }
    const answer = await this.#ask('PATCH', location, carried)
    if (this.#isRefused(answer)) return
    assert.equal(answer.status, cut ? 408 : 202)
    if (!cut) this.#learn({ type: 'upload', location, bytes, offset: from + chunk.length, state: 'open' })
  }

  /** Asks where an upload ends; undefined if it is gone. */
  async offsetOf(location: string, bytes: Uint8Array): Promise<number | undefined> {
    const answer = await this.#ask('GET', location)
    if (answer.status === 404) {
      this.#learn({ type: 'upload', location, bytes, offset: 0, state: 'ended' })
      return undefined
    }
    assert.equal(answer.status, 204)
    const last = Number(/^0-(\d+)$/.exec(answer.headers.get('range') ?? '')?.[1])
    const offset = last === 0 ? 0 : last + 1
    this.#learn({ type: 'upload', location, bytes, offset, state: 'open' })
    return offset
  }

  /** Deletes a blob. */
  async delete(bytes: Uint8Array): Promise<void> {
    const digest = digestOf(bytes)
    this.#learn({ type: 'blob', digest, state: 'unsure' })
    assert.equal((await this.#ask('DELETE', `${BLOBS}/${digest}`)).status, 202)
    this.#learn({ type: 'blob', digest, state: 'gone' })
  }

  /** Pulls a blob. @returns whether it is there; then with exactly these bytes */
  async pulls(bytes: Uint8Array): Promise<boolean> {
    const answer = await this.#ask('GET', `${BLOBS}/${digestOf(bytes)}`)
    if (answer.status === 404) return false
    assert.equal(answer.status, 200)
    assert.ok((await bytesOf(answer)).equals(bytes), 'a blob is read with other bytes than were pushed')
    return true
  }

  async #close(location: string, bytes: Uint8Array): Promise<boolean> {
    const digest = digestOf(bytes)
    this.#learn({ type: 'blob', digest, state: 'unsure' })
    this.#learn({ type: 'upload', location, bytes, offset: bytes.length, state: 'closing' })
    const answer = await this.#ask('PUT', `${location}?digest=${digest}`)
    if (this.#isRefused(answer)) return false
    assert.equal(answer.status, 201)
    this.#learn({ type: 'upload', location, bytes, offset: bytes.length, state: 'ended' })
    this.#learn({ type: 'blob', digest, state: 'there' })
    return true
  }

  async #ask(method: string, path: string, carried: Carried = {}): Promise<Response> {
    return await this.#registry.request(method, path, carried)
  }

  #isRefused({ status }: Response): boolean {
    if (status < 500) return false
    this.refusals.push(status)
    this.#onRefused()
    assert.ok(this.refusals.length < MAX_REFUSALS, 'it is refused again and again')
    return true
  }
}

const PIECE = 8 * 1024

/** A body that comes in pieces, and may break off behind the last. */
function inPieces(bytes: Uint8Array, cut = false): ReadableStream<Uint8Array> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE)
    if (cut) throw new PeerGoneError('the client closed the connection')
  }
  return ReadableStream.from(pieces())
}
