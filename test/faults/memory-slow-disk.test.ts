import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect, head } from '../protocol/raw-request.ts'
import { converse } from './conversation.ts'
import { memoryOf, NO_FIGURES, watchMemory } from './process-figures.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 600_000, skip: NO_FIGURES }
const MIB = 1024 * 1024
const UPLOADS = 8
const UPLOAD_MIB = 256
/** So that each thread writes at 50 MiB/s: far less than is sent. */
const WRITE_MS = 20
const WORKERS = 2
/** What one connection may hold: some steps of writing, and what the system hands over at once. */
const MIB_OF_CONNECTION = 16
const SLACK_MIB = 96

/** Sends a blob as fast as it is taken. @returns the status */
async function push(t: TestContext, url: string, { piece, count, name }: Blob): Promise<number> {
  const hash = createHash('sha256')
  for (let sent = 0; sent < count; sent++) hash.update(piece)
  const digest = `sha256:${hash.digest('hex')}`
  const connection = await connect(t, url)
  const length = `Content-Length: ${count * piece.length}`
  await connection.send(head(`POST /v2/${name}/blobs/uploads/?digest=${digest}`, length))
  for (let sent = 0; sent < count; sent++) await connection.send(piece)
  const { status } = await connection.response()
  connection.destroy()
  return status
}

/** So many repetitions of a piece. */
interface Blob {
  piece: Buffer
  count: number
  name: string
}

test(
  'fault 28: eight uploads of 256 MiB to a slow disk at once, 2 GiB in all, take bounded memory',
  PATIENCE,
  async (t) => {
    const env = { STOWAGE_TEST_WRITE_MS: String(WRITE_MS), STOWAGE_TEST_WRITES: 'writes' }
    const server = await startServer(t, { workers: WORKERS, watched: false, env, preloads: ['slow-disk'] })
    assert.equal(await push(t, server.url, { piece: randomBytes(MIB), count: UPLOADS, name: 'first' }), 201)
    const before = await memoryOf(server.pid)
    const most = watchMemory(server.pid)
    const pushes = Array.from({ length: UPLOADS }, (_, index) =>
      push(t, server.url, { piece: randomBytes(MIB), count: UPLOAD_MIB, name: `app${index}` }),
    )
    const other = await converse(t, server.url)
    assert.equal((await other.ask('GET /v2/')).status, 200)
    for (const status of await Promise.all(pushes)) assert.equal(status, 201)
    const peak = await most()
    const { size: writes } = await stat(join(server.folder, 'writes'))
    t.diagnostic(
      `MiB: ${before.toFixed()} before, at most ${peak.toFixed()}; ${writes} writes waited ${WRITE_MS} ms each`,
    )
    assert.ok(writes > (UPLOADS * UPLOAD_MIB) / 4, `only ${writes} writes were slow`)
    assert.ok(peak < before + UPLOADS * MIB_OF_CONNECTION + SLACK_MIB, `${peak} MiB, after ${before}`)
    await server.close()
  },
)
