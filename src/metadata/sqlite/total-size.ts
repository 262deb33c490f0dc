import type { Digest } from '../../oci/digest.ts'
import type { Edge, EdgeKind } from '../../oci/manifest.ts'
import type { Statements } from './statements.ts'

/** What a manifest names, as far as sizes go. */
type Reached = Pick<Edge, 'digest' | 'kind' | 'size'>

const MAX_EDGES_LOOKED_AT = 20_000
const MAX_CORRECTED = 16

/**
 * How many bytes a manifest reaches: its own and each digest below it, once. Of an index that reaches more than 20,000 others, what is
 * shared between those that it names counts for each of them: whoever pushes may not hold up all others.
 */
export function totalSize(
  statements: Statements,
  repository: number,
  { size, edges }: { size: number; edges: readonly Reached[] },
): number {
  const sizes = new Map(edges.map((edge) => [edge.digest, edge.size]))
  const children = edges.filter(({ kind }) => kind === 'manifest').map(({ digest }) => digest)
  if (!addReached(statements, repository, children, sizes))
    return sumOfChildren(statements, repository, size, edges)
  return sum(size, sizes.values())
}

/**
 * Corrects how many bytes is reached by what names a manifest that came later than its index: directly and from above, in up to 16
 * manifests. Those beyond keep what the descriptors said: whoever pushes may not hold up all others.
 */
export function correctParents(statements: Statements, repository: number, child: Digest): void {
  const above = new Set([child])
  // A set goes on with what is added to it while it is read.
  for (const digest of above) {
    for (const parent of parentsOf(statements, repository, digest)) {
      if (above.size > MAX_CORRECTED) break
      above.add(parent)
    }
    if (digest !== child) correct(statements, repository, digest)
  }
}

function parentsOf(statements: Statements, repository: number, child: Digest): Digest[] {
  const rows = statements.all(
    `SELECT parent FROM edges WHERE repository = ? AND child = ? AND kind = 'manifest' LIMIT ?`,
    repository,
    child,
    MAX_CORRECTED,
  )
  return rows.map(({ parent }) => parent as Digest)
}

function correct(statements: Statements, repository: number, digest: Digest): void {
  const row = statements.get(
    'SELECT size FROM manifests WHERE repository = ? AND digest = ?',
    repository,
    digest,
  )
  const edges = statements.all(
    'SELECT child AS digest, kind, size FROM edges WHERE repository = ? AND parent = ?',
    repository,
    digest,
  )
  const manifest = { size: row?.size as number, edges: edges as unknown as Reached[] }
  statements.run(
    'UPDATE manifests SET total_size = ? WHERE repository = ? AND digest = ?',
    totalSize(statements, repository, manifest),
    repository,
    digest,
  )
}

/** Adds what manifests reach. @returns whether that was all */
function addReached(
  statements: Statements,
  repository: number,
  manifests: readonly Digest[],
  sizes: Map<Digest, number>,
): boolean {
  const next = [...new Set(manifests)]
  let looked = 0
  for (let parent = next.pop(); parent !== undefined; parent = next.pop()) {
    const rows = statements.all(
      'SELECT child, kind, size FROM edges WHERE repository = ? AND parent = ?',
      repository,
      parent,
    )
    looked += rows.length + 1
    if (looked > MAX_EDGES_LOOKED_AT) return false
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
  const sizes = new Map<Digest, number>()
  for (const edge of edges) {
    const row =
      edge.kind === 'manifest'
        ? statements.get(
            'SELECT total_size FROM manifests WHERE repository = ? AND digest = ?',
            repository,
            edge.digest,
          )
        : undefined
    sizes.set(edge.digest, (row?.total_size as number | undefined) ?? edge.size)
  }
  return sum(size, sizes.values())
}

/** Sizes are what a client says, so their sum may be more than a number can hold. */
function sum(first: number, others: Iterable<number>): number {
  let total = first
  for (const other of others) total += other
  return Math.min(total, Number.MAX_SAFE_INTEGER)
}
