import type { RepositoryName } from '../../oci/reference.ts'
import type {
  DigestsSoFar,
  EndUpload,
  ExpireUploads,
  OpenUpload,
  Outcome,
  ReleaseLeases,
  ReleaseUpload,
  SaveUpload,
  UploadClaim,
  UploadRecord,
} from '../command.ts'
import { discardKey } from './contents.ts'
import type { Row, Statements } from './statements.ts'

/** Reads an upload's row. */
export function findUpload(statements: Statements, id: string): UploadRecord | 'ended' | undefined {
  const row = statements.get('SELECT * FROM uploads WHERE id = ?', id)
  if (row !== undefined) return uploadRecord(row)
  return statements.get('SELECT 1 FROM ended_uploads WHERE id = ?', id) === undefined ? undefined : 'ended'
}

function uploadRecord(row: Row): UploadRecord {
  const content =
    row.state === ''
      ? { bytes: (row.bytes as Uint8Array | null) ?? new Uint8Array() }
      : { key: row.key as string, state: row.state as string }
  return {
    repository: row.repository as RepositoryName,
    offset: row.position as number,
    content,
    digests: JSON.parse(row.digests as string) as DigestsSoFar,
    ...(row.lease !== null && { leasedUntil: row.leased_until as number }),
  }
}

/** @see OpenUpload */
export function openUpload(statements: Statements, command: OpenUpload): Outcome<OpenUpload> {
  const { id, repository, lease, at } = command
  const found = findUpload(statements, id)
  if (found === 'ended' || (found && found.repository !== repository)) return { result: 'unknown' }
  if (found?.leasedUntil !== undefined && found.leasedUntil > at) return { result: 'busy' }
  if ((found?.offset ?? 0) !== command.offset) return { result: 'moved', offset: found?.offset ?? 0 }
  statements.run(
    `INSERT INTO uploads (id, repository, position, key, state, digests, lease, leased_until, touched)
     VALUES (?, ?, 0, ?, '', '{}', ?, ?, ?)
     ON CONFLICT DO UPDATE SET key = coalesce(key, excluded.key), lease = excluded.lease,
       leased_until = excluded.leased_until, touched = excluded.touched`,
    id,
    repository,
    command.key,
    lease.token,
    lease.until,
    at,
  )
  const key = statements.get('SELECT key FROM uploads WHERE id = ?', id)?.key as string
  const upload = found ?? { repository, offset: 0, content: { bytes: new Uint8Array() }, digests: {} }
  return { result: 'opened', upload, key }
}

/** @see SaveUpload */
export function saveUpload(statements: Statements, command: SaveUpload): Outcome<SaveUpload> {
  const claimed = checkClaim(statements, command.id, command.claim, command)
  if (claimed !== 'held') return { result: claimed === 'upload-unknown' ? 'unknown' : 'changed' }
  statements.run(
    `INSERT INTO uploads (id, repository, position, key, state, bytes, digests, lease, leased_until, touched)
     VALUES (?, ?, ?, NULL, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET position = excluded.position, state = excluded.state, bytes = excluded.bytes,
       digests = excluded.digests, lease = excluded.lease, leased_until = excluded.leased_until, touched = excluded.touched`,
    command.id,
    command.repository,
    command.offset,
    command.content.state ?? '',
    command.content.bytes ?? null,
    JSON.stringify(command.digests),
    command.lease?.token ?? null,
    command.lease?.until ?? null,
    command.at,
  )
  return { result: 'saved' }
}

type ClaimState = 'held' | 'upload-unknown' | 'upload-changed'

function checkClaim(
  statements: Statements,
  id: string,
  claim: UploadClaim,
  { repository, at }: { repository: RepositoryName; at: number },
): ClaimState {
  if (claim.lease !== undefined) {
    const row = statements.get('SELECT lease, repository FROM uploads WHERE id = ?', id)
    if (row === undefined || row.repository !== repository) return 'upload-unknown'
    return row.lease === claim.lease ? 'held' : 'upload-changed'
  }
  const found = findUpload(statements, id)
  if (found === undefined) return claim.offset === 0 ? 'held' : 'upload-unknown'
  if (found === 'ended' || found.repository !== repository) return 'upload-unknown'
  const free = found.leasedUntil === undefined || found.leasedUntil <= at
  return free && found.offset === claim.offset ? 'held' : 'upload-changed'
}

/** @see ReleaseUpload */
export function releaseUpload(statements: Statements, command: ReleaseUpload): Outcome<ReleaseUpload> {
  const released = statements.run(
    'UPDATE uploads SET lease = NULL, leased_until = NULL WHERE id = ? AND lease = ?',
    command.id,
    command.lease,
  )
  return { result: released === 0 ? 'unknown' : 'released' }
}

/** @see ReleaseLeases */
export function releaseLeases(statements: Statements, command: ReleaseLeases): Outcome<ReleaseLeases> {
  statements.run(
    'UPDATE uploads SET lease = NULL, leased_until = NULL WHERE substr(lease, 1, length(?1)) = ?1',
    command.holder,
  )
  return { result: 'done' }
}

/** Closes an upload whose content was verified, unless someone else has changed it. */
export function closeUpload(
  statements: Statements,
  upload: { id: string; claim: UploadClaim },
  command: { repository: RepositoryName; content: { key?: string }; at: number },
): 'closed' | Exclude<ClaimState, 'held'> {
  const state = checkClaim(statements, upload.id, upload.claim, command)
  if (state !== 'held') return state
  removeUpload(statements, upload.id, { keep: command.content.key, at: command.at })
  return 'closed'
}

/** @see EndUpload */
export function endUpload(statements: Statements, command: EndUpload): Outcome<EndUpload> {
  const found = findUpload(statements, command.id)
  if (found === 'ended' || (found && found.repository !== command.repository)) return { result: 'unknown' }
  removeUpload(statements, command.id, { at: command.at })
  return { result: 'ended' }
}

function removeUpload(
  statements: Statements,
  id: string,
  { keep, at }: { keep?: string | undefined; at: number },
): void {
  const row = statements.get('DELETE FROM uploads WHERE id = ? RETURNING key', id)
  if (typeof row?.key === 'string' && row.key !== keep) discardKey(statements, row.key, at)
  statements.run('INSERT OR IGNORE INTO ended_uploads (id) VALUES (?)', id)
}

/** @see ExpireUploads */
export function expireUploads(statements: Statements, command: ExpireUploads): Outcome<ExpireUploads> {
  const expired = statements.all(
    'SELECT id FROM uploads WHERE touched < ? AND (lease IS NULL OR leased_until <= ?) ORDER BY touched LIMIT ?',
    command.before,
    command.at,
    command.limit,
  )
  for (const { id } of expired) removeUpload(statements, id as string, { at: command.at })
  const forgotten = statements.run(
    'DELETE FROM ended_uploads WHERE id IN (SELECT id FROM ended_uploads WHERE id < ? ORDER BY id LIMIT ?)',
    command.endedBefore,
    command.limit,
  )
  return { result: 'done', count: expired.length + forgotten }
}
