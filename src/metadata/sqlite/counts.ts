import type { Outcome, Stamped } from '../command.ts'
import type { SaveCounts } from '../counts.ts'
import { setMark } from './marks.ts'
import type { Statements } from './statements.ts'

/** @see SaveCounts */
export function saveCounts(statements: Statements, command: Stamped<SaveCounts>): Outcome<SaveCounts> {
  for (const count of command.counted) {
    statements.run('DELETE FROM uncounted WHERE repository = ?', count.repository)
    statements.run(
      `INSERT INTO counts (repository, revision, tags, manifests, blobs, size, at, took)
       SELECT id, ?, ?, ?, ?, ?, ?, ? FROM repositories WHERE id = ?
       ON CONFLICT DO UPDATE SET revision = excluded.revision, tags = excluded.tags, manifests = excluded.manifests,
         blobs = excluded.blobs, size = excluded.size, at = excluded.at, took = excluded.took`,
      count.revision,
      count.tags,
      count.manifests,
      count.blobs,
      count.size,
      command.at - count.ago,
      count.took,
      count.repository,
    )
  }
  for (const { repository, due } of command.later) {
    statements.run('INSERT OR IGNORE INTO uncounted (repository, due) VALUES (?, ?)', repository, due)
  }
  setMark(statements, 'counted-changes', command.cursor)
  return { result: 'done' }
}
