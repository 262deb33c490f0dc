import type { ContentPlace } from '../metadata/blobs.ts'
import type { DigestsSoFar, LeaseTerms, UploadClaim, UploadPosition } from '../metadata/uploads.ts'
import type { HashAlgorithm } from '../oci/digest.ts'
import { createHasher, type Hasher } from './hasher.ts'
import type { CheckpointInterval, RegistryParts } from './parts.ts'
import { StoreError } from './store-error.ts'
import { copyStored } from './stored-bytes.ts'
import { lostUpload, newLease, randomHex, releaseUpload, saveUpload, type Upload } from './upload.ts'
import { UploadBody } from './upload-body.ts'
import { takenOver } from './upload-writers.ts'

/** Content of up to this many bytes is kept in the metadata store. */
export const MAX_SMALL_CONTENT = 64 * 1024

const CHECKPOINTS: CheckpointInterval = { bytes: 256 * 1024 * 1024, milliseconds: 10_000 }

/** Where in an upload a body begins. */
export type UploadStart = 'held' | 'acknowledged'

/** What an upload holds after a body was received. All of it is durable if the upload has a key. */
export interface Received extends UploadPosition {
  /** Where the body began. */
  start: number
  /** The claim by which the upload may be changed now. */
  claim: UploadClaim
  /** The hasher to continue with; undefined if the bytes must be hashed from the beginning, as small content always is. */
  hasher: Hasher | undefined
  /** Why the body ended early, if it did. */
  interrupted?: { error: unknown }
}

/** A body for an upload, and how it is received. */
export interface Arrival {
  body: AsyncIterable<Uint8Array>
  from: UploadStart
  /** The algorithms to hash in, if hashing is still possible: from the first byte on, or with a running hasher. */
  algorithms: readonly HashAlgorithm[]
  /** The hasher of the existing bytes up to the start. */
  running?: Hasher | undefined
}

/** What the upload has at the position where a body begins. */
export function startOf({ record }: Upload, from: UploadStart): UploadPosition {
  return from === 'held' ? record : record.acknowledged
}

/**
 * Receives a body into an upload. Small content stays in memory until the caller's commit stores it. Larger content is written to the blob
 * store, under a lease and with checkpoints.
 *
 * @throws RegistryError UPLOAD_TAKEN_OVER or UPLOAD_UNKNOWN if someone else changed the upload
 */
export async function receive(
  parts: RegistryParts,
  upload: Upload,
  { body, from, algorithms, running }: Arrival,
): Promise<Received> {
  const { content, offset, digests } = startOf(upload, from)
  if (content.bytes !== undefined) {
    const source = new UploadBody(body, upload.writer)
    const small = await receiveSmall(parts, upload, source, content.bytes)
    if ('content' in small) return { ...small, start: offset }
    const hasher = await createHasher(['sha256', ...algorithms])
    for (const chunk of small.gathered) hasher.update(chunk)
    source.hasher = hasher
    return await receiveLarge(parts, upload, source, { ...small, from, hasher })
  }
  const source = new UploadBody(body, upload.writer, running)
  const first = await nextChunk(source, upload)
  const { claim } = upload
  if (first === undefined)
    return { start: offset, offset, content, claim, digests, hasher: running, ...interruption(source) }
  return await receiveLarge(parts, upload, source, { gathered: [first], claim, from, hasher: running })
}

/** The next chunk, after everything before it was recorded. */
async function nextChunk(source: UploadBody, { writer }: Upload): Promise<Uint8Array | undefined> {
  for (;;) {
    const chunk = await source.next()
    if (chunk !== 'record') return chunk
    writer.recorded()
  }
}

function interruption(source: UploadBody): { interrupted?: { error: unknown } } {
  return source.interrupted ? { interrupted: source.interrupted } : {}
}

interface Gathered {
  gathered: Uint8Array[]
  claim: UploadClaim
}

/**
 * Gathers a body that begins in the row. It is not hashed on the way, since hashing the whole of it at the end costs less.
 *
 * @returns the whole body if it stays small, else the bytes so far
 */
async function receiveSmall(
  parts: RegistryParts,
  upload: Upload,
  source: UploadBody,
  bytes: Uint8Array,
): Promise<Omit<Received, 'start'> | Gathered> {
  const gathered = [bytes]
  let size = bytes.length
  let { claim } = upload
  const now = (): Omit<Received, 'start'> => {
    const content = { bytes: concat(gathered) }
    return { offset: size, content, claim, digests: {}, hasher: undefined, ...interruption(source) }
  }
  while (size <= MAX_SMALL_CONTENT) {
    const chunk = await source.next()
    if (chunk === undefined) return now()
    if (chunk === 'record') {
      claim = await checkpoint(parts, upload, { ...now(), claim })
      continue
    }
    gathered.push(chunk)
    size += chunk.length
  }
  return { gathered, claim }
}

function concat(chunks: Uint8Array[]): Uint8Array {
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
}

async function receiveLarge(
  parts: RegistryParts,
  upload: Upload,
  source: UploadBody,
  { gathered, claim: before, from, hasher }: Gathered & { from: UploadStart; hasher: Hasher | undefined },
): Promise<Received> {
  const { key, lease, state: opened } = await claimUpload(parts, { ...upload, claim: before }, from)
  const begun = startOf(upload, from)
  const claim = { lease: lease.token }
  let position = { offset: begun.content.key === undefined ? 0 : begun.offset, state: opened }
  let digests = begun.digests
  try {
    for (let first = gathered; first.length > 0; ) {
      const body = segment(source, first, { ...CHECKPOINTS, ...parts.checkpoints })
      position = await parts.blobs.append(key, position.state, position.offset, body)
      digests = hasher?.digests() ?? {}
      if (source.ended) break
      const { offset, state } = position
      await checkpoint(parts, upload, { claim, offset, content: { state }, digests })
      const next = await nextChunk(source, upload)
      first = next === undefined ? [] : [next]
    }
  } catch (error) {
    await abandon(parts, upload, { lease: lease.token, key, error })
    throw error
  }
  const { offset, state } = position
  return {
    start: begun.offset,
    offset,
    content: { key, state },
    claim,
    digests,
    hasher,
    ...interruption(source),
  }
}

/**
 * Takes the lease of an upload that has not changed since it was read, and makes sure that nothing else writes to its key.
 *
 * @returns its key, and the state of the existing bytes up to the start
 */
export async function claimUpload(
  parts: RegistryParts,
  upload: Upload,
  from: UploadStart,
): Promise<{ key: string; state: string; lease: LeaseTerms }> {
  const { id, repository, claim, record } = upload
  const lease = newLease(parts)
  if (claim.lease !== undefined) lease.token = claim.lease
  const [outcome] = await parts.metadata.commit([
    { type: 'openUpload', id, repository, claim, from, key: randomHex(parts), lease },
  ])
  if (outcome.result !== 'opened') throw lostUpload(outcome.result)
  const { content } = startOf(upload, from)
  if (content.key === undefined) return { key: outcome.key, state: '', lease }
  if (!record.mustMove) return { key: outcome.key, state: content.state, lease }
  return { ...(await move(parts, upload, lease.token)), lease }
}

/** Copies the acknowledged bytes to a new key, which a stale writer that may wake up at any time cannot reach, and continues there. */
async function move(
  parts: RegistryParts,
  upload: Upload,
  lease: string,
): Promise<{ key: string; state: string }> {
  const { content, offset } = upload.record.acknowledged
  if (content.key === undefined) throw new TypeError('only what lies in the blob store is moved')
  const range = { start: 0, end: offset - 1 }
  const copied = await copyUpload(parts, upload, { ...content, range, lease })
  const { state } = copied
  const [outcome] = await parts.metadata.commit([{ type: 'moveUpload', id: upload.id, lease, state }])
  if (outcome.result === 'changed') throw takenOver()
  return copied
}

/** Copies a part of what an upload holds under a key to another key. The other key is recorded first. */
export async function copyUpload(
  parts: RegistryParts,
  { id, writer }: Upload,
  { lease, ...source }: { key: string; state: string; range: { start: number; end: number }; lease: string },
): Promise<{ key: string; state: string }> {
  const key = randomHex(parts)
  const [outcome] = await parts.metadata.commit([{ type: 'reserveKey', id, lease, key }])
  if (outcome.result === 'changed') throw takenOver()
  const { state } = await copyStored(parts.blobs, source, key, () => {
    if (writer.isStopped) throw takenOver()
  })
  return { key, state }
}

/** One append. It ends after a number of bytes, after some time, or when another request asks for the upload to be recorded. */
async function* segment(
  source: UploadBody,
  first: Uint8Array[],
  { bytes, milliseconds }: CheckpointInterval,
): AsyncGenerator<Uint8Array> {
  const deadline = performance.now() + milliseconds
  let size = 0
  for (const chunk of first.splice(0)) {
    size += chunk.length
    yield chunk
  }
  while (size < bytes && performance.now() < deadline) {
    const chunk = await source.next()
    if (chunk === undefined || chunk === 'record') return
    size += chunk.length
    yield chunk
  }
}

/** Records what an upload holds in the middle of a body. @returns the claim by which it may be changed next */
async function checkpoint(
  parts: RegistryParts,
  upload: Upload,
  now: {
    claim: UploadClaim
    offset: number
    content: { bytes: Uint8Array; state?: never } | { state: string; bytes?: never }
    digests: DigestsSoFar
  },
): Promise<UploadClaim> {
  const { claim, offset, content, digests } = now
  const lease = claim.lease === undefined ? {} : { lease: { ...newLease(parts), token: claim.lease } }
  const next = await saveUpload(parts, upload, {
    claim,
    offset,
    content,
    digests,
    acknowledged: false,
    ...lease,
  })
  upload.writer.recorded()
  return next
}

/** After a failed write an upload continues from its last checkpoint, unless it is unknown what the disk holds. */
async function abandon(
  parts: RegistryParts,
  { id, repository }: Upload,
  { lease, key, error }: { lease: string; key: string; error: unknown },
): Promise<void> {
  if (error instanceof StoreError && error.keepsBytes) return await releaseUpload(parts, { id }, { lease })
  // The client must get the first failure. If this fails too, the lease expires by itself.
  const ended = await parts.metadata.commit([{ type: 'endUpload', id, repository, lease }]).catch(() => [])
  if (ended[0] === undefined || ended[0].result === 'ended') return
  await parts.metadata.commit([{ type: 'discardKey', id, key }]).catch(() => {})
}

/** Where content that was received completely is stored. */
export function placeOf(content: Received['content']): ContentPlace {
  return content.key === undefined ? { bytes: content.bytes } : { key: content.key }
}
