import { type Digest, type HashAlgorithm, hashAlgorithmOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { findBlob } from './blobs.ts'
import { type Closing, closeUpload } from './close-upload.ts'
import type { Hasher } from './hasher.ts'
import type { RegistryParts } from './parts.ts'
import { type Received, receive, startOf, type UploadStart } from './receive.ts'
import {
  acknowledgeUpload,
  type BegunUpload,
  cancelUpload,
  findUpload,
  freshUpload,
  readUploadId,
  releaseUpload,
  revertUpload,
  saveUpload,
  startUpload,
  takeUpload,
  type Upload,
  UploadOutOfOrderError,
} from './upload.ts'
import { exactly } from './upload-body.ts'
import { type UploadWriter, UploadWriters } from './upload-writers.ts'

/** A part of a blob as a request delivers it. */
export interface Chunk {
  body: AsyncIterable<Uint8Array>
  /** The position in the upload that the client states, if it does. */
  range?: ByteRange | undefined
  /** How many bytes the client says that the part has, if it does. */
  length?: number | undefined
}

/** The blob that an upload becomes, and who pushes it. */
export type ClosedAs = Pick<Closing, 'digest' | 'actor'>

/** Uploads into a repository. */
export interface Uploads {
  start(repository: RepositoryName, algorithm?: HashAlgorithm): Promise<string>
  /** Pushes a part of a blob. @returns the end of the upload after this part */
  append(repository: RepositoryName, id: string, chunk: Chunk): Promise<{ offset: number }>
  /** Pushes the last part of a blob, or all of it, and closes the upload. */
  finish(repository: RepositoryName, id: string, as: ClosedAs, chunk: Chunk): Promise<void>
  /** Pushes a blob in one request. */
  pushWhole(repository: RepositoryName, as: ClosedAs, body: AsyncIterable<Uint8Array>): Promise<void>
  /** Where an upload ends, including the bytes that a running request has delivered. */
  status(repository: RepositoryName, id: string): Promise<{ offset: number }>
  cancel(repository: RepositoryName, id: string): Promise<void>
}

const MAX_RUNNING_HASHERS = 1000

/** Handles the uploads of this thread. */
export function uploadsOf(parts: RegistryParts): Uploads {
  const writers = parts.writers ?? new UploadWriters()
  const chunks = new ChunkReceiver(parts)
  return {
    start: async (repository, algorithm) => startUpload(parts, repository, algorithm),

    async append(repository, id, chunk) {
      const begun = readUploadId(parts, repository, id)
      return await writers.write(id, async (writer, allStopped) => {
        const upload = await takeUpload(parts, begun, { writer, allStopped })
        const from = await beginning(parts, upload, chunk)
        const received = await chunks.take(upload, chunk, from, upload.algorithm)
        if (received.interrupted) return await chunks.giveUp(upload, received, received.interrupted.error)
        await chunks.keep(upload, received, true)
        return { offset: received.offset }
      })
    },

    async finish(repository, id, { digest, actor }, chunk) {
      const begun = readUploadId(parts, repository, id)
      await writers.write(id, async (writer, allStopped) => {
        const upload = await takeOrRepeat(parts, begun, { writer, allStopped, digest, chunk })
        if (upload === undefined) return
        const from = await beginning(parts, upload, chunk)
        const received = await chunks.take(upload, chunk, from, hashAlgorithmOf(digest))
        if (received.interrupted) return await chunks.giveUp(upload, received, received.interrupted.error)
        writer.isClosing = true
        const mayBeWhole = chunk.range === undefined
        await closeUpload(parts, upload, received, { digest, actor, from, mayBeWhole })
      })
    },

    async pushWhole(repository, as, body) {
      const algorithm = hashAlgorithmOf(as.digest)
      const upload = freshUpload(parts, repository, algorithm)
      const arrival = { body, from: 'acknowledged', algorithms: [algorithm] } as const
      await closeOrDiscard(parts, upload, receive(parts, upload, arrival), as)
    },

    async status(repository, id) {
      const begun = readUploadId(parts, repository, id)
      await writers.record(id)
      const record = await findUpload(parts, begun)
      return { offset: await acknowledgeUpload(parts, { id, record }) }
    },

    async cancel(repository, id) {
      const begun = readUploadId(parts, repository, id)
      writers.stop(id)
      await cancelUpload(parts, begun)
    },
  }
}

/**
 * Where a body begins. With a range, it begins where the range says, which must be the end of the upload; otherwise it begins at the end
 * that the client was told.
 *
 * @throws UploadOutOfOrderError, RegistryError SIZE_INVALID; the upload is then released
 */
async function beginning(
  parts: RegistryParts,
  upload: Upload,
  { range, length }: Chunk,
): Promise<UploadStart> {
  if (range === undefined) return 'acknowledged'
  const isInOrder = range.start === upload.record.offset
  const hasLength = length === undefined || length === range.end - range.start + 1
  if (isInOrder && hasLength) return 'held'
  await releaseUpload(parts, upload, upload.claim)
  if (!isInOrder) throw new UploadOutOfOrderError(await acknowledgeUpload(parts, upload))
  throw new RegistryError('SIZE_INVALID', {
    message: 'Content-Range and Content-Length specify different lengths',
  })
}

/** Takes an upload in order to close it. Undefined if it is already closed and this request only repeats that. @throws as takeUpload */
async function takeOrRepeat(
  parts: RegistryParts,
  begun: BegunUpload,
  { digest, chunk, ...writing }: { writer: UploadWriter; allStopped: boolean; digest: Digest; chunk: Chunk },
): Promise<Upload | undefined> {
  try {
    return await takeUpload(parts, begun, writing)
  } catch (error) {
    const isUnknown = error instanceof RegistryError && error.id === 'UPLOAD_UNKNOWN'
    if (isUnknown && (await isRepetition(parts, begun, { digest, chunk }))) return undefined
    throw error
  }
}

/**
 * Whether a request repeats the closing of an upload that is already closed as the same blob, as clients do if an answer got lost. Its body
 * is read and discarded.
 */
async function isRepetition(
  parts: RegistryParts,
  { id, repository }: BegunUpload,
  { digest, chunk }: { digest: Digest; chunk: Chunk },
): Promise<boolean> {
  if ((await parts.metadata.uploads.closedAs(id)) !== digest) return false
  const blob = await findBlob(parts, repository, digest).catch((error: unknown) => {
    if (error instanceof RegistryError) return undefined
    throw error
  })
  if (blob === undefined) return false
  let left = blob.size
  // A body that is longer than the blob is not a repetition. The client gets its answer before the rest of the body is read.
  for await (const { length } of chunk.body) {
    left -= length
    if (left < 0) break
  }
  return true
}

/** For an upload whose id no client knows: no client can continue it if it fails. */
async function closeOrDiscard(
  parts: RegistryParts,
  upload: Upload,
  receiving: Promise<Received>,
  as: ClosedAs,
): Promise<void> {
  const { id, repository } = upload
  let received: Received | undefined
  try {
    received = await receiving
    if (received.interrupted) throw received.interrupted.error
    await closeUpload(parts, upload, received, { ...as, from: 'acknowledged', mayBeWhole: false })
  } catch (error) {
    const isSmall = received !== undefined && received.content.key === undefined
    const end = { type: 'endUpload', id, repository } as const
    // The client must get the first failure.
    if (!isSmall) await parts.metadata.commit([end]).catch(() => {})
    throw error
  }
}

/** Receives chunks. It keeps hashers between the chunks of an upload; without them, the bytes must be read again. */
class ChunkReceiver {
  readonly #parts: RegistryParts
  readonly #hashers = new Map<string, Hasher>()

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  /** Receives the body of a chunk into an upload. */
  async take(
    upload: Upload,
    { body, range }: Chunk,
    from: UploadStart,
    algorithm: HashAlgorithm,
  ): Promise<Received> {
    return await receive(this.#parts, upload, {
      body: range === undefined ? body : exactly(body, range),
      from,
      algorithms: [algorithm],
      running: this.#takeHasher(upload, from),
    })
  }

  /** Records what an upload holds now. @param acknowledged whether the client is told of it */
  async keep(upload: Upload, received: Received, acknowledged: boolean): Promise<void> {
    const { content, claim, offset, digests, hasher } = received
    const held = content.key === undefined ? { bytes: content.bytes } : { state: content.state }
    await saveUpload(this.#parts, upload, { claim, offset, content: held, digests, acknowledged })
    if (hasher !== undefined) this.#keepHasher(upload.id, hasher)
  }

  /** For an incomplete body: keeps the received bytes if the connection was cut, and nothing if the body does not match its range. */
  async giveUp(upload: Upload, received: Received, error: unknown): Promise<never> {
    const isRefused = error instanceof RegistryError && error.id === 'SIZE_INVALID'
    if (isRefused) await revertUpload(this.#parts, upload, received.claim)
    else await this.keep(upload, received, false)
    throw error
  }

  /** The hasher of the bytes of an upload up to where a body begins, if it is still known. */
  #takeHasher(upload: Upload, from: UploadStart): Hasher | undefined {
    const hasher = this.#hashers.get(upload.id)
    this.#hashers.delete(upload.id)
    // Another thread may have reverted the upload and continued it with other bytes of the same length.
    return hasher?.digests().sha256 === startOf(upload, from).digests.sha256 ? hasher : undefined
  }

  #keepHasher(id: string, hasher: Hasher): void {
    this.#hashers.set(id, hasher)
    const oldest = this.#hashers.keys().next()
    if (this.#hashers.size > MAX_RUNNING_HASHERS && !oldest.done) this.#hashers.delete(oldest.value)
  }
}
