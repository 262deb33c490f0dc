import type { UploadClaim } from '../metadata/command.ts'
import { type Digest, formatDigest, type HashAlgorithm, hashAlgorithmOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Hasher } from './hasher.ts'
import type { RegistryParts } from './parts.ts'
import { claimUpload, placeOf, type Received, receive, release } from './receive.ts'
import { rehash } from './rehash.ts'
import { findQuietUpload, freshUpload, saveUpload, type Upload, UploadOutOfOrderError } from './upload.ts'

/** A part of a blob as a request brings it. */
export interface Chunk {
  body: AsyncIterable<Uint8Array>
  /** Where the client says that it lies, if it does. */
  range?: ByteRange | undefined
}

/** Pushes blobs: in chunks, or whole. */
export interface BlobPusher {
  append(repository: RepositoryName, id: string, chunk: Chunk): Promise<{ offset: number }>
  finish(repository: RepositoryName, id: string, digest: Digest, chunk: Chunk): Promise<void>
  pushWhole(repository: RepositoryName, digest: Digest, body: AsyncIterable<Uint8Array>): Promise<void>
}

const MAX_RUNNING_HASHERS = 1000

/** Makes a pusher. It remembers hashers between the chunks of an upload; without them it reads again. */
export function blobPusher(parts: RegistryParts): BlobPusher {
  const running = new Map<string, { offset: number; hasher: Hasher }>()

  function takeRunning(upload: Upload): Hasher | undefined {
    const found = running.get(upload.id)
    running.delete(upload.id)
    return found?.offset === upload.record.offset ? found.hasher : undefined
  }

  function keepRunning(id: string, { offset, hasher }: Received): void {
    if (hasher === undefined) return
    running.set(id, { offset, hasher })
    const oldest = running.keys().next()
    if (running.size > MAX_RUNNING_HASHERS && !oldest.done) running.delete(oldest.value)
  }

  async function take(upload: Upload, chunk: Chunk, algorithm: HashAlgorithm): Promise<Received> {
    if (chunk.range !== undefined && chunk.range.start !== upload.record.offset) {
      throw new UploadOutOfOrderError(upload.record.offset)
    }
    const body = chunk.range === undefined ? chunk.body : exactly(chunk.body, chunk.range)
    return await receive(parts, upload, body, { algorithms: [algorithm], running: takeRunning(upload) })
  }

  return {
    async append(repository, id, chunk) {
      const upload = await findQuietUpload(parts, repository, id)
      const received = await take(upload, chunk, upload.algorithm)
      await save(parts, upload, received)
      keepRunning(id, received)
      if (received.interrupted) throw received.interrupted.error
      return { offset: received.offset }
    },

    async finish(repository, id, digest, chunk) {
      const upload = await findQuietUpload(parts, repository, id)
      const received = await take(upload, chunk, hashAlgorithmOf(digest))
      if (received.interrupted) {
        await save(parts, upload, received)
        keepRunning(id, received)
        throw received.interrupted.error
      }
      await complete(parts, upload, received, digest)
    },

    async pushWhole(repository, digest, body) {
      const algorithm = hashAlgorithmOf(digest)
      const upload = freshUpload(parts, repository, algorithm)
      await completeOrDiscard(parts, upload, take(upload, { body }, algorithm), digest)
    },
  }
}

/** A body that must have the length of its range; more than that is never taken. */
async function* exactly(body: AsyncIterable<Uint8Array>, range: ByteRange): AsyncGenerator<Uint8Array> {
  const length = range.end - range.start + 1
  let size = 0
  const wrong = () =>
    new RegistryError('SIZE_INVALID', {
      message: `Content-Range says ${length} bytes; the body has another length`,
    })
  for await (const chunk of body) {
    size += chunk.length
    if (size > length) throw wrong()
    yield chunk
  }
  if (size < length) throw wrong()
}

async function save(parts: RegistryParts, upload: Upload, received: Received): Promise<void> {
  const { content, claim, offset, digests } = received
  const held = content.key === undefined ? { bytes: content.bytes } : { state: content.state }
  await saveUpload(parts, upload, { claim, offset, content: held, digests })
}

/** For an upload that nobody was told of: nobody can go on with it if it fails. */
async function completeOrDiscard(
  parts: RegistryParts,
  upload: Upload,
  receiving: Promise<Received>,
  digest: Digest,
): Promise<void> {
  let received: Received | undefined
  try {
    received = await receiving
    if (received.interrupted) throw received.interrupted.error
    await complete(parts, upload, received, digest)
  } catch (error) {
    const isSmall = received !== undefined && received.content.key === undefined
    // The first failure is what the client must hear of.
    if (!isSmall) await discard(parts, upload).catch(() => {})
    throw error
  }
}

async function complete(
  parts: RegistryParts,
  upload: Upload,
  received: Received,
  digest: Digest,
): Promise<void> {
  const algorithm = hashAlgorithmOf(digest)
  const known = received.digests[algorithm]
  if (known !== undefined && formatDigest(algorithm, known) !== digest) {
    await refuse(parts, upload, received, formatDigest(algorithm, known), digest)
  }
  const claim = await claimToPublish(parts, upload, received)
  try {
    await store(parts, upload, { ...received, claim }, digest)
  } catch (error) {
    if (claim.lease !== undefined) await release(parts, upload, claim.lease)
    throw error
  }
}

/** Nobody may be appending while a key is published, so this needs the lease. */
async function claimToPublish(
  parts: RegistryParts,
  upload: Upload,
  { content, claim }: Received,
): Promise<UploadClaim> {
  if (content.key === undefined || claim.lease !== undefined) return claim
  return { lease: (await claimUpload(parts, upload)).lease.token }
}

async function store(
  parts: RegistryParts,
  upload: Upload,
  received: Received,
  digest: Digest,
): Promise<void> {
  const { content, claim, digests, offset } = received
  if (content.key !== undefined) await parts.blobs.publish(content.key, content.state)
  if (digests[hashAlgorithmOf(digest)] === undefined) await verifyAgain(parts, upload, received, digest)
  const [outcome] = await parts.metadata.commit([
    {
      type: 'putBlob',
      repository: upload.repository,
      digest,
      size: offset,
      content: placeOf(content),
      upload: { id: upload.id, claim },
      at: parts.clock(),
    },
  ])
  if (outcome.result === 'upload-unknown') throw new RegistryError('UPLOAD_UNKNOWN')
  if (outcome.result === 'repository-deleting') throw new RegistryError('REPOSITORY_DELETING')
  if (outcome.result === 'upload-changed') throw new RegistryError('UPLOAD_BUSY')
}

async function verifyAgain(
  parts: RegistryParts,
  upload: Upload,
  { content, offset }: Received,
  digest: Digest,
): Promise<void> {
  const range = { start: 0, end: offset - 1 }
  const bytes =
    content.key === undefined
      ? { type: 'bytes' as const, bytes: content.bytes }
      : await parts.blobs.open(content.key, range)
  if (bytes === undefined) throw new Error('a key that was just published has no bytes')
  const algorithm = hashAlgorithmOf(digest)
  const found = formatDigest(algorithm, await rehash(bytes, algorithm))
  if (found === digest) return
  await discard(parts, upload)
  throw mismatch(found, digest)
}

/** What was there before this request stays, so that the right digest can still close the upload. */
async function refuse(
  parts: RegistryParts,
  upload: Upload,
  { claim }: Received,
  found: Digest,
  wanted: Digest,
): Promise<never> {
  if (claim.lease !== undefined) await discard(parts, upload)
  throw mismatch(found, wanted)
}

async function discard(parts: RegistryParts, { id, repository }: Upload): Promise<void> {
  await parts.metadata.commit([{ type: 'endUpload', id, repository, at: parts.clock() }])
}

function mismatch(found: Digest, wanted: Digest): RegistryError {
  return new RegistryError('DIGEST_INVALID', {
    message: 'digest does not match the content',
    details: [{ digest: wanted, content: found }],
  })
}
