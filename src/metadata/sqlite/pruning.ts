import type { PruneChanges } from '../changes.ts'
import type { Outcome, Stamped } from '../command.ts'
import { dropUnnamed } from './deletions.ts'
import { readMark, setMark } from './marks.ts'
import type { Row, Statements } from './statements.ts'

/** @see PruneChanges */
export function pruneChanges(statements: Statements, command: Stamped<PruneChanges>): Outcome<PruneChanges> {
  const floor = readMark(statements, 'pruned-changes')
  const counted = readMark(statements, 'counted-changes')
  const rows = statements.all(
    'SELECT sequence, repository, revision, at, kind, subject FROM changes WHERE sequence > ? ORDER BY sequence LIMIT +?',
    floor,
    command.limit,
  )
  const old = rows.slice(0, oldOnes(rows, command))
  for (const row of old) {
    if ((row.sequence as number) > counted) countAgain(statements, row.repository as number)
    prune(statements, row)
  }
  const last = old.at(-1)
  if (last !== undefined) setMark(statements, 'pruned-changes', last.sequence as number)
  return { result: 'done', count: old.length, more: old.length === command.limit }
}

/**
 * How many changes at the beginning are old. A change after a younger one waits for it. But a change with a time in the future was written
 * while the clock was wrong, and counts as old as the next one.
 */
function oldOnes(rows: Row[], { age, at }: Stamped<PruneChanges>): number {
  const isOld = (row: Row) => (row.at as number) <= at - age
  const young = rows.findIndex((row) => !isOld(row) && (row.at as number) <= at)
  const candidates = young === -1 ? rows : rows.slice(0, young)
  return candidates.findLastIndex(isOld) + 1
}

function countAgain(statements: Statements, repository: number): void {
  statements.run('INSERT OR IGNORE INTO uncounted (repository, due) VALUES (?, 0)', repository)
}

function prune(statements: Statements, row: Row): void {
  const repository = row.repository as number
  const isLive =
    statements.run(
      'UPDATE repositories SET pruned = ?, pruned_at = ?, pruned_sequence = ? WHERE id = ?',
      row.revision as number,
      row.at as number,
      row.sequence as number,
      repository,
    ) > 0
  const isOfTag = row.kind === 'tag-set' || row.kind === 'tag-removed'
  if (isLive && isOfTag) forgetEarlier(statements, row)
  // The last row of a tag defines its state at the horizon. It is removed with the next row of that tag.
  if (isLive && row.kind === 'tag-set') return
  statements.run('DELETE FROM changes WHERE sequence = ?', row.sequence as number)
  if (isLive) return
  statements.run(
    'UPDATE deleted_repositories SET pruned = ? WHERE id = ?',
    row.revision as number,
    repository,
  )
  dropUnnamed(statements, repository)
}

function forgetEarlier(statements: Statements, row: Row): void {
  statements.run(
    `DELETE FROM changes WHERE repository = ? AND subject = ? AND revision < ? AND kind IN ('tag-set', 'tag-removed')`,
    row.repository as number,
    row.subject as string,
    row.revision as number,
  )
}
