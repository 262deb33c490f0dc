import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import {
  EMPTY_CONFIG,
  manifestDescriptor,
  manifestOf,
  OCI_INDEX,
  pushBlob,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { beginUpload } from '../protocol/upload-requests.ts'
import { type FaultServer, type ServerSettings, startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }
/** As many layers, with the shortest descriptors, as a manifest has room for. */
const LAYERS = 30_000
const CHILDREN = 1_000
const UPLOADS = 2_000
/** A step has 500 rows, each of which may take rows of other tables along; a commit may be of several steps. */
const MAX_ROWS = 5_000
const MAX_STATEMENTS = 5_000
/** For each row of a push: itself. */
const MAX_STATEMENTS_OF_PUSH = 100

interface Commit {
  statements: number
  rows: number
}

interface WatchedServer {
  server: FaultServer
  /** What is the most in one commit that something leads to, and until a condition holds. */
  most(work: () => Promise<unknown>, isOver?: () => Promise<boolean>): Promise<Commit>
}

const WATCHED: ServerSettings = {
  workers: 1,
  watched: false,
  env: { STOWAGE_TEST_COMMIT_LOG: 'commits.log' },
  preloads: ['commit-log', 'frequent-sweeps'],
}

async function startWatched(t: TestContext): Promise<WatchedServer> {
  const server = await startServer(t, WATCHED)
  return watch(t, server)
}

function watch(t: TestContext, server: FaultServer): WatchedServer {
  const log = join(server.folder, 'commits.log')
  const readCommits = async (): Promise<Commit[]> => {
    const lines = (await readFile(log, 'utf8')).trimEnd().split('\n')
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Commit)
  }
  return {
    server,
    async most(work, isOver = async () => true) {
      await writeFile(log, '')
      await work()
      for (let tries = 0; !(await isOver()); tries++) {
        assert.ok(tries < 600, 'it was not over after a minute')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      const commits = await readCommits()
      const most = {
        statements: Math.max(0, ...commits.map(({ statements }) => statements)),
        rows: Math.max(0, ...commits.map(({ rows }) => rows)),
      }
      t.diagnostic(
        `${commits.length} commits, of at most ${most.rows} rows and ${most.statements} statements`,
      )
      return most
    },
  }
}

function assertShort({ rows, statements }: Commit): void {
  assert.ok(rows <= MAX_ROWS, `${rows} rows`)
  assert.ok(statements <= MAX_STATEMENTS, `${statements} statements`)
}

const TABLES = ['edges', 'grave_edges', 'graves', 'loose_edges'] as const

/** How many rows a table of the running server has. */
async function rowsOf({ data }: FaultServer, table: (typeof TABLES)[number]): Promise<number> {
  const database = new DatabaseSync(join(data, 'metadata.sqlite'), { readOnly: true })
  try {
    return Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.count)
  } finally {
    database.close()
  }
}

async function send(url: string, method: string, expected: number, body?: object): Promise<void> {
  const json = { 'Content-Type': 'application/json' }
  const answer = await fetch(url, {
    method,
    ...(body !== undefined && { headers: json, body: JSON.stringify(body) }),
  })
  assert.equal(answer.status, expected, await answer.text())
}

/** A manifest whose layers lie elsewhere, so that none must be pushed. */
function largeManifest(): TestManifest {
  const layers = Array.from({ length: LAYERS }, (_, index) => ({
    digest: `sha256:${index.toString(16).padStart(64, '0')}`,
    size: 1,
    urls: ['https://a'],
  }))
  return manifestOf({ config: EMPTY_CONFIG, layers })
}

test(
  'fault 55: a manifest that names 30,000 others is pushed with few statements, and deleted, restored and expired in small commits',
  PATIENCE,
  async (t) => {
    const { server, most } = await startWatched(t)
    await pushBlob(server.url, 'app', '{}')
    const manifest = largeManifest()
    const path = `/v2/app/manifests/${manifest.digest}`
    const push = async () => assert.equal((await pushManifest(server.url, 'app', manifest)).status, 201)

    const pushed = await most(push)
    assert.ok(pushed.rows >= LAYERS && pushed.rows <= LAYERS + 100, `${pushed.rows} rows`)
    assert.ok(pushed.statements <= MAX_STATEMENTS_OF_PUSH, `${pushed.statements} statements`)

    const isMoved = async () => (await rowsOf(server, 'edges')) === 0
    const remove = async () => {
      await send(server.url + path, 'DELETE', 202)
      assert.equal((await fetch(server.url + path)).status, 404)
    }
    assertShort(await most(remove, isMoved))
    const undelete = { digest: manifest.digest }
    const restored = await most(() =>
      send(`${server.url}/v2/app/_stowage/manifests/undelete`, 'POST', 200, undelete),
    )
    assert.ok(restored.statements <= MAX_STATEMENTS_OF_PUSH, `${restored.statements} statements`)
    assert.ok(restored.rows <= 3 * LAYERS, `${restored.rows} rows`)

    await remove()
    // A crash in between; what is left is found again.
    process.kill(server.pid, 'SIGKILL')
    const again = watch(t, await server.restart({ ...WATCHED, args: ['--keep-deleted', '1s'] }))
    const isOver = async () => {
      const counts = await Promise.all(TABLES.map((table) => rowsOf(server, table)))
      return counts.every((count) => count === 0)
    }
    assertShort(
      await again.most(async () => assert.equal((await fetch(again.server.url + path)).status, 404), isOver),
    )
    await again.server.close()
  },
)

test(
  'fault 55: an index with 1,000 deleted manifests below it is restored in small commits',
  PATIENCE,
  async (t) => {
    const { server, most } = await startWatched(t)
    const children = Array.from({ length: CHILDREN }, (_, index) =>
      manifestOf({ manifests: [], annotations: { index: String(index) } }, OCI_INDEX),
    )
    for (const child of children) assert.equal((await pushManifest(server.url, 'app', child)).status, 201)
    const index = manifestOf({ manifests: children.map(manifestDescriptor) }, OCI_INDEX)
    assert.equal((await pushManifest(server.url, 'app', index)).status, 201)
    for (const { digest } of [index, ...children]) {
      await send(`${server.url}/v2/app/manifests/${digest}`, 'DELETE', 202)
    }
    const undelete = { digest: index.digest, tags: ['v1'] }
    assertShort(
      await most(() => send(`${server.url}/v2/app/_stowage/manifests/undelete`, 'POST', 200, undelete)),
    )
    for (const { digest } of [index, ...children]) {
      assert.equal((await fetch(`${server.url}/v2/app/manifests/${digest}`)).status, 200)
    }
    await server.close()
  },
)

test(
  'fault 55: a repository with 2,000 open uploads is deleted in small commits, and none of them is known from then on',
  PATIENCE,
  async (t) => {
    const { server, most } = await startWatched(t)
    await pushBlob(server.url, 'app', '{}')
    const uploads: URL[] = []
    for (let count = 0; count < UPLOADS; count++) {
      const upload = await beginUpload(server.url, 'app')
      const sent = await fetch(upload, { method: 'PATCH', body: 'a' })
      assert.equal(sent.status, 202)
      uploads.push(new URL(sent.headers.get('location') ?? '', server.url))
    }
    const state = `${server.url}/v2/app/_stowage/repository/self`
    assertShort(
      await most(
        async () => {
          await send(state, 'DELETE', 202)
          for (const upload of [uploads[0], uploads.at(-1)]) {
            assert.ok(upload !== undefined)
            // 409 while the repository is being deleted.
            assert.ok([404, 409].includes((await fetch(upload)).status))
          }
        },
        async () =>
          (await pushManifest(server.url, 'app', manifestOf({ manifests: [] }, OCI_INDEX))).status === 201,
      ),
    )
    for (const upload of uploads.slice(0, 10)) assert.equal((await fetch(upload)).status, 404)
    await server.close()
  },
)
