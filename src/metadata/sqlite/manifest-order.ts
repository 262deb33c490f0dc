import type { ManifestCursor, ManifestQuery } from '../manifests.ts'
import type { Row, Statements } from './statements.ts'

/** A row of a manifest with its position in the order. */
export interface OrderedRow {
  row: Row
  cursor: ManifestCursor
}

const COLUMNS = `m.digest, m.media_type AS mediaType, m.artifact_type AS artifactType, m.size, m.subject, m.annotations,
  m.pushed, m.total_size AS totalSize, m.labels, m.platform, m.position`
const WITH_PULL = `SELECT ${COLUMNS}, p.pulled FROM manifests m
  LEFT JOIN pulls p ON p.repository = m.repository AND p.digest = m.digest`
/** Uses an index that has only these manifests: in a repository where everything was pulled, reading the others would be useless. */
const NEVER_PULLED = `SELECT ${COLUMNS}, NULL AS pulled FROM manifests m INDEXED BY manifests_never_pulled
  WHERE m.never_pulled = 1 AND`
const BY_PULL = `SELECT ${COLUMNS}, p.pulled FROM pulls p
  CROSS JOIN manifests m ON m.repository = p.repository AND m.digest = p.digest`

/** Manifests of a repository in the order of a query, after its cursor. Each order is that of an index. */
export function manifestRows(
  statements: Statements,
  repository: number,
  { sort, descending, after }: ManifestQuery,
): Iterable<OrderedRow> {
  const from = after ?? firstCursor(descending)
  const order = { statements, repository, descending, from }
  if (sort === 'pushed') return rowsBy(order, 'm.position', (row) => row.position as number)
  if (sort === 'size') return rowsBySize(order)
  if (sort === 'digest') return rowsByDigest(order, `${WITH_PULL} WHERE`)
  return rowsByPull(order)
}

/** The row of one manifest, to continue with its tags. */
export function manifestRow(statements: Statements, repository: number, digest: string): Row | undefined {
  return statements.get(`${WITH_PULL} WHERE m.repository = ? AND m.digest = ?`, repository, digest)
}

interface Order {
  statements: Statements
  repository: number
  descending: boolean
  from: ManifestCursor
}

/** Sorts after all digests, which are ASCII. */
const LAST_DIGEST = '\u007f'

function firstCursor(descending: boolean): ManifestCursor {
  return descending ? { key: Number.MAX_SAFE_INTEGER, digest: LAST_DIGEST } : { key: -1, digest: '' }
}

function signs(descending: boolean): { behind: '<' | '>'; direction: 'DESC' | 'ASC' } {
  return descending ? { behind: '<', direction: 'DESC' } : { behind: '>', direction: 'ASC' }
}

function* rowsBy(
  { statements, repository, descending, from }: Order,
  column: string,
  keyOf: (row: Row) => number,
): Generator<OrderedRow> {
  const { behind, direction } = signs(descending)
  const rows = statements.iterate(
    `${WITH_PULL} WHERE m.repository = ? AND (${column}, m.digest) ${behind} (?, ?)
     ORDER BY ${column} ${direction}, m.digest ${direction}`,
    repository,
    from.key,
    from.digest,
  )
  for (const row of rows) yield { row, cursor: { key: keyOf(row), digest: row.digest as string } }
}

function rowsBySize(order: Order): Generator<OrderedRow> {
  return rowsBy(order, 'm.total_size', (row) => row.totalSize as number)
}

function* rowsByDigest(
  { statements, repository, descending, from }: Order,
  select: string,
): Generator<OrderedRow> {
  const { behind, direction } = signs(descending)
  const rows = statements.iterate(
    `${select} m.repository = ? AND m.digest ${behind} ? ORDER BY m.digest ${direction}`,
    repository,
    from.digest,
  )
  for (const row of rows) yield { row, cursor: { key: 0, digest: row.digest as string } }
}

/** Manifests that were never pulled count as pulled at time 0, in the order of digests. */
function* rowsByPull(order: Order): Generator<OrderedRow> {
  const { descending, from } = order
  const never = (start: ManifestCursor) => rowsByDigest({ ...order, from: start }, NEVER_PULLED)
  if (!descending && from.key <= 0) {
    yield* never(from)
    yield* rowsOfPulls({ ...order, from: { key: 0, digest: LAST_DIGEST } })
    return
  }
  if (from.key > 0) yield* rowsOfPulls(order)
  if (descending) yield* never(from.key > 0 ? firstCursor(true) : from)
}

function* rowsOfPulls({ statements, repository, descending, from }: Order): Generator<OrderedRow> {
  const { behind, direction } = signs(descending)
  const rows = statements.iterate(
    `${BY_PULL} WHERE p.repository = ? AND (p.pulled, p.digest) ${behind} (?, ?)
     ORDER BY p.pulled ${direction}, p.digest ${direction}`,
    repository,
    from.key,
    from.digest,
  )
  for (const row of rows) {
    yield { row, cursor: { key: row.pulled as number, digest: row.digest as string } }
  }
}
