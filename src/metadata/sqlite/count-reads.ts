import type { CountReads, PendingCounts, RepositoryCount } from '../counts.ts'
import { readMark } from './marks.ts'
import type { Row, Statements } from './statements.ts'
import type { StoreClock } from './store-clock.ts'

const ROWS_OF_A_STEP = 2_000
/** The pause after a count of a repository, as a multiple of how long that count took. */
const REST = 20

/** Reads for counting the content of repositories. */
export function countReads(statements: Statements, clock: StoreClock): CountReads {
  return {
    pending: async (limit) => listPending(statements, clock.now(), limit),
    count: (repository, signal) => countRepository(statements, repository, signal),
  }
}

function listPending(statements: Statements, at: number, limit: number): PendingCounts {
  const mark = readMark(statements, 'counted-changes')
  const changes = statements.all(
    'SELECT sequence, repository FROM changes WHERE sequence > ? ORDER BY sequence LIMIT +?',
    mark,
    limit,
  )
  const cursor = (changes.at(-1)?.sequence as number | undefined) ?? mark
  const waiting = statements.all(
    'SELECT repository, due FROM uncounted WHERE due <= ? ORDER BY due LIMIT +?',
    at,
    limit,
  )
  const found = new Map(waiting.map((row) => [row.repository as number, row.due as number]))
  for (const { repository } of changes) {
    const id = repository as number
    if (!found.has(id)) found.set(id, dueOf(statements, id))
  }
  const repositories = [...found].map(([repository, due]) => ({ repository, due }))
  return {
    due: repositories.filter(({ due }) => due <= at).map(({ repository }) => repository),
    later: repositories.filter(({ due }) => due > at),
    cursor,
    more: changes.length === limit || waiting.length === limit,
  }
}

function dueOf(statements: Statements, repository: number): number {
  const row = statements.get('SELECT at, took FROM counts WHERE repository = ?', repository)
  return row === undefined ? 0 : (row.at as number) + (row.took as number) * (REST + 1)
}

async function countRepository(
  statements: Statements,
  repository: number,
  signal: AbortSignal,
): Promise<Omit<RepositoryCount, 'at' | 'took'> | undefined> {
  const state = statements.get('SELECT revision FROM repositories WHERE id = ?', repository)
  if (state === undefined) return undefined
  const sums: { count: number; size: number }[] = []
  for (const sql of [TAGS, MANIFESTS, BLOBS]) {
    const sum = await addUp(statements, sql, repository, signal)
    if (sum === undefined) return undefined
    sums.push(sum)
  }
  const [tags, manifests, blobs] = sums.map(({ count }) => count) as [number, number, number]
  const size = sums.reduce((total, sum) => total + sum.size, 0)
  return { repository, revision: state.revision as number, tags, manifests, blobs, size }
}

const TAGS =
  'SELECT name AS key, 0 AS size FROM tags WHERE repository = ? AND name > ? ORDER BY name LIMIT +?'
const MANIFESTS =
  'SELECT digest AS key, size FROM manifests WHERE repository = ? AND digest > ? ORDER BY digest LIMIT +?'
const BLOBS = `SELECT l.digest AS key, c.size FROM links l CROSS JOIN contents c ON c.digest = l.digest
  WHERE l.repository = ? AND l.digest > ? ORDER BY l.digest LIMIT +?`

/** Counts in small steps. Other work on this thread has its turn between them. */
async function addUp(
  statements: Statements,
  sql: string,
  repository: number,
  signal: AbortSignal,
): Promise<{ count: number; size: number } | undefined> {
  const sum = { count: 0, size: 0 }
  for (let after = ''; ; ) {
    if (signal.aborted) return undefined
    const rows: Row[] = statements.all(sql, repository, after, ROWS_OF_A_STEP)
    sum.count += rows.length
    for (const { size } of rows) sum.size += size as number
    const last = rows.at(-1)
    if (last === undefined || rows.length < ROWS_OF_A_STEP) return sum
    after = last.key as string
    await new Promise((resolve) => setImmediate(resolve))
  }
}
