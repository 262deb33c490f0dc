import type { ContentPlace, DigestsSoFar, Lease, UploadClaim } from '../metadata/command.ts'
import type { HashAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { createHasher, type Hasher } from './hasher.ts'
import type { CheckpointInterval, RegistryParts } from './parts.ts'
import { saveUpload, type Upload, UploadOutOfOrderError } from './upload.ts'

/** Content of up to this many bytes is kept in the metadata store. */
export const MAX_SMALL_CONTENT = 64 * 1024

const CHECKPOINTS: CheckpointInterval = { bytes: 256 * 1024 * 1024, milliseconds: 10_000 }
const LEASE_MS = 120_000

/** What an upload holds after a body was received, all of it durable where it has a key. */
export interface Received {
  offset: number
  content: { bytes: Uint8Array; key?: never } | { key: string; state: string; bytes?: never }
  /** By what right the upload may be changed now. */
  claim: UploadClaim
  digests: DigestsSoFar
  /** Goes on hashing where this left off; undefined where that isn't known without reading again. */
  hasher: Hasher | undefined
  /** Why the body ended early, if it did. */
  interrupted?: { error: unknown }
}

/** A body that is taken in parts: one part ends where another will go on. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #hasher: Hasher | undefined
  ended = false
  interrupted: { error: unknown } | undefined

  constructor(body: AsyncIterable<Uint8Array>, hasher: Hasher | undefined) {
    this.#chunks = body[Symbol.asyncIterator]()
    this.#hasher = hasher
  }

  /** The next chunk, which is hashed; undefined at the end, also when the body broke. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.ended) return undefined
    try {
      const next = await this.#chunks.next()
      if (!next.done) {
        this.#hasher?.update(next.value)
        return next.value
      }
    } catch (error) {
      this.interrupted = { error }
    }
    this.ended = true
    return undefined
  }
}

/**
 * Takes a body into an upload, behind what it has. Small content stays in memory for the caller's commit to store; what grows beyond
 * goes to the blob store, under a lease and with checkpoints.
 *
 * @param algorithms to hash in, if that can still begin: with the first byte, or with a running hasher
 * @throws UploadOutOfOrderError, RegistryError UPLOAD_BUSY or UPLOAD_UNKNOWN if someone else changed the upload
 */
export async function receive(
  parts: RegistryParts,
  upload: Upload,
  body: AsyncIterable<Uint8Array>,
  { algorithms, running }: { algorithms: HashAlgorithm[]; running: Hasher | undefined },
): Promise<Received> {
  const { content, offset, digests } = upload.record
  const hasher = content.bytes === undefined ? running : await freshHasher(content.bytes, algorithms)
  const source = new Source(body, hasher)
  const gathered: Uint8Array[] = []
  if (content.bytes === undefined) {
    const first = await source.next()
    if (first === undefined)
      return { offset, content, claim: { offset }, digests, hasher, ...interruption(source) }
    gathered.push(first)
  } else {
    gathered.push(content.bytes)
    const size = await gatherSmall(source, gathered, offset)
    if (source.ended && size <= MAX_SMALL_CONTENT) {
      const small = { bytes: concat(gathered) }
      return {
        offset: size,
        content: small,
        claim: { offset },
        digests: hasher?.digests() ?? {},
        hasher,
        ...interruption(source),
      }
    }
  }
  return await receiveLarge(parts, upload, source, { gathered, hasher })
}

function interruption(source: Source): { interrupted?: { error: unknown } } {
  return source.interrupted ? { interrupted: source.interrupted } : {}
}

async function freshHasher(bytes: Uint8Array, algorithms: HashAlgorithm[]): Promise<Hasher> {
  const hasher = await createHasher(['sha256', ...algorithms])
  hasher.update(bytes)
  return hasher
}

async function gatherSmall(source: Source, gathered: Uint8Array[], offset: number): Promise<number> {
  let size = offset
  while (size <= MAX_SMALL_CONTENT) {
    const chunk = await source.next()
    if (chunk === undefined) break
    gathered.push(chunk)
    size += chunk.length
  }
  return size
}

function concat(chunks: Uint8Array[]): Uint8Array {
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
}

async function receiveLarge(
  parts: RegistryParts,
  upload: Upload,
  source: Source,
  { gathered, hasher }: { gathered: Uint8Array[]; hasher: Hasher | undefined },
): Promise<Received> {
  const { key, lease } = await claimUpload(parts, upload)
  const { content } = upload.record
  let state = content.key === undefined ? '' : content.state
  let offset = content.key === undefined ? 0 : upload.record.offset
  let digests = upload.record.digests
  try {
    do {
      const body = segment(source, gathered.splice(0), parts.checkpoints ?? CHECKPOINTS)
      const appended = await parts.blobs.append(key, state, offset, body)
      ;({ state, offset } = appended)
      digests = hasher?.digests() ?? {}
      if (!source.ended) await checkpoint(parts, upload, { state, offset, digests, lease })
    } while (!source.ended)
  } catch (error) {
    await abandon(parts, upload, lease.token, error)
    throw error
  }
  return {
    offset,
    content: { key, state },
    claim: { lease: lease.token },
    digests,
    hasher,
    ...interruption(source),
  }
}

/** Takes the lease of an upload that is as it was found. */
export async function claimUpload(
  parts: RegistryParts,
  upload: Upload,
): Promise<{ key: string; lease: Lease }> {
  const at = parts.clock()
  const lease = { token: `${parts.holder ?? ''}${hex(parts.random(16))}`, until: at + LEASE_MS }
  const [outcome] = await parts.metadata.commit([
    {
      type: 'openUpload',
      id: upload.id,
      repository: upload.repository,
      offset: upload.record.offset,
      key: hex(parts.random(16)),
      lease,
      at,
    },
  ])
  if (outcome.result === 'opened') return { key: outcome.key, lease }
  if (outcome.result === 'moved') throw new UploadOutOfOrderError(outcome.offset)
  throw new RegistryError(outcome.result === 'busy' ? 'UPLOAD_BUSY' : 'UPLOAD_UNKNOWN')
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

async function* segment(
  source: Source,
  first: Uint8Array[],
  { bytes, milliseconds }: CheckpointInterval,
): AsyncGenerator<Uint8Array> {
  const deadline = performance.now() + milliseconds
  let size = 0
  for (const chunk of first) {
    size += chunk.length
    yield chunk
  }
  while (size < bytes && performance.now() < deadline) {
    const chunk = await source.next()
    if (chunk === undefined) return
    size += chunk.length
    yield chunk
  }
}

async function checkpoint(
  parts: RegistryParts,
  upload: Upload,
  { state, offset, digests, lease }: { state: string; offset: number; digests: DigestsSoFar; lease: Lease },
): Promise<void> {
  lease.until = parts.clock() + LEASE_MS
  await saveUpload(parts, upload, {
    claim: { lease: lease.token },
    offset,
    content: { state },
    digests,
    lease,
  })
}

/** What a disk may fail with and still hold what it was given before, so that the same bytes may succeed later. */
const PASSING = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ERR_BLOBS_UNAVAILABLE']

/** After a failed write an upload goes on from its last checkpoint, unless nobody can tell what the disk holds. */
async function abandon(parts: RegistryParts, upload: Upload, lease: string, error: unknown): Promise<void> {
  if (PASSING.includes((error as NodeJS.ErrnoException).code ?? ''))
    return await release(parts, upload, lease)
  const { id, repository } = upload
  // The first failure is what the client must hear of; if this fails too, the lease runs out by itself.
  await parts.metadata.commit([{ type: 'endUpload', id, repository, at: parts.clock() }]).catch(() => {})
}

/** Gives a lease back after a failure; if this fails too, it runs out by itself. */
export async function release(parts: RegistryParts, { id }: Upload, lease: string): Promise<void> {
  await parts.metadata.commit([{ type: 'releaseUpload', id, lease }]).catch(() => {})
}

/** The place of content that is received whole. */
export function placeOf(content: Received['content']): ContentPlace {
  return content.key === undefined ? { bytes: content.bytes } : { key: content.key }
}
