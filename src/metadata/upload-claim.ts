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

/** An upload as its row describes it: who has it, and which bytes a client was told about. */
type FoundUpload = Pick<UploadRecord, 'repository' | 'lease'> | 'ended' | undefined

/** Whether a request may seize an upload. An upload without a row may be seized too. */
export function judgeSeizure(found: FoundUpload, repository: RepositoryName): 'free' | 'unknown' {
  return found === 'ended' || (found && found.repository !== repository) ? 'unknown' : 'free'
}

/** Whether an upload may be ended. With a lease, only if that lease is still held; without it, even while another request is writing. */
export function judgeEnd(
  found: FoundUpload,
  { repository, lease }: { repository: RepositoryName; lease?: string },
): 'free' | 'unknown' | 'changed' {
  if (found === 'ended' || (found && found.repository !== repository)) return 'unknown'
  return lease !== undefined && found?.lease?.token !== lease ? 'changed' : 'free'
}
