import type { Actor } from '../metadata/actor.ts'
import { type Digest, formatDigest, hashAlgorithmOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import { hashOf } from './hasher.ts'
import type { RegistryParts } from './parts.ts'
import {
  claimUpload,
  copyUpload,
  MAX_SMALL_CONTENT,
  placeOf,
  type Received,
  startOf,
  type UploadStart,
} from './receive.ts'
import { rehash } from './rehash.ts'
import { openStored, readStored } from './stored-bytes.ts'
import { lostUpload, releaseUpload, revertUpload, type Upload } from './upload.ts'

/** The blob that an upload is closed as. */
export interface Closing {
  digest: Digest
  /** Who closes it. */
  actor: Actor
  from: UploadStart
  /** Whether the body may be the whole blob, regardless of what the upload received before. */
  mayBeWhole: boolean
}

/**
 * Makes a blob of the received bytes and closes the upload. The blob is either the whole upload or only this body, whichever has the
 * digest.
 *
 * @throws RegistryError DIGEST_INVALID if neither has the digest; the upload then goes back to its acknowledged state
 */
export async function closeUpload(
  parts: RegistryParts,
  upload: Upload,
  received: Received,
  { digest, actor, from, mayBeWhole }: Closing,
): Promise<void> {
  const owned = await own(parts, upload, received, from)
  try {
    const content = await contentWith(parts, upload, owned, { digest, mayBeWhole })
    await store(parts, upload, content, { digest, actor })
  } catch (error) {
    const isRefused = error instanceof RegistryError && error.id === 'DIGEST_INVALID'
    if (isRefused) await revertUpload(parts, upload, owned.claim)
    else await releaseUpload(parts, upload, owned.claim)
    throw error
  }
}

/** No other request may append while a key is read and published, so this needs the lease. */
async function own(
  parts: RegistryParts,
  upload: Upload,
  received: Received,
  from: UploadStart,
): Promise<Received> {
  const isUntouched = received.content === startOf(upload, from).content
  if (received.content.key === undefined || !isUntouched) return received
  const { key, state, lease } = await claimUpload(parts, upload, from)
  return { ...received, content: { key, state }, claim: { lease: lease.token } }
}

/** The part of an upload that has a digest. */
async function contentWith(
  parts: RegistryParts,
  upload: Upload,
  received: Received,
  { digest, mayBeWhole }: Pick<Closing, 'digest' | 'mayBeWhole'>,
): Promise<Received> {
  const { content, start, offset } = received
  const algorithm = hashAlgorithmOf(digest)
  const known = received.digests[algorithm]
  const all = known === undefined ? await digestOf(parts, received, digest) : formatDigest(algorithm, known)
  if (all === digest) return received
  if (!mayBeWhole || start === 0 || offset === start) throw mismatch(all, digest)
  const alone = await digestOf(parts, received, digest, start)
  if (alone !== digest) throw mismatch(all, digest)
  const size = offset - start
  const range = { start, end: offset - 1 }
  if (content.key === undefined)
    return { ...received, offset: size, content: { bytes: content.bytes.subarray(start) } }
  if (size <= MAX_SMALL_CONTENT) {
    const bytes = await readStored(parts.blobs, { ...content, range })
    return { ...received, offset: size, content: { bytes } }
  }
  const lease = received.claim.lease ?? ''
  return { ...received, offset: size, content: await copyUpload(parts, upload, { ...content, range, lease }) }
}

/** The digest of the received bytes from an offset on, in memory or read again from where they are stored. */
async function digestOf(
  parts: RegistryParts,
  { content, offset }: Received,
  wanted: Digest,
  start = 0,
): Promise<Digest> {
  const algorithm = hashAlgorithmOf(wanted)
  if (content.key === undefined)
    return formatDigest(algorithm, await hashOf(algorithm, content.bytes.subarray(start)))
  const range: ByteRange = { start, end: offset - 1 }
  return formatDigest(
    algorithm,
    await rehash(await openStored(parts.blobs, { ...content, range }), algorithm),
  )
}

async function store(
  parts: RegistryParts,
  { id, repository }: Upload,
  { content, claim, offset }: Received,
  { digest, actor }: Pick<Closing, 'digest' | 'actor'>,
): Promise<void> {
  if (content.key !== undefined) await parts.blobs.publish(content.key, content.state)
  const [outcome] = await parts.metadata.commit([
    {
      type: 'putBlob',
      actor,
      repository,
      digest,
      size: offset,
      content: placeOf(content),
      upload: { id, claim },
    },
  ])
  if (outcome.result === 'upload-unknown') throw lostUpload('unknown')
  if (outcome.result === 'repository-deleting') throw new RegistryError('REPOSITORY_DELETING')
  if (outcome.result === 'upload-changed') throw lostUpload('changed')
}

function mismatch(found: Digest, wanted: Digest): RegistryError {
  return new RegistryError('DIGEST_INVALID', {
    message: 'digest does not match the content',
    details: [{ digest: wanted, content: found }],
  })
}
