import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { makeJobLeases } from '../../src/metadata/sqlite/jobs.ts'
import { manifestDescriptor, pushArtifact, pushBlob, pushImage } from '../content.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }

/** Reads the whole of something: a table, an index, the rows of a sort, or all that one repository has of a kind. */
const NOT_BOUNDED = /\bSCAN (?!CONSTANT ROW|json_each)|USE TEMP B-TREE|\(repository=\?\)/

/** What must be among the statements that were seen: else the requests did not reach what this is about. */
const EXPECTED = [
  /FROM tags t WHERE .* ORDER BY t\.name/s,
  /FROM repositories WHERE name > /,
  /JOIN tags .* JOIN manifests/s,
  /m\.subject = /,
  /JOIN links .* JOIN contents/s,
  /INSERT INTO tags/,
  /INSERT INTO manifests/,
  /DELETE FROM manifests/,
  /FROM garbage/,
]

/** What takes the first row that there is: of what waits to be done, by an index of that alone. */
const QUEUES = [
  /FROM undescribed LIMIT/,
  /FROM doomed_tags d CROSS JOIN/,
  /FROM loose_edges l CROSS JOIN/,
  // Whether the database can be read: any row says so.
  /^SELECT 1 FROM settings LIMIT 1$/,
  /FROM deleted_repositories WHERE finished IS NULL ORDER BY id LIMIT 1/,
]

async function useEverything(url: string): Promise<void> {
  const image = await pushImage(url, 'app', 'v1')
  await pushArtifact(url, 'app', { subject: manifestDescriptor(image), artifactType: 'a/b' }, 'signature')
  const { config, layers } = JSON.parse(String(image.bytes))
  const large = await pushBlob(url, 'app', Buffer.alloc(100_000))
  for (const path of [
    '_catalog?n=1',
    'app/tags/list?n=1',
    'app/tags/list?last=a',
    'app/manifests/v1',
    `app/manifests/${image.digest}`,
    `app/blobs/${layers[0].digest}`,
    `app/blobs/${large}`,
    `app/referrers/${image.digest}`,
    `app/referrers/${image.digest}?artifactType=a/b&n=1`,
    'app/manifests/none',
    'none/manifests/none',
  ]) {
    for (const method of ['GET', 'HEAD']) await (await fetch(`${url}/v2/${path}`, { method })).arrayBuffer()
  }
  for (const query of [`mount=${config.digest}&from=app`, `mount=${large}`]) {
    const mounted = await fetch(`${url}/v2/other/blobs/uploads/?${query}`, { method: 'POST' })
    assert.equal(mounted.status, 201)
  }
  for (const path of ['manifests/signature', `manifests/${image.digest}`, `blobs/${large}`]) {
    assert.equal((await fetch(`${url}/v2/app/${path}`, { method: 'DELETE' })).status, 202)
  }
}

/** The steps of a statement that grow with what the registry holds. */
function unboundedSteps(database: DatabaseSync, sql: string): string[] {
  const steps = database
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row) => String(row.detail))
  return steps.filter((step) => NOT_BOUNDED.test(step)).map((step) => `${step}: ${sql}`)
}

test(
  'fault 30: every statement that requests and sweeps run finds its rows by an index, without scan and sort',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, {
      env: { STOWAGE_TEST_SQL_LOG: 'sql.log' },
      preloads: ['sql-log', 'frequent-sweeps'],
    })
    const log = join(server.folder, 'sql.log')
    await useEverything(server.url)
    const read = async () => (await readFile(log, 'utf8')).trim().split('\n')
    while (!(await read()).some((line) => line.includes('FROM garbage'))) await fetch(`${server.url}/v2/`)
    await server.close()
    const statements = [...new Set(await read())].map((line) => JSON.parse(line) as string)
    for (const expected of EXPECTED)
      assert.ok(
        statements.some((sql) => expected.test(sql)),
        String(expected),
      )
    const database = new DatabaseSync(join(server.data, 'metadata.sqlite'), { readOnly: true })
    t.after(() => database.close())
    // Only the connection of the writer has this table.
    makeJobLeases(database)
    const plain = statements
      .filter((sql) => /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b/i.test(sql))
      .filter((sql) => !QUEUES.some((queue) => queue.test(sql)))
    assert.deepEqual(
      plain.flatMap((sql) => unboundedSteps(database, sql)),
      [],
    )
    t.diagnostic(`${plain.length} statements`)
    assert.notDeepEqual(unboundedSteps(database, 'SELECT name FROM tags ORDER BY updated'), [])
  },
)
