import type { DeleteBlob, DeleteBlobOutcome, PutBlob, PutBlobOutcome } from '../../../src/metadata/blobs.ts'
import type { Stamped } from '../../../src/metadata/command.ts'
import { judgeRemoval } from '../../../src/metadata/manifest-removal.ts'
import type { DeleteManifest, DeleteManifestOutcome } from '../../../src/metadata/manifests.ts'
import { conditionHolds } from '../../../src/metadata/tag-condition.ts'
import type { DeleteTag, DeleteTagOutcome } from '../../../src/metadata/tags.ts'
import { judgeClaim } from '../../../src/metadata/upload-claim.ts'
import type { OpenUpload, OpenUploadOutcome, UploadRecord } from '../../../src/metadata/uploads.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { RepositoryName } from '../../../src/oci/reference.ts'
import { ensureRepository, findRepository, recordChanges } from './repositories.ts'
import type { Row, Session } from './session.ts'

/** An upload as far as the spike knows it: who has it, and its key. */
export type HeldUpload = Pick<UploadRecord, 'repository' | 'version' | 'lease'> & { key: string }

export async function openUpload(session: Session, command: Stamped<OpenUpload>): Promise<OpenUploadOutcome> {
  const row = await session.get('SELECT * FROM uploads WHERE id = $1 FOR UPDATE', command.id)
  const claimed = judgeClaim(row && uploadOf(row), command)
  if (claimed !== 'held') return { result: claimed }
  const opened = await session.get(
    `INSERT INTO uploads (id, repository, key, lease, leased_until, touched) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (id) DO UPDATE SET lease = excluded.lease, leased_until = excluded.leased_until,
       touched = excluded.touched, version = uploads.version + 1 RETURNING key`,
    command.id,
    command.repository,
    command.key,
    command.lease.token,
    command.at + command.lease.duration,
    command.at,
  )
  return { result: 'opened', key: String(opened?.key) }
}

export function uploadOf(row: Row): HeldUpload {
  return {
    repository: row.repository as RepositoryName,
    version: Number(row.version),
    key: String(row.key),
    ...(row.lease !== null && { lease: { token: String(row.lease), until: Number(row.leased_until) } }),
  }
}

export async function deleteManifest(
  session: Session,
  command: Stamped<DeleteManifest>,
): Promise<DeleteManifestOutcome> {
  const { digest, at } = command
  const state = await session.get(
    `SELECT r.id, (SELECT json_agg(name ORDER BY name) FROM tags WHERE repository = r.id AND digest = $2) AS tags,
       (SELECT parent FROM edges WHERE repository = r.id AND child = $2 LIMIT 1) AS needed
     FROM repositories r JOIN manifests m ON m.repository = r.id AND m.digest = $2 WHERE r.name = $1`,
    command.repository,
    digest,
  )
  const neededBy = (state?.needed ?? undefined) as Digest | undefined
  const refused = judgeRemoval({ isThere: state !== undefined, neededBy })
  if (refused !== undefined) return refused
  const repository = Number(state?.id)
  const tags = (state?.tags ?? []) as string[]
  await recordChanges(
    session,
    repository,
    [
      ...tags.map((tag) => ({ kind: 'tag-removed', subject: tag, old: digest }) as const),
      { kind: 'manifest-deleted', subject: digest, old: digest },
    ],
    at,
  )
  // Its content is dropped by a statement of its own, which sees what this one has removed.
  await session.all(REMOVE, repository, digest, at)
  await dropUnheldContent(session, digest)
  return { result: 'deleted' }
}

const REMOVE = `WITH untagged AS (DELETE FROM tags WHERE repository = $1 AND digest = $2),
  gone AS (DELETE FROM manifests WHERE repository = $1 AND digest = $2),
  freed AS (DELETE FROM edges WHERE repository = $1 AND parent = $2 RETURNING child)
  UPDATE links SET unused = greatest(unused, $3) WHERE repository = $1 AND digest IN (SELECT child FROM freed)
  AND NOT EXISTS (SELECT 1 FROM edges e WHERE e.repository = $1 AND e.child = links.digest AND e.parent <> $2)`

/** The row is locked first: a push of the same content to another repository waits, or has been seen when the holders are looked for. */
async function dropUnheldContent(session: Session, digest: Digest): Promise<void> {
  await session.all('SELECT 1 FROM contents WHERE digest = $1 FOR UPDATE', digest)
  await session.all(
    `DELETE FROM contents WHERE digest = $1 AND NOT EXISTS (SELECT 1 FROM links WHERE digest = $1)
     AND NOT EXISTS (SELECT 1 FROM manifests WHERE digest = $1)`,
    digest,
  )
}

/** Only as much as the tests of the others need: content in a row, without an upload. */
export async function putBlob(session: Session, command: Stamped<PutBlob>): Promise<PutBlobOutcome> {
  const repository = await ensureRepository(session, command.repository, command.at)
  await session.all(
    'INSERT INTO contents (digest, size, bytes) VALUES ($1, $2, $3) ON CONFLICT (digest) DO UPDATE SET bytes = excluded.bytes',
    command.digest,
    command.size,
    command.content.bytes,
  )
  await session.all(
    `INSERT INTO links (repository, digest, unused)
     SELECT $1, $2, CASE WHEN NOT EXISTS (SELECT 1 FROM edges WHERE repository = $1 AND child = $2) THEN $3::bigint END
     ON CONFLICT (repository, digest) DO UPDATE SET unused = excluded.unused`,
    repository,
    command.digest,
    command.at,
  )
  return { result: 'stored' }
}

export async function deleteBlob(
  session: Session,
  { repository: name, digest }: DeleteBlob,
): Promise<DeleteBlobOutcome> {
  const row = await session.get(
    `SELECT l.repository, (SELECT parent FROM edges e WHERE e.repository = l.repository AND child = l.digest LIMIT 1) AS needed
     FROM links l JOIN repositories r ON r.id = l.repository WHERE r.name = $1 AND l.digest = $2`,
    name,
    digest,
  )
  if (row === undefined) return { result: 'unknown' }
  if (row.needed !== null) return { result: 'needed', by: row.needed as Digest }
  await session.all('DELETE FROM links WHERE repository = $1 AND digest = $2', row.repository, digest)
  await dropUnheldContent(session, digest)
  return { result: 'deleted' }
}

export async function deleteTag(session: Session, command: Stamped<DeleteTag>): Promise<DeleteTagOutcome> {
  const repository = await findRepository(session, command.repository)
  const row = await session.get(
    'SELECT digest FROM tags WHERE repository = $1 AND name = $2',
    repository ?? null,
    command.tag,
  )
  if (repository === undefined || row === undefined) return { result: 'unknown' }
  const old = row.digest as Digest
  if (!conditionHolds(old, command.condition)) return { result: 'precondition-failed' }
  await session.all('DELETE FROM tags WHERE repository = $1 AND name = $2', repository, command.tag)
  await recordChanges(session, repository, [{ kind: 'tag-removed', subject: command.tag, old }], command.at)
  return { result: 'deleted' }
}
