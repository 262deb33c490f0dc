import type { Digest } from '../../oci/digest.ts'
import type { Edge } from '../../oci/manifest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Outcome, Stamped } from '../command.ts'
import type { SettleEdges } from '../manifests.ts'
import { releaseLink, unlinkUnnamed } from './blobs.ts'
import type { Statements } from './statements.ts'

/** The most edges that are moved or removed together with their manifest. If there are more, all of them follow in small steps. */
const MAX_AT_ONCE = 500

/**
 * Stores the edges of a manifest with one statement. Separate statements would have a cost for each row, and one manifest names up to
 * 39,000 digests.
 */
export function storeEdges(
  statements: Statements,
  repository: number,
  parent: Digest,
  edges: readonly Edge[],
): void {
  if (edges.length === 0) return
  statements.run(
    `INSERT OR IGNORE INTO edges (repository, parent, child, kind, size)
     SELECT ?1, ?2, value ->> 'digest', value ->> 'kind', value ->> 'size' FROM json_each(?3)`,
    repository,
    parent,
    JSON.stringify(edges),
  )
  // The unary plus keeps SQLite from reading all unused blobs of the registry.
  statements.run(
    `UPDATE links SET unused = NULL WHERE repository = ?1 AND +unused IS NOT NULL
     AND digest IN (SELECT child FROM edges WHERE repository = ?1 AND parent = ?2)`,
    repository,
    parent,
  )
}

/** Which of the content that a manifest requires is not in the repository. */
export function missingContent(
  statements: Statements,
  repository: number | undefined,
  edges: readonly Edge[],
): Digest[] {
  const required = edges.filter((edge) => edge.required)
  if (repository === undefined) return [...new Set(required.map(({ digest }) => digest))]
  if (required.length === 0) return []
  // Build caches put blobs in an index, so there it may be either. Elsewhere a manifest does not count as a blob.
  const rows = statements.all(
    `SELECT value ->> 'digest' AS digest FROM json_each(?2)
     WHERE NOT EXISTS (SELECT 1 FROM links WHERE repository = ?1 AND digest = value ->> 'digest')
     AND (value ->> 'kind' <> 'manifest'
       OR NOT EXISTS (SELECT 1 FROM manifests WHERE repository = ?1 AND digest = value ->> 'digest'))`,
    repository,
    JSON.stringify(required),
  )
  return [...new Set(rows.map(({ digest }) => digest as Digest))]
}

/**
 * Moves the edges of a manifest to where they belong after it became live, was deleted, or was removed permanently.
 *
 * @param unused when blobs that nothing names any more began to be unused; `now` removes them from the repository
 * @returns how many rows were moved or removed; undefined if there are so many that {@link settleEdges} moves them later
 */
export function settleEdgesOf(
  statements: Statements,
  repository: number,
  parent: Digest,
  { unused, at }: { unused: number | 'now'; at: number },
): number | undefined {
  const since = unused === 'now' ? null : unused
  const isMany = (['edges', 'grave_edges'] as const).some((table) =>
    hasMoreEdges(statements, { table, repository, parent, than: MAX_AT_ONCE }),
  )
  if (!isMany)
    return settleSome(statements, { repository, parent, unused: since, limit: 2 * MAX_AT_ONCE, at })
  statements.run(
    `INSERT INTO loose_edges (repository, parent, unused) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET unused = excluded.unused`,
    repository,
    parent,
    since,
  )
  return undefined
}

/** Whether a manifest has more edges than a number. It stops counting there. */
export function hasMoreEdges(
  statements: Statements,
  {
    table,
    repository,
    parent,
    than,
  }: { table: 'edges' | 'grave_edges'; repository: number; parent: Digest; than: number },
): boolean {
  const row = statements.get(
    `SELECT 1 FROM ${table} WHERE repository = ? AND parent = ? LIMIT 1 OFFSET ?`,
    repository,
    parent,
    than,
  )
  return row !== undefined
}

/** @see SettleEdges */
export function settleEdges(
  statements: Statements,
  { limit, at }: Stamped<SettleEdges>,
): Outcome<SettleEdges> {
  // Edges of a deleted repository are removed with it.
  const loose = statements.get(
    `SELECT l.repository, l.parent, l.unused, r.name
     FROM loose_edges l CROSS JOIN repositories r ON r.id = l.repository LIMIT 1`,
  )
  if (loose === undefined) return { result: 'done', count: 0, more: false, repositories: [] }
  const [repository, parent] = [loose.repository as number, loose.parent as Digest]
  const count = settleSome(statements, {
    repository,
    parent,
    unused: loose.unused as number | null,
    limit,
    at,
  })
  if (count < limit) {
    statements.run('DELETE FROM loose_edges WHERE repository = ? AND parent = ?', repository, parent)
  }
  return { result: 'done', count, more: true, repositories: [loose.name as RepositoryName] }
}

interface LooseEdges {
  repository: number
  parent: Digest
  /** Null if blobs that nothing names any more are removed from the repository. */
  unused: number | null
  limit: number
  at: number
}

function settleSome(statements: Statements, loose: LooseEdges): number {
  const { repository, parent, limit } = loose
  const isThere = (table: 'manifests' | 'graves') =>
    statements.get(`SELECT 1 FROM ${table} WHERE repository = ? AND digest = ?`, repository, parent) !==
    undefined
  if (isThere('manifests')) return takeSome(statements, 'grave_edges', loose).length
  if (isThere('graves')) return moveToTombstones(statements, loose)
  const children = takeSome(statements, 'edges', loose)
  if (children.length < limit) {
    children.push(...takeSome(statements, 'grave_edges', { ...loose, limit: limit - children.length }))
  }
  for (const child of children) release(statements, loose, child)
  return children.length
}

function release(statements: Statements, { repository, unused, at }: LooseEdges, child: Digest): void {
  if (unused === null) unlinkUnnamed(statements, repository, child, at)
  else releaseLink(statements, repository, child, unused)
}

function takeSome(
  statements: Statements,
  table: 'edges' | 'grave_edges',
  { repository, parent, limit }: LooseEdges,
): Digest[] {
  const rows = statements.all(
    `DELETE FROM ${table} WHERE repository = ?1 AND parent = ?2 AND (child, kind) IN
     (SELECT child, kind FROM ${table} WHERE repository = ?1 AND parent = ?2 ORDER BY child, kind LIMIT +?3)
     RETURNING child`,
    repository,
    parent,
    limit,
  )
  return rows.map(({ child }) => child as Digest)
}

/**
 * A layer whose bytes are stored elsewhere need not be in the repository. Content that was in it must be there again, so that the image is
 * complete.
 */
function moveToTombstones(statements: Statements, loose: LooseEdges): number {
  statements.run(
    `INSERT OR IGNORE INTO grave_edges (repository, parent, child, kind, size, was_here)
     SELECT repository, parent, child, kind, size,
       EXISTS (SELECT 1 FROM links l WHERE l.repository = e.repository AND l.digest = e.child)
       OR EXISTS (SELECT 1 FROM manifests m WHERE m.repository = e.repository AND m.digest = e.child)
     FROM edges e WHERE repository = ? AND parent = ? ORDER BY child, kind LIMIT +?`,
    loose.repository,
    loose.parent,
    loose.limit,
  )
  return takeSome(statements, 'edges', loose).length
}

/** Moves all edges of a deleted manifest that is about to become live to where they belong. */
export function finishBurial(statements: Statements, repository: number, parent: Digest, at: number): void {
  const loose = statements.run(
    'DELETE FROM loose_edges WHERE repository = ? AND parent = ?',
    repository,
    parent,
  )
  if (loose > 0) moveToTombstones(statements, { repository, parent, unused: null, limit: -1, at })
}
