import type { Digest } from '../../oci/digest.ts'
import type { CollectBlobs, DeleteBlob, KeepBlob, MountBlob, Outcome, PutBlob } from '../command.ts'
import { dropUnheldContent, storeContent } from './contents.ts'
import { ensureRepository, findRepository } from './repositories.ts'
import type { Statements } from './statements.ts'
import { closeUpload } from './uploads.ts'

/** @see PutBlob */
export function putBlob(statements: Statements, command: PutBlob): Outcome<PutBlob> {
  if (command.upload !== undefined) {
    const closed = closeUpload(statements, command.upload, command)
    if (closed !== 'closed') return { result: closed }
  }
  const repository = ensureRepository(statements, command.repository, command.at)
  storeContent(statements, command.digest, command.size, command.content, command.at)
  linkBlob(statements, repository, command.digest, command.at)
  return { result: 'stored' }
}

function linkBlob(statements: Statements, repository: number, digest: Digest, at: number): void {
  const needed = manifestThatNeeds(statements, repository, digest) !== undefined
  statements.run(
    `INSERT INTO links (repository, digest, unused) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET unused = excluded.unused`,
    repository,
    digest,
    needed ? null : at,
  )
}

/** A live manifest of the repository that names this digest. */
export function manifestThatNeeds(
  statements: Statements,
  repository: number,
  digest: Digest,
): Digest | undefined {
  const row = statements.get(
    'SELECT parent FROM edges WHERE repository = ? AND child = ? LIMIT 1',
    repository,
    digest,
  )
  return row?.parent as Digest | undefined
}

/** @see MountBlob */
export function mountBlob(statements: Statements, command: MountBlob): Outcome<MountBlob> {
  if (!isLinked(statements, command)) return { result: 'unknown' }
  const repository = ensureRepository(statements, command.repository, command.at)
  linkBlob(statements, repository, command.digest, command.at)
  return { result: 'mounted' }
}

function isLinked(statements: Statements, { from, digest }: MountBlob): boolean {
  if (from === undefined) {
    return statements.get('SELECT 1 FROM links WHERE digest = ? LIMIT 1', digest) !== undefined
  }
  const source = findRepository(statements, from)
  if (source === undefined) return false
  return (
    statements.get('SELECT 1 FROM links WHERE repository = ? AND digest = ?', source, digest) !== undefined
  )
}

/** @see DeleteBlob */
export function deleteBlob(statements: Statements, command: DeleteBlob): Outcome<DeleteBlob> {
  const repository = findRepository(statements, command.repository)
  if (repository === undefined) return { result: 'unknown' }
  const by = manifestThatNeeds(statements, repository, command.digest)
  const removed = statements.run(
    'DELETE FROM links WHERE repository = ? AND digest = ? AND ? IS NULL',
    repository,
    command.digest,
    by ?? null,
  )
  if (removed === 0) {
    const linked = statements.get(
      'SELECT 1 FROM links WHERE repository = ? AND digest = ?',
      repository,
      command.digest,
    )
    return linked !== undefined && by !== undefined ? { result: 'needed', by } : { result: 'unknown' }
  }
  dropUnheldContent(statements, command.digest, command.at)
  return { result: 'deleted' }
}

/** @see KeepBlob */
export function keepBlob(statements: Statements, command: KeepBlob): Outcome<KeepBlob> {
  const kept = statements.run(
    `UPDATE links SET unused = max(unused, ?)
     WHERE repository = (SELECT id FROM repositories WHERE name = ?) AND digest = ?`,
    command.at,
    command.repository,
    command.digest,
  )
  return { result: kept === 0 ? 'unknown' : 'kept' }
}

/** @see CollectBlobs */
export function collectBlobs(statements: Statements, command: CollectBlobs): Outcome<CollectBlobs> {
  const unused = statements.all(
    'SELECT repository, digest FROM links WHERE unused < ? ORDER BY unused LIMIT ?',
    command.before,
    command.limit,
  )
  for (const { repository, digest } of unused) {
    statements.run(
      'DELETE FROM links WHERE repository = ? AND digest = ?',
      repository as number,
      digest as string,
    )
    dropUnheldContent(statements, digest as Digest, command.at)
  }
  return { result: 'done', count: unused.length }
}
