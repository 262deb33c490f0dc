import type { RepositoryName } from '../../oci/reference.ts'
import type { Outcome, Stamped } from '../command.ts'
import { judgeClaim, judgeSeizure } from '../upload-claim.ts'
import type {
  AcknowledgeUpload,
  DigestsSoFar,
  MoveUpload,
  OpenUpload,
  ReleaseLeases,
  ReleaseUpload,
  ReserveKey,
  RevertUpload,
  SaveUpload,
  SeizeUpload,
  UploadClaim,
  UploadPosition,
  UploadRecord,
} from '../uploads.ts'
import { discardKey } from './contents.ts'
import { isBeingDeleted } from './repositories.ts'
import type { Row, Statements } from './statements.ts'

/** Reads an upload's row. Uploads of a repository that is being deleted have ended, whether or not their rows still exist. */
export function findUpload(statements: Statements, id: string): UploadRecord | 'ended' | undefined {
  const row = statements.get('SELECT * FROM uploads WHERE id = ?', id)
  if (row !== undefined) {
    return isBeingDeleted(statements, row.repository as RepositoryName) ? 'ended' : uploadRecord(row)
  }
  return statements.get('SELECT 1 FROM ended_uploads WHERE id = ?', id) === undefined ? undefined : 'ended'
}

function uploadRecord(row: Row): UploadRecord {
  const key = row.key as string
  const bytes = (row.bytes as Uint8Array | null) ?? new Uint8Array()
  const position = (offset: number, state: string, digests: string): UploadPosition => ({
    offset,
    content: state === '' ? { bytes: bytes.subarray(0, offset) } : { key, state },
    digests: JSON.parse(digests) as DigestsSoFar,
  })
  return {
    repository: row.repository as RepositoryName,
    version: row.version as number,
    ...position(row.position as number, row.state as string, row.digests as string),
    acknowledged: position(
      row.acknowledged as number,
      row.acknowledged_state as string,
      row.acknowledged_digests as string,
    ),
    ...(row.lease !== null && { lease: { token: row.lease as string, until: row.leased_until as number } }),
    mustMove: row.must_move === 1,
  }
}

/** How a row changes when it goes back to its acknowledged state. `bytes` comes first, since it reads the other columns. */
const TO_ACKNOWLEDGED = `bytes = CASE acknowledged_state WHEN '' THEN substr(bytes, 1, acknowledged) END,
  position = acknowledged, state = acknowledged_state, digests = acknowledged_digests, version = version + 1`

/** @see OpenUpload */
export function openUpload(statements: Statements, command: Stamped<OpenUpload>): Outcome<OpenUpload> {
  const { id, repository, lease, at } = command
  const claimed = checkClaim(statements, command, command.claim)
  if (claimed !== 'held') return { result: claimed }
  statements.run(
    `INSERT INTO uploads (id, repository, position, key, state, digests, lease, leased_until, touched)
     VALUES (?, ?, 0, ?, '', '{}', ?, ?, ?)
     ON CONFLICT DO UPDATE SET key = coalesce(key, excluded.key), lease = excluded.lease,
       leased_until = excluded.leased_until, touched = excluded.touched, version = version + 1`,
    id,
    repository,
    command.key,
    lease.token,
    at + lease.duration,
    at,
  )
  if (command.from === 'acknowledged')
    statements.run(`UPDATE uploads SET ${TO_ACKNOWLEDGED} WHERE id = ?`, id)
  const key = statements.get('SELECT key FROM uploads WHERE id = ?', id)?.key as string
  return { result: 'opened', key }
}

/** @see SaveUpload */
export function saveUpload(statements: Statements, command: Stamped<SaveUpload>): Outcome<SaveUpload> {
  const claimed = checkClaim(statements, command, command.claim)
  if (claimed !== 'held') return { result: claimed }
  // Small acknowledged bytes stay in the row until a client is told about the bytes under the key.
  statements.run(
    `INSERT INTO uploads (id, repository, position, key, state, bytes, digests, lease, leased_until, touched)
     VALUES (?, ?, ?, NULL, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET position = excluded.position, state = excluded.state, digests = excluded.digests,
       bytes = CASE WHEN excluded.state = '' THEN excluded.bytes
         WHEN acknowledged_state = '' THEN substr(bytes, 1, acknowledged) END,
       lease = excluded.lease, leased_until = excluded.leased_until, touched = excluded.touched, version = version + 1`,
    command.id,
    command.repository,
    command.offset,
    command.content.state ?? '',
    command.content.bytes ?? null,
    JSON.stringify(command.digests),
    command.lease?.token ?? null,
    command.lease === undefined ? null : command.at + command.lease.duration,
    command.at,
  )
  if (command.acknowledged) acknowledge(statements, command.id)
  const row = statements.get('SELECT version FROM uploads WHERE id = ?', command.id)
  return { result: 'saved', version: row?.version as number }
}

function acknowledge(statements: Statements, id: string): void {
  statements.run(
    `UPDATE uploads SET acknowledged = position, acknowledged_state = state, acknowledged_digests = digests,
       bytes = CASE state WHEN '' THEN bytes END WHERE id = ?`,
    id,
  )
}

/** @see AcknowledgeUpload */
export function acknowledgeUpload(
  statements: Statements,
  { id, repository }: AcknowledgeUpload,
): Outcome<AcknowledgeUpload> {
  const found = findUpload(statements, id)
  if (found === undefined || found === 'ended' || found.repository !== repository)
    return { result: 'unknown' }
  acknowledge(statements, id)
  return { result: 'acknowledged', offset: found.offset }
}

/** @see RevertUpload */
export function revertUpload(statements: Statements, command: Stamped<RevertUpload>): Outcome<RevertUpload> {
  const claimed = checkClaim(statements, command, command.claim)
  if (claimed !== 'held') return { result: claimed }
  statements.run(
    `UPDATE uploads SET ${TO_ACKNOWLEDGED}, lease = NULL, leased_until = NULL, touched = ? WHERE id = ?`,
    command.at,
    command.id,
  )
  return { result: 'reverted' }
}

/** @see SeizeUpload */
export function seizeUpload(statements: Statements, command: Stamped<SeizeUpload>): Outcome<SeizeUpload> {
  const { id, repository, lease, at } = command
  const found = findUpload(statements, id)
  if (judgeSeizure(found, repository) === 'unknown') return { result: 'unknown' }
  const row = statements.get("SELECT key FROM uploads WHERE id = ? AND acknowledged_state = ''", id)
  if (typeof row?.key === 'string') discardKey(statements, row.key, at)
  statements.run(
    `INSERT INTO uploads (id, repository, position, state, digests, lease, leased_until, touched)
     VALUES (?, ?, 0, '', '{}', ?, ?, ?)
     ON CONFLICT DO UPDATE SET ${TO_ACKNOWLEDGED}, key = CASE acknowledged_state WHEN '' THEN NULL ELSE key END,
       must_move = acknowledged_state <> '', lease = excluded.lease, leased_until = excluded.leased_until,
       touched = excluded.touched`,
    id,
    repository,
    lease.token,
    at + lease.duration,
    at,
  )
  return { result: 'seized', upload: findUpload(statements, id) as UploadRecord }
}

/** @see ReserveKey */
export function reserveKey(
  statements: Statements,
  { id, lease, key, at }: Stamped<ReserveKey>,
): Outcome<ReserveKey> {
  const row = statements.get('SELECT next_key FROM uploads WHERE id = ? AND lease = ?', id, lease)
  if (row === undefined) return { result: 'changed' }
  if (typeof row.next_key === 'string') discardKey(statements, row.next_key, at)
  statements.run('UPDATE uploads SET next_key = ?, touched = ? WHERE id = ?', key, at, id)
  return { result: 'reserved' }
}

/** @see MoveUpload */
export function moveUpload(
  statements: Statements,
  { id, lease, state, at }: Stamped<MoveUpload>,
): Outcome<MoveUpload> {
  const row = statements.get('SELECT key FROM uploads WHERE id = ? AND lease = ?', id, lease)
  if (row === undefined) return { result: 'changed' }
  discardKey(statements, row.key as string, at)
  statements.run(
    `UPDATE uploads SET key = next_key, next_key = NULL, must_move = 0, state = ?1, acknowledged_state = ?1,
       version = version + 1, touched = ?2 WHERE id = ?3`,
    state,
    at,
    id,
  )
  return { result: 'moved' }
}

/** Whether a claim holds; `changed` if another writer has the upload or has changed it. */
export function checkClaim(
  statements: Statements,
  { id, repository }: { id: string; repository: RepositoryName },
  claim: UploadClaim,
): 'held' | 'unknown' | 'changed' {
  const judged = judgeClaim(findUpload(statements, id), { repository, claim })
  const isNew = judged === 'held' && claim.version === 0
  return isNew && isBeingDeleted(statements, repository) ? 'unknown' : judged
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
  // A range of the index on leases. Its end sorts after every text that begins with the holder.
  statements.run(
    'UPDATE uploads SET lease = NULL, leased_until = NULL WHERE lease >= ? AND lease < ?',
    command.holder,
    `${command.holder}\u{10ffff}`,
  )
  return { result: 'done' }
}
