import type { RepositoryName } from '../../oci/reference.ts'
import type { RepositoryCount } from '../counts.ts'
import type { Page } from '../page.ts'
import type {
  RepositoryDeletion,
  RepositoryEntry,
  RepositoryQuery,
  RepositoryReads,
  RepositoryState,
} from '../repositories.ts'
import { pageOf } from './page.ts'
import { findRepository } from './repositories.ts'
import { inSnapshot } from './snapshot.ts'
import type { Row, Statements } from './statements.ts'

/** Reads of repositories. */
export function repositoryReads(statements: Statements): RepositoryReads {
  return {
    exists: async (name) => findRepository(statements, name) !== undefined,
    list: async (after, limit) => listRepositories(statements, after, limit),
    state: async (name) => findState(statements, name),
    children: async (query) =>
      inSnapshot(statements, () =>
        query.recursive ? listBelow(statements, query) : listChildren(statements, query),
      ),
    deletion: async (name) => findDeletion(statements, name),
  }
}

function listRepositories(statements: Statements, after: string, limit: number): Page<RepositoryName> {
  const rows = statements.all(
    'SELECT name FROM repositories WHERE name > ? ORDER BY name LIMIT +?',
    after,
    limit + 1,
  )
  return pageOf(rows, limit, (row) => row.name as RepositoryName)
}

function findState(statements: Statements, name: RepositoryName): RepositoryState | undefined {
  const row = statements.get('SELECT id, revision, created, updated FROM repositories WHERE name = ?', name)
  return row && ({ ...row } as unknown as RepositoryState)
}

function findDeletion(statements: Statements, name: RepositoryName): RepositoryDeletion | undefined {
  const row = statements.get(
    `SELECT id, deleted, finished, total, removed FROM deleted_repositories WHERE name = ? ORDER BY id DESC LIMIT 1`,
    name,
  )
  if (row === undefined) return undefined
  const { finished, total, ...others } = row
  return {
    ...others,
    ...(finished !== null && { finished }),
    ...(total !== null && { total }),
  } as unknown as RepositoryDeletion
}

const ENTRIES = `SELECT r.name, r.id, r.revision, r.created, r.updated, c.revision AS countedRevision, c.tags, c.manifests, c.blobs,
    c.size, c.at, c.took FROM repositories r LEFT JOIN counts c ON c.repository = r.id`

/** Sorts after all names, which consist of letters, digits and some other ASCII characters. */
const END = '~'

function listBelow(statements: Statements, { parent, after, limit }: RepositoryQuery): Page<RepositoryEntry> {
  const start = parent === '' ? '' : `${parent}/`
  const rows = statements.all(
    `${ENTRIES} WHERE r.name > ? AND r.name < ? ORDER BY r.name LIMIT +?`,
    after > start ? after : start,
    parent === '' ? END : below(parent).end,
    limit + 1,
  )
  return pageOf(rows, limit, entryOf)
}

function entryOf(row: Row): RepositoryEntry {
  const { id, revision, created, updated } = row
  return {
    name: row.name as RepositoryName,
    state: { id, revision, created, updated } as unknown as RepositoryState,
    ...(row.countedRevision !== null && { count: countOf(row) }),
  }
}

function countOf(row: Row): RepositoryCount {
  const { id, countedRevision, tags, manifests, blobs, size, at, took } = row
  return {
    repository: id,
    revision: countedRevision,
    tags,
    manifests,
    blobs,
    size,
    at,
    took,
  } as unknown as RepositoryCount
}

/** All names below a path: from `start` on, and less than `end`. */
function below(path: string): { start: string; end: string } {
  // The character after "/" in ASCII.
  return { start: `${path}/`, end: `${path}0` }
}

function listChildren(
  statements: Statements,
  { parent, after, limit }: RepositoryQuery,
): Page<RepositoryEntry> {
  const base = parent === '' ? '' : `${parent}/`
  const items: RepositoryEntry[] = []
  let last = after.startsWith(base) ? after.slice(base.length) : after < base ? '' : END
  for (;;) {
    const child = nextChild(statements, base, last)
    if (child === undefined) return { items, more: false }
    if (items.length >= limit) return { items, more: true }
    items.push(readEntry(statements, (base + child) as RepositoryName))
    last = child
  }
}

/** The first child after another, in byte order. This takes one seek, and another for each shorter name that is a prefix of it. */
function nextChild(statements: Statements, base: string, last: string): string | undefined {
  // No name continues with a character that sorts before "-".
  let start = last === '' ? base : `${base}${last}-`
  for (;;) {
    const name = firstName(statements, start, base === '' ? END : below(base.slice(0, -1)).end)
    if (name === undefined) return undefined
    const child = name.slice(base.length).split('/', 1)[0] ?? ''
    if (child > last) {
      // "a/x" sorts after "a-b", although "a" sorts before it.
      const shorter = beginningsOf(child).find(
        (beginning) => beginning > last && hasBelow(statements, base + beginning),
      )
      return shorter ?? child
    }
    start = below(base + child).end
  }
}

/** The prefixes of a component that would sort after it if they had repositories below them. */
function beginningsOf(child: string): string[] {
  return [...child.matchAll(/[a-z0-9](?=[.-])/g)].map((match) => child.slice(0, match.index + 1))
}

function hasBelow(statements: Statements, path: string): boolean {
  const { start, end } = below(path)
  return firstName(statements, start, end) !== undefined
}

function firstName(statements: Statements, start: string, end: string): string | undefined {
  const row = statements.get(
    'SELECT name FROM repositories WHERE name >= ? AND name < ? ORDER BY name LIMIT 1',
    start,
    end,
  )
  return row?.name as string | undefined
}

function readEntry(statements: Statements, name: RepositoryName): RepositoryEntry {
  const row = statements.get(`${ENTRIES} WHERE r.name = ?`, name)
  return row === undefined ? { name } : entryOf(row)
}
