import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Outcome, Stamped } from '../command.ts'
import { judgeEnd } from '../upload-claim.ts'
import type { DiscardKey, EndUpload, ExpireUploads, UploadClaim } from '../uploads.ts'
import { discardKey } from './contents.ts'
import type { Statements } from './statements.ts'
import { checkClaim, findUpload } from './uploads.ts'

/** Closes an upload whose content was verified, unless another writer has changed it. */
export function closeUpload(
  statements: Statements,
  { id, claim }: { id: string; claim: UploadClaim },
  command: { repository: RepositoryName; digest: Digest; content: { key?: string }; at: number },
): 'closed' | 'upload-unknown' | 'upload-changed' {
  const { repository, digest, content, at } = command
  const claimed = checkClaim(statements, { id, repository }, claim)
  if (claimed !== 'held') return `upload-${claimed}`
  removeUpload(statements, id, { keep: content.key, digest, at })
  return 'closed'
}

/** The digest of the blob that an upload was closed as; undefined if it was not closed, or that is forgotten. */
export function findClosed(statements: Statements, id: string): Digest | undefined {
  const row = statements.get('SELECT digest FROM ended_uploads WHERE id = ?', id)
  return (row?.digest ?? undefined) as Digest | undefined
}

/** @see EndUpload */
export function endUpload(statements: Statements, command: Stamped<EndUpload>): Outcome<EndUpload> {
  const { id, at } = command
  const judged = judgeEnd(findUpload(statements, id), command)
  if (judged !== 'free') return { result: judged }
  removeUpload(statements, id, { at })
  return { result: 'ended' }
}

function removeUpload(
  statements: Statements,
  id: string,
  { keep, digest, at }: { keep?: string | undefined; digest?: Digest; at: number },
): void {
  const row = statements.get('DELETE FROM uploads WHERE id = ? RETURNING key, next_key', id)
  for (const key of [row?.key, row?.next_key]) {
    if (typeof key === 'string' && key !== keep) discardKey(statements, key, at)
  }
  statements.run(
    'INSERT OR IGNORE INTO ended_uploads (id, digest, ended) VALUES (?, ?, ?)',
    id,
    digest ?? null,
    at,
  )
}

/** Ends up to a number of uploads of a repository that is being deleted. @returns how many */
export function endSomeUploadsOf(
  statements: Statements,
  repository: RepositoryName,
  { limit, at }: { limit: number; at: number },
): number {
  const rows = statements.all('SELECT id FROM uploads WHERE repository = ? LIMIT +?', repository, limit)
  for (const { id } of rows) removeUpload(statements, id as string, { at })
  return rows.length
}

/** @see DiscardKey */
export function discardUploadKey(
  statements: Statements,
  { id, key, at }: Stamped<DiscardKey>,
): Outcome<DiscardKey> {
  const row = statements.get('SELECT key, next_key FROM uploads WHERE id = ?', id)
  if (row !== undefined && (row.key === key || row.next_key === key)) return { result: 'in-use' }
  discardKey(statements, key, at)
  return { result: 'discarded' }
}

/** @see ExpireUploads */
export function expireUploads(
  statements: Statements,
  command: Stamped<ExpireUploads>,
): Outcome<ExpireUploads> {
  const before = command.at - command.untouchedFor
  const expired = statements.all(
    'SELECT id FROM uploads WHERE touched <= ? AND (lease IS NULL OR leased_until <= ?) ORDER BY touched LIMIT +?',
    before,
    command.at,
    command.limit,
  )
  for (const { id } of expired) removeUpload(statements, id as string, { at: command.at })
  const forgotten = statements.run(
    `DELETE FROM ended_uploads WHERE id IN
     (SELECT id FROM ended_uploads WHERE id < ? AND ended <= ? ORDER BY id LIMIT +?)`,
    command.endedBefore,
    before,
    command.limit,
  )
  return { result: 'done', count: expired.length + forgotten }
}
