import type { Digest } from '../../oci/digest.ts'
import type { Statements } from './statements.ts'

/**
 * Whether a row of `edges e` counts. The edges of a live manifest are in `edges`, those of a deleted one in `grave_edges`. If a deleted
 * manifest had more edges than one transaction moves, they stay in `edges` for some time.
 */
export const IS_OF_LIVE =
  'EXISTS (SELECT 1 FROM manifests p WHERE p.repository = e.repository AND p.digest = e.parent)'

const IS_OF_TOMBSTONE =
  'EXISTS (SELECT 1 FROM graves g WHERE g.repository = e.repository AND g.digest = e.parent)'

/** A live manifest of the repository that names this digest. */
export function manifestThatNeeds(
  statements: Statements,
  repository: number,
  digest: Digest,
): Digest | undefined {
  const row = statements.get(
    `SELECT parent FROM edges e WHERE repository = ? AND child = ? AND ${IS_OF_LIVE} LIMIT 1`,
    repository,
    digest,
  )
  return row?.parent as Digest | undefined
}

/** Whether a manifest of the repository names this digest, including a deleted one that can be restored. */
export function isNamed(statements: Statements, repository: number, digest: Digest): boolean {
  const row = statements.get(
    `SELECT 1 FROM edges e WHERE repository = ?1 AND child = ?2 AND (${IS_OF_LIVE} OR ${IS_OF_TOMBSTONE})
     UNION ALL SELECT 1 FROM grave_edges e WHERE repository = ?1 AND child = ?2
       AND ${IS_OF_TOMBSTONE} LIMIT 1`,
    repository,
    digest,
  )
  return row !== undefined
}

/**
 * Records that content was in the repository before it is removed. This concerns deleted manifests that name it and whose edges have not
 * been moved yet. No live manifest names it.
 */
export function moveEdgesToTombstones(statements: Statements, repository: number, child: Digest): void {
  const moved = `edges AS e INDEXED BY edges_by_child WHERE e.repository = ? AND e.child = ?
    AND ${IS_OF_TOMBSTONE}`
  const count = statements.run(
    `INSERT OR IGNORE INTO grave_edges (repository, parent, child, kind, size, was_here)
     SELECT repository, parent, child, kind, size, 1 FROM ${moved}`,
    repository,
    child,
  )
  if (count > 0) statements.run(`DELETE FROM ${moved}`, repository, child)
}
