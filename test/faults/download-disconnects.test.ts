import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { digestOf, pushBlob, pushImage } from '../content.ts'
import { head } from '../protocol/raw-request.ts'
import { garbageKeys, storedFiles } from '../protocol/refusal.ts'
import { beginUpload } from '../protocol/upload-requests.ts'
import { eachBelow } from './conversation.ts'
import { descriptorsOf, memoryOf, NO_FIGURES, settlesAt } from './process-figures.ts'
import { type FaultServer, startServer } from './start-server.ts'

const PATIENCE = { timeout: 600_000, skip: NO_FIGURES }
const DISCONNECTS = 10_000
const AT_ONCE = 40
const BLOB_SIZE = 6 * 1024 * 1024
/** What the allocator may keep of what was in use at once. */
const SLACK_MIB = 128
/** Connections that the server has not yet seen to be gone. */
const SLACK_DESCRIPTORS = 4

async function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Breaks off at the first bytes of the answer; the server has more in its hands by then. */
async function breakDownload(url: string, blob: string): Promise<void> {
  const socket = await open(url)
  socket.write(head(`GET ${blob}`))
  await once(socket, 'data')
  socket.resetAndDestroy()
}

/** Sends a part of what it announced, and breaks off in one of the two ways. */
async function breakUpload(url: string, index: number): Promise<void> {
  const size = index % 10 === 0 ? 100_000 : 1_000
  const line =
    index % 2 === 0
      ? `PATCH ${(await beginUpload(url, 'app')).pathname}`
      : `POST /v2/app/blobs/uploads/?digest=${digestOf('never whole')}`
  const socket = await open(url)
  await new Promise((resolve) => {
    socket.write(
      Buffer.concat([Buffer.from(head(line, 'Content-Length: 200000')), randomBytes(size)]),
      resolve,
    )
  })
  if (index % 4 < 2) socket.resetAndDestroy()
  else socket.destroy()
}

async function disconnect(server: FaultServer, blob: string, times: number): Promise<void> {
  await eachBelow(times, AT_ONCE, async (index) => {
    if (index % 2 === 0) await breakDownload(server.url, blob)
    else await breakUpload(server.url, index >> 1)
  })
}

/** How many uploads the server knows that could still go on. */
function openUploads(data: string): number {
  const database = new DatabaseSync(join(data, 'metadata.sqlite'), { readOnly: true, timeout: 10_000 })
  try {
    return Number(database.prepare('SELECT count(*) AS count FROM uploads').get()?.count)
  } finally {
    database.close()
  }
}

test(
  'fault 21: after 10,000 clients that broke off in a download or an upload nothing of them is left',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, {
      workers: 2,
      watched: false,
      args: ['--upload-expiry', '1s'],
      preloads: ['frequent-sweeps'],
    })
    const blob = `/v2/app/blobs/${await pushBlob(server.url, 'app', randomBytes(BLOB_SIZE))}`
    await disconnect(server, blob, 1_000)
    await settlesAt('uploads', 0, async () => openUploads(server.data))
    const before = await memoryOf(server.pid)
    const descriptors = await descriptorsOf(server.pid)
    await disconnect(server, blob, DISCONNECTS)
    const broken = performance.now()
    await settlesAt('uploads', 0, async () => openUploads(server.data))
    t.diagnostic(
      `the last upload ended ${((performance.now() - broken) / 1000).toFixed(1)} s after the last client`,
    )
    const left = await settlesAt('descriptors', descriptors + SLACK_DESCRIPTORS, () =>
      descriptorsOf(server.pid),
    )
    const memory = await settlesAt('MiB', before + SLACK_MIB, () => memoryOf(server.pid))
    t.diagnostic(
      `descriptors: ${descriptors} before, ${left} after; MiB: ${before.toFixed()} before, ${memory.toFixed()} after`,
    )
    const files = await storedFiles(server.data)
    assert.equal(files.filter((name) => !garbageKeys(server.data).includes(name)).length, 1)
    await pushImage(server.url, 'app', 'v1')
    assert.equal((await (await fetch(server.url + blob)).arrayBuffer()).byteLength, BLOB_SIZE)
    await server.close()
    await server.sweep()
    assert.equal((await storedFiles(server.data)).length, 1)
  },
)
