import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MIGRATIONS } from '../../src/metadata/sqlite/migrations.ts'

type Row = Record<string, unknown>

/** Looks into a data folder that no server has: what must hold there whatever a crash left behind. */
export async function assertSoundFolder(data: string): Promise<void> {
  // Killed before its first start was through.
  if (!existsSync(join(data, 'metadata.sqlite'))) return assert.deepEqual(await filesOf(data), new Map())
  const database = new DatabaseSync(join(data, 'metadata.sqlite'), { readOnly: true })
  try {
    const { user_version: version } = database.prepare('PRAGMA user_version').get() ?? {}
    // Between two migrations of the first start, nothing is in it yet.
    if (Number(version) < MIGRATIONS.length) return assert.deepEqual(await filesOf(data), new Map())
    await assertFilesAreKnown(data, database)
    assertReferencesHold(database)
    assertLogIsWhole(database)
  } finally {
    database.close()
  }
}

/** Fails if SQLite finds its own file damaged. */
export function assertSoundDatabase(data: string): void {
  const database = new DatabaseSync(join(data, 'metadata.sqlite'), { readOnly: true })
  try {
    assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
  } finally {
    database.close()
  }
}

/** Files of the blob store by name, with their sizes. */
async function filesOf(data: string): Promise<Map<string, number>> {
  const entries = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter((entry) => entry.isFile())
  const sizes = files.map(async ({ parentPath, name }) => {
    return [name, (await stat(join(parentPath, name))).size] as const
  })
  return new Map(await Promise.all(sizes))
}

async function assertFilesAreKnown(data: string, database: DatabaseSync): Promise<void> {
  const files = await filesOf(data)
  const known = database.prepare(
    `SELECT key FROM contents WHERE key IS NOT NULL
     UNION ALL SELECT key FROM uploads WHERE key IS NOT NULL UNION ALL SELECT key FROM garbage`,
  )
  const keys = known.all().map((row) => String(row.key))
  const distinct = new Set(keys)
  assert.equal(distinct.size, keys.length, 'a key has two uses')
  const unknown = [...files.keys()].filter((name) => !distinct.has(name))
  assert.deepEqual(unknown, [], 'files that nothing knows')
  for (const { key, size } of all(database, 'SELECT key, size FROM contents WHERE key IS NOT NULL')) {
    assert.equal(files.get(String(key)), size, `the file of ${key}`)
  }
  const uploads = all(database, `SELECT key, position FROM uploads WHERE key IS NOT NULL AND state <> ''`)
  for (const { key, position } of uploads) {
    const size = files.get(String(key)) ?? 0
    assert.ok(size >= Number(position), `${position} bytes were promised of ${key}, which has ${size}`)
  }
}

/** Each query finds what must not be. */
const BROKEN_REFERENCES = [
  'SELECT digest FROM links WHERE digest NOT IN (SELECT digest FROM contents)',
  'SELECT digest FROM manifests WHERE digest NOT IN (SELECT digest FROM contents WHERE bytes IS NOT NULL)',
  `SELECT digest FROM contents WHERE digest NOT IN (SELECT digest FROM links)
     AND digest NOT IN (SELECT digest FROM manifests) AND digest NOT IN (SELECT digest FROM graves)`,
  'SELECT digest FROM graves WHERE digest NOT IN (SELECT digest FROM contents WHERE bytes IS NOT NULL)',
  'SELECT g.digest FROM graves g JOIN manifests m ON m.repository = g.repository AND m.digest = g.digest',
  `SELECT e.parent FROM grave_edges e LEFT JOIN graves g ON g.repository = e.repository AND g.digest = e.parent
     WHERE g.digest IS NULL`,
  `SELECT t.name FROM tags t LEFT JOIN manifests m ON m.repository = t.repository AND m.digest = t.digest
     WHERE m.digest IS NULL`,
  `SELECT e.parent FROM edges e LEFT JOIN manifests m ON m.repository = e.repository AND m.digest = e.parent
     WHERE m.digest IS NULL`,
  `SELECT e.child FROM edges e LEFT JOIN links l ON l.repository = e.repository AND l.digest = e.child
     WHERE l.digest IS NULL`,
  'SELECT id FROM uploads WHERE id IN (SELECT id FROM ended_uploads)',
]

function assertReferencesHold(database: DatabaseSync): void {
  for (const query of BROKEN_REFERENCES) assert.deepEqual(all(database, query), [], query)
}

interface Replayed {
  revision: number
  at: number
  tags: Map<string, string>
  manifests: Set<string>
}

/** The change log of each repository has no gap, and all of it together makes what the tables say. */
function assertLogIsWhole(database: DatabaseSync): void {
  const repositories = new Map<number, Replayed>()
  for (const row of all(database, 'SELECT * FROM changes ORDER BY sequence')) replay(repositories, row)
  for (const { id, name, revision } of all(database, 'SELECT * FROM repositories')) {
    const replayed = repositories.get(Number(id))
    assert.equal(replayed?.revision, revision, `the revision of ${name}`)
    const tags = all(database, 'SELECT name, digest FROM tags WHERE repository = ? ORDER BY name', id)
    assert.deepEqual(
      tags.map((row) => [row.name, row.digest]),
      [...(replayed?.tags ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)),
      `the tags of ${name}`,
    )
    const manifests = all(database, 'SELECT digest FROM manifests WHERE repository = ? ORDER BY digest', id)
    assert.deepEqual(
      manifests.map((row) => row.digest),
      [...(replayed?.manifests ?? [])].sort(),
      `the manifests of ${name}`,
    )
  }
}

function replay(repositories: Map<number, Replayed>, row: Row): void {
  const id = Number(row.repository)
  const what = `change ${row.sequence}, ${row.kind} ${row.subject} of repository ${id}`
  if (row.kind === 'repository-created') {
    assert.ok(!repositories.has(id), what)
    repositories.set(id, { revision: 0, at: 0, tags: new Map(), manifests: new Set() })
  }
  const repository = repositories.get(id) ?? assert.fail(what)
  assert.equal(row.revision, repository.revision + 1, `${what} leaves a gap`)
  assert.ok(Number(row.at) >= repository.at, `${what} goes back in time`)
  repository.revision++
  repository.at = Number(row.at)
  apply(repository, row, what)
}

function apply({ tags, manifests }: Replayed, row: Row, what: string): void {
  const subject = String(row.subject)
  if (row.kind === 'manifest-pushed') {
    assert.ok(!manifests.has(subject), what)
    manifests.add(subject)
  } else if (row.kind === 'manifest-deleted') {
    assert.ok(manifests.delete(subject), what)
  } else if (row.kind === 'tag-set' || row.kind === 'tag-removed') {
    assert.equal(row.old, tags.get(subject) ?? null, what)
    if (row.kind === 'tag-set') tags.set(subject, String(row.new))
    else tags.delete(subject)
  }
}

function all(database: DatabaseSync, sql: string, ...values: unknown[]): Row[] {
  return database.prepare(sql).all(...(values as number[]))
}
