import type { RepositoryName } from '../../oci/reference.ts'
import type { Statements } from './statements.ts'

/** The known range of a repository's part of the change log: all revisions after `pruned`, up to `revision`. */
export interface RepositoryLog {
  id: number
  revision: number
  pruned: number
  prunedAt: number
  prunedSequence: number
}

/** Finds the log of a repository. */
export function findLog(statements: Statements, name: RepositoryName): RepositoryLog | undefined {
  const row = statements.get(
    `SELECT id, revision, pruned, pruned_at AS prunedAt, pruned_sequence AS prunedSequence
     FROM repositories WHERE name = ?`,
    name,
  )
  return row as unknown as RepositoryLog | undefined
}

/** The last revision whose time or sequence is not after a value. Both rise with the revision, so one index on the revision serves all three. */
export function lastRevision(
  statements: Statements,
  log: RepositoryLog,
  column: 'at' | 'sequence',
  value: number,
): number {
  let [low, high] = [log.pruned, log.revision]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const row = statements.get(
      `SELECT ${column} AS found FROM changes WHERE repository = ? AND revision = ?`,
      log.id,
      middle,
    )
    if (row !== undefined && (row.found as number) <= value) low = middle
    else high = middle - 1
  }
  return low
}
