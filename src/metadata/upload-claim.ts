import type { RepositoryName } from '../oci/reference.ts'
import type { UploadClaim, UploadRecord } from './uploads.ts'

/**
 * Whether a claim to an upload is valid; `changed` if another writer has the upload or has changed it.
 *
 * @param found the state of the upload; undefined if it has no row yet
 */
export function judgeClaim(
  found: Pick<UploadRecord, 'repository' | 'version' | 'lease'> | 'ended' | undefined,
  { repository, claim }: { repository: RepositoryName; claim: UploadClaim },
): 'held' | 'unknown' | 'changed' {
  if (found === undefined) return claim.version === 0 ? 'held' : 'unknown'
  if (found === 'ended' || found.repository !== repository) return 'unknown'
  const holds =
    claim.lease === undefined
      ? found.lease === undefined && found.version === claim.version
      : found.lease?.token === claim.lease
  return holds ? 'held' : 'changed'
}
