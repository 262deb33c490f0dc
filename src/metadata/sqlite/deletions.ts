import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Outcome, Stamped } from '../command.ts'
import type { DeleteRepository, DropDeletedRepositories } from '../repositories.ts'
import { dropUnheldContent } from './contents.ts'
import { findRepository, recordChange } from './repositories.ts'
import type { Statements } from './statements.ts'
import { endSomeUploadsOf } from './upload-ends.ts'

/** @see DeleteRepository */
export function deleteRepository(
  statements: Statements,
  { repository: name, at, actor }: Stamped<DeleteRepository>,
): Outcome<DeleteRepository> {
  const repository = findRepository(statements, name)
  if (repository === undefined) return { result: 'unknown' }
  recordChange(statements, repository, { kind: 'repository-deleted', subject: '', at, actor })
  statements.run(
    `INSERT INTO deleted_repositories (id, name, deleted, pruned, total, removed)
     SELECT id, name, ?, pruned, (SELECT tags + manifests + blobs FROM counts WHERE repository = id), 0
     FROM repositories WHERE id = ?`,
    at,
    repository,
  )
  statements.run('DELETE FROM repositories WHERE id = ?', repository)
  return { result: 'deleted' }
}

/** Removes up to `limit` rows of one kind. */
type RemovalStep = (statements: Statements, repository: number, limit: number, at: number) => number

/** Tables whose rows hold no content. */
function rowsOf(table: string, column: string, condition = ''): RemovalStep {
  return (statements, repository, limit) =>
    statements.run(
      `DELETE FROM ${table} WHERE repository = ?1 AND ${column} IN
       (SELECT ${column} FROM ${table} WHERE repository = ?1 ${condition} ORDER BY repository, ${column} LIMIT +?2)`,
      repository,
      limit,
    )
}

function contentOf(table: 'manifests' | 'graves' | 'links'): RemovalStep {
  return (statements, repository, limit, at) => {
    const rows = statements.all(
      `SELECT digest FROM ${table} WHERE repository = ? ORDER BY digest LIMIT +?`,
      repository,
      limit,
    )
    for (const { digest } of rows) {
      statements.run(`DELETE FROM ${table} WHERE repository = ? AND digest = ?`, repository, digest as Digest)
      dropUnheldContent(statements, digest as Digest, at)
    }
    return rows.length
  }
}

/** A manifest names many digests. They are removed by parent, so that one step never has more rows than its limit. */
function edgesOf(table: 'edges' | 'grave_edges'): RemovalStep {
  return (statements, repository, limit) =>
    statements.run(
      `DELETE FROM ${table} WHERE repository = ?1 AND (parent, child, kind) IN
       (SELECT parent, child, kind FROM ${table} WHERE repository = ?1 ORDER BY parent, child, kind LIMIT +?2)`,
      repository,
      limit,
    )
}

/** The rows that clients know as tags, manifests and blobs. */
const COUNTED: readonly RemovalStep[] = [rowsOf('tags', 'name'), contentOf('manifests'), contentOf('links')]

/** Uploads are invisible since the deletion. A request that writes to one gets the answer that it has ended. */
const uploads: RemovalStep = (statements, repository, limit, at) => {
  const row = statements.get('SELECT name FROM deleted_repositories WHERE id = ?', repository)
  return endSomeUploadsOf(statements, row?.name as RepositoryName, { limit, at })
}

const OTHERS: readonly RemovalStep[] = [
  uploads,
  rowsOf('doomed_tags', 'digest'),
  rowsOf('loose_edges', 'parent'),
  rowsOf('pulls', 'digest'),
  rowsOf('undescribed', 'digest'),
  edgesOf('edges'),
  contentOf('graves'),
  edgesOf('grave_edges'),
  // The rows with the state of tags at the beginning of the log. All later rows are removed when the log is pruned further.
  rowsOf('changes', 'revision', 'AND revision <= (SELECT pruned FROM deleted_repositories WHERE id = ?1)'),
]

/** @see DropDeletedRepositories */
export function dropDeletedRepositories(
  statements: Statements,
  { limit, at }: Stamped<DropDeletedRepositories>,
): Outcome<DropDeletedRepositories> {
  const row = statements.get('SELECT id FROM deleted_repositories WHERE finished IS NULL ORDER BY id LIMIT 1')
  if (row === undefined) return { result: 'done', count: 0, more: false }
  const repository = row.id as number
  const run = (steps: readonly RemovalStep[], most: number) =>
    steps.reduce((left, step) => (left > 0 ? left - step(statements, repository, left, at) : 0), most)
  const afterCounted = run(COUNTED, limit)
  statements.run(
    'UPDATE deleted_repositories SET removed = removed + ? WHERE id = ?',
    limit - afterCounted,
    repository,
  )
  const left = run(OTHERS, afterCounted)
  if (left > 0) finish(statements, repository, at)
  return { result: 'done', count: limit - left, more: true }
}

function finish(statements: Statements, repository: number, at: number): void {
  statements.run('DELETE FROM counts WHERE repository = ?', repository)
  statements.run('DELETE FROM uncounted WHERE repository = ?', repository)
  statements.run('UPDATE deleted_repositories SET finished = ? WHERE id = ?', at, repository)
  dropUnnamed(statements, repository)
}

/** A deleted repository is known as long as the change log contains it. */
export function dropUnnamed(statements: Statements, repository: number): void {
  statements.run(
    `DELETE FROM deleted_repositories WHERE id = ?1 AND finished IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM changes WHERE repository = ?1)`,
    repository,
  )
}
