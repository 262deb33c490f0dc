import type { Digest } from '../../oci/digest.ts'
import type { Edge, EdgeKind } from '../../oci/manifest.ts'
import { IS_OF_LIVE } from './parents.ts'
import type { Statements } from './statements.ts'

/** The content that a manifest names, with its sizes. */
type Reached = Pick<Edge, 'digest' | 'kind' | 'size'>

const MAX_EDGES_LOOKED_AT = 20_000
const MAX_CORRECTED = 16

/** How many edges one push may still read. */
interface Budget {
  left: number
}

/**
 * How many bytes a manifest reaches: its own and those of each digest below it, once. If an index reaches more than 20,000 other digests,
 * content that its children share counts for each of them, so that one push does not block all other writes.
 */
export function totalSize(
  statements: Statements,
  repository: number,
  { size, edges }: { size: number; edges: readonly Reached[] },
  budget: Budget = { left: MAX_EDGES_LOOKED_AT },
): number {
  const sizes = new Map(edges.map((edge) => [edge.digest, edge.size]))
  const children = edges.filter(({ kind }) => kind === 'manifest').map(({ digest }) => digest)
  if (!addReached(statements, repository, { manifests: children, sizes, budget }))
    return sumOfChildren(statements, repository, size, edges)
  return sum(size, sizes.values())
}

/**
 * Corrects the total size of the ancestors of a manifest that was pushed after its index. It updates up to 16 manifests that together reach
 * up to 20,000 other digests. All others keep the sizes from the descriptors, so that one push does not block all other writes.
 */
export function correctParents(statements: Statements, repository: number, child: Digest): void {
  const budget = { left: MAX_EDGES_LOOKED_AT }
  const above = new Set([child])
  // Iterating over a set includes elements that are added in the meantime.
  for (const digest of above) {
    for (const parent of parentsOf(statements, repository, digest)) {
      if (above.size > MAX_CORRECTED) break
      above.add(parent)
    }
    if (digest !== child && !correct(statements, repository, digest, budget)) return
  }
}

function parentsOf(statements: Statements, repository: number, child: Digest): Digest[] {
  const rows = statements.all(
    `SELECT parent FROM edges e WHERE repository = ? AND child = ? AND kind = 'manifest' AND ${IS_OF_LIVE} LIMIT +?`,
    repository,
    child,
    MAX_CORRECTED,
  )
  return rows.map(({ parent }) => parent as Digest)
}

/** @returns whether the budget was enough; nothing was done otherwise */
function correct(statements: Statements, repository: number, digest: Digest, budget: Budget): boolean {
  const row = statements.get(
    'SELECT size FROM manifests WHERE repository = ? AND digest = ?',
    repository,
    digest,
  )
  const edges = statements.all(
    'SELECT child AS digest, kind, size FROM edges WHERE repository = ? AND parent = ? LIMIT +?',
    repository,
    digest,
    budget.left + 1,
  )
  budget.left -= edges.length
  if (budget.left < 0) return false
  const manifest = { size: row?.size as number, edges: edges as unknown as Reached[] }
  statements.run(
    'UPDATE manifests SET total_size = ? WHERE repository = ? AND digest = ?',
    totalSize(statements, repository, manifest, budget),
    repository,
    digest,
  )
  return true
}

/** Adds the content that manifests reach. @returns whether that was everything */
function addReached(
  statements: Statements,
  repository: number,
  { manifests, sizes, budget }: { manifests: readonly Digest[]; sizes: Map<Digest, number>; budget: Budget },
): boolean {
  const next = [...new Set(manifests)]
  for (let parent = next.pop(); parent !== undefined; parent = next.pop()) {
    const rows = statements.all(
      'SELECT child, kind, size FROM edges WHERE repository = ? AND parent = ? LIMIT +?',
      repository,
      parent,
      Math.max(0, budget.left) + 1,
    )
    budget.left -= rows.length + 1
    if (budget.left < 0) return false
    for (const row of rows) {
      const child = row.child as Digest
      if (sizes.has(child)) continue
      sizes.set(child, row.size as number)
      if ((row.kind as EdgeKind) === 'manifest') next.push(child)
    }
  }
  return true
}

function sumOfChildren(
  statements: Statements,
  repository: number,
  size: number,
  edges: readonly Reached[],
): number {
  const rows = statements.all(
    `SELECT value ->> 'digest' AS digest, coalesce(m.total_size, value ->> 'size') AS size FROM json_each(?2)
     LEFT JOIN manifests m ON value ->> 'kind' = 'manifest' AND m.repository = ?1 AND m.digest = value ->> 'digest'`,
    repository,
    JSON.stringify(edges),
  )
  const sizes = new Map(rows.map((row) => [row.digest, row.size as number]))
  return sum(size, sizes.values())
}

/** Sizes come from clients, so their sum may exceed the range of a number. */
function sum(first: number, others: Iterable<number>): number {
  let total = first
  for (const other of others) total += other
  return Math.min(total, Number.MAX_SAFE_INTEGER)
}
