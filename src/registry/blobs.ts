import type { Actor } from '../metadata/actor.ts'
import type { BlobRecord } from '../metadata/blobs.ts'
import type { StoredContent } from '../metadata/contents.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobAddress, BlobBytes } from '../storage/blob-store.ts'
import type { RegistryParts } from './parts.ts'
import { nameOrElse } from './repositories.ts'

/** A blob of a repository. Where its bytes are stored is not known outside of this folder. */
export interface StoredBlob {
  /** In bytes. */
  size: number
  /**
   * Opens a part for a client. The range must lie inside the blob.
   *
   * @returns the bytes, or an address from which the client can get any part of the blob
   * @throws RegistryError BLOB_UNKNOWN or NAME_UNKNOWN if it was deleted in the meantime; BlobsUnavailableError
   */
  open(range: ByteRange): Promise<BlobBytes | BlobAddress>
}

/**
 * Finds a blob of a repository and checks that its bytes exist. A blob that a client was told about is kept long enough for the client to
 * use it.
 *
 * @throws RegistryError BLOB_UNKNOWN or NAME_UNKNOWN; BlobsUnavailableError if it is unknown whether the bytes exist
 */
export async function findBlob(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
): Promise<StoredBlob> {
  const record = await findRecord(parts, repository, digest)
  return {
    size: record.size,
    open: (range) => openBlob(parts, repository, digest, { record, range }),
  }
}

async function findRecord(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
): Promise<BlobRecord> {
  const blob = await parts.metadata.blobs.find(repository, digest)
  if (blob === undefined) throw await nameOrElse(parts, repository, 'BLOB_UNKNOWN', { details: [{ digest }] })
  const { size, content } = blob
  if (content.key !== undefined && !(await isThereWhole(parts, { key: content.key, size }))) {
    await requireMoved(parts, repository, digest, content.key)
    return await findRecord(parts, repository, digest)
  }
  if (blob.unusedSince !== undefined && parts.clock() - blob.unusedSince > parts.retention.unusedBlobs / 2) {
    const [outcome] = await parts.metadata.commit([{ type: 'keepBlob', repository, digest }])
    if (outcome.result === 'unknown') throw new RegistryError('BLOB_UNKNOWN', { details: [{ digest }] })
  }
  return blob
}

/** Between a look-up and the opening a blob may have been deleted, or pushed again under another key. @throws RegistryError BLOB_UNKNOWN if not the latter */
async function requireMoved(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
  key: string,
): Promise<void> {
  const again = await parts.metadata.blobs.find(repository, digest)
  if (again === undefined) throw new RegistryError('BLOB_UNKNOWN', { details: [{ digest }] })
  if (again.content.key === key) throw bytesLost(digest)
}

function bytesLost(digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', {
    message: 'the registry has lost the bytes of this blob; push the blob again',
    details: [{ digest }],
  })
}

async function openBlob(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
  { record, range }: { record: BlobRecord; range: ByteRange },
): Promise<BlobBytes | BlobAddress> {
  const { content } = record
  if (content.key === undefined)
    return { type: 'bytes', bytes: content.bytes.subarray(range.start, range.end + 1) }
  const opened = await parts.blobs.open(content.key, range, { mayBeElsewhere: true })
  if (opened !== undefined) return opened
  await requireMoved(parts, repository, digest, content.key)
  const again = await findRecord(parts, repository, digest)
  return await openBlob(parts, repository, digest, { record: again, range })
}

/**
 * Finds out which contents have lost their bytes, in all repositories.
 *
 * @returns those of the digests whose bytes should be in the blob store and are not; unknown digests are not included
 */
export async function findLost(parts: RegistryParts, digests: readonly Digest[]): Promise<Digest[]> {
  const lost: Digest[] = []
  for (let at = 0; at < digests.length; at += FOUND_AT_ONCE) {
    const stored = await parts.metadata.contents.stored(digests.slice(at, at + FOUND_AT_ONCE))
    for (let from = 0; from < stored.length; from += LOOKS_AT_ONCE) {
      const batch = stored.slice(from, from + LOOKS_AT_ONCE)
      const isThere = await Promise.all(batch.map((content) => isThereWhole(parts, content)))
      lost.push(...batch.filter((_, index) => !isThere[index]).map(({ digest }) => digest))
    }
  }
  return lost
}

const FOUND_AT_ONCE = 500
const LOOKS_AT_ONCE = 16

async function isThereWhole(
  { blobs }: RegistryParts,
  { key, size }: Pick<StoredContent, 'key' | 'size'>,
): Promise<boolean> {
  const found = await blobs.size(key)
  return found !== undefined && found >= size
}

/** Where a blob is mounted from; from any repository if `from` is undefined. */
export interface Mount {
  from: RepositoryName | undefined
  actor: Actor
}

/**
 * Makes a blob of another repository part of this one, if its bytes exist.
 *
 * @returns whether it could be found
 * @throws RegistryError REPOSITORY_DELETING; BlobsUnavailableError if it is unknown whether the bytes exist
 */
export async function mountBlob(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
  { from, actor }: Mount,
): Promise<boolean> {
  if ((await findLost(parts, [digest])).length > 0) return false
  const [outcome] = await parts.metadata.commit([
    { type: 'mountBlob', actor, repository, digest, ...(from && { from }) },
  ])
  if (outcome.result === 'repository-deleting') throw new RegistryError('REPOSITORY_DELETING')
  return outcome.result === 'mounted'
}

/** Removes a blob from a repository. @throws RegistryError BLOB_UNKNOWN, NAME_UNKNOWN or BLOB_NEEDED */
export async function deleteBlob(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
): Promise<void> {
  const [outcome] = await parts.metadata.commit([{ type: 'deleteBlob', repository, digest }])
  if (outcome.result === 'unknown')
    throw await nameOrElse(parts, repository, 'BLOB_UNKNOWN', { details: [{ digest }] })
  if (outcome.result === 'needed') {
    throw new RegistryError('BLOB_NEEDED', {
      message: `manifest ${outcome.by} in this repository references this blob; delete that manifest first`,
      details: [{ digest, neededBy: outcome.by }],
    })
  }
}
