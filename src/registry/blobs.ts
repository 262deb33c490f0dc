import type { BlobRecord } from '../metadata/metadata-store.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobBytes } from '../storage/blob-store.ts'
import type { RegistryParts } from './parts.ts'
import { nameOrElse } from './repositories.ts'

/**
 * Finds a blob of a repository. What a client is told to exist stays until it had time to use it.
 *
 * @returns its size in bytes
 * @throws RegistryError BLOB_UNKNOWN or NAME_UNKNOWN
 */
export async function findBlob(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
): Promise<BlobRecord> {
  const blob = await parts.metadata.blobs.find(repository, digest)
  if (blob === undefined) throw await nameOrElse(parts, repository, 'BLOB_UNKNOWN', { details: [{ digest }] })
  const at = parts.clock()
  if (blob.unusedSince !== undefined && at - blob.unusedSince > parts.retention.unusedBlobs / 2) {
    const [outcome] = await parts.metadata.commit([{ type: 'keepBlob', repository, digest, at }])
    if (outcome.result === 'unknown') throw new RegistryError('BLOB_UNKNOWN', { details: [{ digest }] })
  }
  return blob
}

/** Opens a part of a blob that {@link findBlob} found. The range must lie inside of it. */
export async function openBlob(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
  { blob, range }: { blob: BlobRecord; range: ByteRange },
): Promise<BlobBytes> {
  const { content } = blob
  if (content.key === undefined)
    return { type: 'bytes', bytes: content.bytes.subarray(range.start, range.end + 1) }
  const opened = await parts.blobs.open(content.key, range)
  if (opened !== undefined) return opened
  // Between the look-up and here the blob may have been deleted, or pushed again under another key.
  const again = await parts.metadata.blobs.find(repository, digest)
  if (again === undefined) throw new RegistryError('BLOB_UNKNOWN', { details: [{ digest }] })
  if (again.content.key === content.key)
    throw new Error(`the bytes of ${digest} are gone from the blob store`)
  return await openBlob(parts, repository, digest, { blob: again, range })
}

/**
 * Makes a blob of another repository part of this one.
 *
 * @returns whether it could be found
 * @throws RegistryError REPOSITORY_DELETING
 */
export async function mountBlob(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
  from: RepositoryName | undefined,
): Promise<boolean> {
  const [outcome] = await parts.metadata.commit([
    { type: 'mountBlob', repository, digest, ...(from && { from }), at: parts.clock() },
  ])
  if (outcome.result === 'repository-deleting') throw new RegistryError('REPOSITORY_DELETING')
  return outcome.result === 'mounted'
}

/** Takes a blob out of a repository. @throws RegistryError BLOB_UNKNOWN, NAME_UNKNOWN or BLOB_NEEDED */
export async function deleteBlob(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
): Promise<void> {
  const [outcome] = await parts.metadata.commit([
    { type: 'deleteBlob', repository, digest, at: parts.clock() },
  ])
  if (outcome.result === 'unknown')
    throw await nameOrElse(parts, repository, 'BLOB_UNKNOWN', { details: [{ digest }] })
  if (outcome.result === 'needed') {
    throw new RegistryError('BLOB_NEEDED', {
      message: `manifest ${outcome.by} of this repository needs this blob; delete that first`,
      details: [{ digest, neededBy: outcome.by }],
    })
  }
}
