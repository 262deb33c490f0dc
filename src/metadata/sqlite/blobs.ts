import type { Digest } from '../../oci/digest.ts'
import type { CollectBlobs, DeleteBlob, KeepBlob, MountBlob, PutBlob } from '../blobs.ts'
import type { Outcome, Stamped } from '../command.ts'
import { dropUnheldContent, storeContent } from './contents.ts'
import { isNamed, manifestThatNeeds, moveEdgesToTombstones } from './parents.ts'
import {
  createRepository,
  ensureRepository,
  findRepository,
  isBeingDeleted,
  namesIn,
} from './repositories.ts'
import type { Statements } from './statements.ts'
import { closeUpload } from './upload-ends.ts'

/** @see PutBlob */
export function putBlob(statements: Statements, command: Stamped<PutBlob>): Outcome<PutBlob> {
  const found = findRepository(statements, command.repository)
  if (found === undefined && isBeingDeleted(statements, command.repository)) {
    return { result: 'repository-deleting' }
  }
  if (command.upload !== undefined) {
    const closed = closeUpload(statements, command.upload, command)
    if (closed !== 'closed') return { result: closed }
  }
  const repository = found ?? createRepository(statements, command.repository, command)
  storeContent(statements, command.digest, command.size, command.content, command.at)
  linkBlob(statements, repository, command.digest, command.at)
  return { result: 'stored' }
}

function linkBlob(statements: Statements, repository: number, digest: Digest, at: number): void {
  statements.run(
    `INSERT INTO links (repository, digest, unused) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET unused = excluded.unused`,
    repository,
    digest,
    isNamed(statements, repository, digest) ? null : at,
  )
}

/** Marks a blob that nothing names any more as unused since a time, or since it was pushed again after that. */
export function releaseLink(statements: Statements, repository: number, digest: Digest, since: number): void {
  if (isNamed(statements, repository, digest)) return
  statements.run(
    'UPDATE links SET unused = max(ifnull(unused, ?1), ?1) WHERE repository = ?2 AND digest = ?3',
    since,
    repository,
    digest,
  )
}

/** Removes a blob that nothing names any more from the repository, unless it was pushed again since. */
export function unlinkUnnamed(statements: Statements, repository: number, digest: Digest, at: number): void {
  if (isNamed(statements, repository, digest)) return
  statements.run(
    'DELETE FROM links WHERE repository = ? AND digest = ? AND unused IS NULL',
    repository,
    digest,
  )
  dropUnheldContent(statements, digest, at)
}

/** @see MountBlob */
export function mountBlob(statements: Statements, command: Stamped<MountBlob>): Outcome<MountBlob> {
  if (!isLinked(statements, command)) return { result: 'unknown' }
  const repository = ensureRepository(statements, command.repository, command)
  if (repository === undefined) return { result: 'repository-deleting' }
  linkBlob(statements, repository, command.digest, command.at)
  return { result: 'mounted' }
}

function isLinked(statements: Statements, { from, digest }: MountBlob): boolean {
  if (from === undefined) {
    // Rows of a deleted repository may still exist.
    const row = statements.get(
      'SELECT 1 FROM links l JOIN repositories r ON r.id = l.repository WHERE l.digest = ? LIMIT 1',
      digest,
    )
    return row !== undefined
  }
  const source = findRepository(statements, from)
  if (source === undefined) return false
  return (
    statements.get('SELECT 1 FROM links WHERE repository = ? AND digest = ?', source, digest) !== undefined
  )
}

/** @see DeleteBlob */
export function deleteBlob(statements: Statements, command: Stamped<DeleteBlob>): Outcome<DeleteBlob> {
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
  moveEdgesToTombstones(statements, repository, command.digest)
  dropUnheldContent(statements, command.digest, command.at)
  return { result: 'deleted' }
}

/** @see KeepBlob */
export function keepBlob(statements: Statements, command: Stamped<KeepBlob>): Outcome<KeepBlob> {
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
export function collectBlobs(statements: Statements, command: Stamped<CollectBlobs>): Outcome<CollectBlobs> {
  const unused = statements.all(
    `SELECT l.repository, l.digest, r.name FROM links l LEFT JOIN repositories r ON r.id = l.repository
     WHERE l.unused <= ? ORDER BY l.unused LIMIT +?`,
    command.at - command.unusedFor,
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
  return { result: 'done', count: unused.length, repositories: namesIn(unused) }
}
