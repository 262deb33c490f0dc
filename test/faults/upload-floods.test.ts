import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { digestIn, digestOf, pushImage } from '../content.ts'
import { storedFiles } from '../protocol/refusal.ts'
import { beginUpload, closeUpload, patchUpload, statusRange } from '../protocol/upload-requests.ts'
import { type Conversation, converseOften, eachBelow } from './conversation.ts'
import { addressSpaceOf, descriptorsOf, memoryOf, NO_FIGURES, settlesAt } from './process-figures.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 600_000, skip: NO_FIGURES }
const UPLOADS = 10_000
const LANES = 32
/** A session is a row; this is far less than what a connection, a file or a buffer for each would take. */
const MAX_MIB = 128

async function openUploads(clients: readonly Conversation[], count: number, query = ''): Promise<string[]> {
  const paths: string[] = []
  await eachBelow(count, clients.length, async (_, lane) => {
    const client = clients[lane] ?? assert.fail()
    const begun = await client.ask(`POST /v2/app/blobs/uploads/${query}`, { body: '' })
    const path = begun.headers.location ?? ''
    assert.equal((await client.ask(`PATCH ${path}`, { body: 'x' })).status, 202)
    paths.push(path)
  })
  return paths
}

function countOf(data: string, table: 'uploads' | 'ended_uploads'): number {
  const database = new DatabaseSync(join(data, 'metadata.sqlite'), { readOnly: true, timeout: 10_000 })
  try {
    return Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.count)
  } finally {
    database.close()
  }
}

test(
  'fault 26: 10,000 open uploads of one byte cost a row each, continue after a restart, and expire when they are idle',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 2, watched: false })
    const clients = await converseOften(t, server.url, LANES)
    await openUploads(clients, 1_000)
    const before = await memoryOf(server.pid)
    const descriptors = await descriptorsOf(server.pid)
    const paths = await openUploads(clients, UPLOADS)
    assert.equal(countOf(server.data, 'uploads'), UPLOADS + 1_000)
    const memory = await settlesAt('MiB', before + MAX_MIB, () => memoryOf(server.pid))
    const open = await settlesAt('descriptors', descriptors + 2, () => descriptorsOf(server.pid))
    t.diagnostic(
      `MiB: ${before.toFixed()} before, ${memory.toFixed()} after; descriptors: ${descriptors}, ${open}`,
    )
    assert.deepEqual(await storedFiles(server.data), [])
    await pushImage(server.url, 'app', 'v1')
    await server.close()

    const again = await server.restart()
    for (const path of paths.slice(0, 100)) {
      const upload = new URL(path, again.url)
      assert.equal(await statusRange(upload), '0-0')
      assert.equal((await closeUpload(upload, digestOf('xy'), { body: 'y' })).status, 201)
    }
    await again.close()

    const args = ['--upload-expiry', '1s']
    const expiring = await server.restart({ args, preloads: ['frequent-sweeps'], watched: false })
    await settlesAt('uploads', 0, async () => countOf(expiring.data, 'uploads'))
    const patched = await Promise.all(
      paths.slice(100, 200).map((path) => patchUpload(new URL(path, expiring.url), 'more')),
    )
    for (const { status } of patched) assert.equal(status, 404)
    // That they ended is forgotten too, once their ids are too old to be begun again.
    await settlesAt('ended uploads', 0, async () => countOf(expiring.data, 'ended_uploads'))
    const fresh = await beginUpload(expiring.url, 'app')
    assert.equal((await closeUpload(fresh, digestOf('fresh'), { body: 'fresh' })).status, 201)
    await expiring.close()
  },
)

test('fault 26: uploads without a byte cost nothing', PATIENCE, async (t) => {
  const server = await startServer(t, { watched: false })
  const clients = await converseOften(t, server.url, LANES)
  await eachBelow(UPLOADS, LANES, async (_, lane) => {
    const begun = await clients[lane]?.ask('POST /v2/app/blobs/uploads/', { body: '' })
    assert.equal(begun?.status, 202)
  })
  assert.equal(countOf(server.data, 'uploads'), 0)
  assert.equal(countOf(server.data, 'ended_uploads'), 0)
  await server.close()
})

test(
  'fault 42: 2,000 open uploads that are hashed in blake3 share one instance of it',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 2, watched: false })
    const clients = await converseOften(t, server.url, LANES)
    await openUploads(clients, 100, '?digest-algorithm=blake3')
    const [space, memory] = [await addressSpaceOf(server.pid), await memoryOf(server.pid)]
    const paths = await openUploads(clients, 2_000, '?digest-algorithm=blake3')
    const more = (await addressSpaceOf(server.pid)) - space
    t.diagnostic(
      `${more.toFixed()} MiB of address space more, ${((await memoryOf(server.pid)) - memory).toFixed()} in use`,
    )
    // One instance reserves 8 GiB, and each of 2,000 would.
    assert.ok(more < 4_096, `${more} MiB`)
    await settlesAt('MiB', memory + MAX_MIB, () => memoryOf(server.pid))
    for (const [index, path] of paths.slice(0, 100).entries()) {
      const body = String(index)
      const closed = await closeUpload(
        new URL(path, server.url),
        await digestIn('blake3', Buffer.from(`x${body}`)),
        {
          body,
        },
      )
      assert.equal(closed.status, 201)
    }
    await server.close()
  },
)
