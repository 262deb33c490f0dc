import type { Change, ChangePage, ChangeQuery } from '../changes.ts'
import { readMark } from './marks.ts'
import { findLog, lastRevision } from './revisions.ts'
import { inSnapshot } from './snapshot.ts'
import type { Row, Statements } from './statements.ts'

/** Changes of deleted repositories are still returned. */
const CHANGES = `SELECT c.sequence, coalesce((SELECT name FROM repositories r WHERE r.id = c.repository),
    (SELECT name FROM deleted_repositories d WHERE d.id = c.repository)) AS repository,
  c.revision, c.at, c.kind, c.subject, c.old, c.new, c.actor FROM changes c`

/** Changes after a sequence number, oldest first. */
export function listChanges(statements: Statements, after: number, limit: number): Change[] {
  const rows = statements.all(`${CHANGES} WHERE c.sequence > ? ORDER BY c.sequence LIMIT +?`, after, limit)
  return rows.map(changeOf)
}

/** The sequence numbers between which all changes are known. */
export function changeBounds(statements: Statements): { floor: number; last: number } {
  const row = statements.get('SELECT max(sequence) AS last FROM changes')
  const floor = readMark(statements, 'pruned-changes')
  return { floor, last: Math.max(floor, (row?.last as number | null) ?? 0) }
}

/** A page of changes, and up to where changes are forgotten; undefined if the repository does not exist. */
export function readChanges(statements: Statements, query: ChangeQuery): ChangePage | undefined {
  return inSnapshot(statements, () => {
    const { floor, last } = changeBounds(statements)
    if (query.repository === undefined) {
      return { changes: listChanges(statements, query.after, query.limit), floor, last }
    }
    const log = findLog(statements, query.repository)
    if (log === undefined) return undefined
    const rows = statements.all(
      `${CHANGES} WHERE c.repository = ? AND c.revision > ? ORDER BY c.revision LIMIT +?`,
      log.id,
      lastRevision(statements, log, 'sequence', query.after),
      query.limit,
    )
    return { changes: rows.map(changeOf), floor: log.prunedSequence, last }
  })
}

function changeOf(row: Row): Change {
  const present = Object.entries(row).filter(([, value]) => value !== null)
  return Object.fromEntries(present) as unknown as Change
}
