import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesOf, digestOf, pushBlob, pushImage } from '../content.ts'
import { head } from '../protocol/raw-request.ts'
import { beginUpload } from '../protocol/upload-requests.ts'
import { descriptorsOf, memoryOf, NO_FIGURES, settlesAt, watchMemory } from './process-figures.ts'
import { type FaultServer, startServer } from './start-server.ts'

const PATIENCE = { timeout: 600_000, skip: NO_FIGURES }
const MIB = 1024 * 1024
/** More than the system takes for a connection that nobody reads from. */
const LARGE = 64 * MIB
const STEP_MS = 1_000
/** Longer than the minute in which a transfer must make progress. */
const LEGITIMATE_STEPS = 70
const LEGITIMATE_STEP_BYTES = 10_000

interface SlowClient {
  socket: Socket
  /** All that the server said. */
  answer(): string
}

/** Opens a connection, whose answers are read unless said otherwise. */
async function open(t: TestContext, url: string, { reads = true } = {}): Promise<SlowClient> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  let answer = ''
  const listen = (chunk: Buffer) => {
    answer += chunk.toString('latin1')
  }
  if (reads) socket.on('data', listen)
  return { socket, answer: () => answer }
}

async function openMany(
  t: TestContext,
  url: string,
  { count, reads = true }: { count: number; reads?: boolean },
): Promise<SlowClient[]> {
  return await Promise.all(Array.from({ length: count }, () => open(t, url, { reads })))
}

/** Sends a byte a second on each connection until the server has ended all of them, and uses the server beside that. */
async function dribbleUntilCut(
  { url }: FaultServer,
  clients: readonly SlowClient[],
  byte: string,
): Promise<void> {
  for (;;) {
    const alive = clients.filter(({ socket }) => !socket.destroyed)
    if (alive.length === 0) return
    for (const { socket } of alive) socket.write(byte)
    assert.equal((await fetch(`${url}/v2/app/manifests/v1`)).status, 200)
    await sleep(STEP_MS)
  }
}

/** Starts a server with an image, and looks at what it holds before the slow clients come. */
async function startQuiet(t: TestContext): Promise<{ server: FaultServer; assertQuiet(): Promise<void> }> {
  const server = await startServer(t, { workers: 4, watched: false })
  await pushImage(server.url, 'app', 'v1')
  const descriptors = await descriptorsOf(server.pid)
  return {
    server,
    async assertQuiet() {
      await settlesAt('descriptors', descriptors + 4, () => descriptorsOf(server.pid))
      await pushImage(server.url, 'app', 'v2')
      await server.close()
    },
  }
}

suite('slow clients, all at once, since they take a minute of waiting', { concurrency: true }, () => {
  test(
    'fault 27: clients that send their heads a byte a second, or nothing, are cut off, and others are answered meanwhile',
    PATIENCE,
    async (t) => {
      const { server, assertQuiet } = await startQuiet(t)
      const silent = await openMany(t, server.url, { count: 100 })
      const clients = await openMany(t, server.url, { count: 400 })
      for (const { socket } of clients) socket.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\nA: ')
      await dribbleUntilCut(server, clients, 'a')
      for (const { answer } of clients) assert.match(answer(), /^HTTP\/1\.1 408 /)
      while (silent.some(({ socket }) => !socket.destroyed)) await sleep(STEP_MS)
      await assertQuiet()
    },
  )

  test(
    'fault 27: clients that send a body at a byte a second are cut off, and others are answered meanwhile',
    PATIENCE,
    async (t) => {
      const { server, assertQuiet } = await startQuiet(t)
      const clients = await openMany(t, server.url, { count: 300 })
      for (const [index, { socket }] of clients.entries()) {
        const upload = await beginUpload(server.url, 'app')
        const line = index % 2 === 0 ? `PATCH ${upload.pathname}` : 'PUT /v2/app/manifests/slow'
        socket.write(head(line, 'Content-Length: 4000000'))
      }
      await dribbleUntilCut(server, clients, 'a')
      assert.equal((await fetch(`${server.url}/v2/app/manifests/slow`)).status, 404)
      await assertQuiet()
    },
  )

  test(
    'fault 27: clients that do not read their answers are cut off, and hold little memory meanwhile',
    PATIENCE,
    async (t) => {
      const { server, assertQuiet } = await startQuiet(t)
      const digest = await pushBlob(server.url, 'app', randomBytes(LARGE))
      const descriptors = await descriptorsOf(server.pid)
      const before = await memoryOf(server.pid)
      const most = watchMemory(server.pid)
      const clients = await openMany(t, server.url, { count: 50, reads: false })
      for (const { socket } of clients) socket.write(head(`GET /v2/app/blobs/${digest}`))
      // Each is a connection and an open file.
      while ((await descriptorsOf(server.pid)) < descriptors + clients.length * 2 - 10) await sleep(20)
      // What is not read is not seen to end by the client; that the server let go of it is.
      await settlesAt('descriptors', descriptors + 4, () => descriptorsOf(server.pid))
      const peak = await most()
      t.diagnostic(
        `MiB: ${before.toFixed()} before, at most ${peak.toFixed()} with ${clients.length} that do not read`,
      )
      assert.ok(peak < before + 250, `${peak} MiB, after ${before}`)
      for (const { socket } of clients) socket.destroy()
      await assertQuiet()
    },
  )

  test(
    'fault 27: an upload and a download that are slow but make progress complete, however long they take',
    PATIENCE,
    async (t) => {
      const { server, assertQuiet } = await startQuiet(t)
      const bytes = randomBytes(LEGITIMATE_STEPS * LEGITIMATE_STEP_BYTES)
      const upload = await open(t, server.url)
      const line = `POST /v2/app/blobs/uploads/?digest=${digestOf(bytes)}`
      upload.socket.write(head(line, `Content-Length: ${bytes.length}`))
      const content = randomBytes(LARGE)
      const pulled = await fetch(`${server.url}/v2/app/blobs/${await pushBlob(server.url, 'app', content)}`)
      const reader = pulled.body?.getReader()
      const received: Uint8Array[] = []
      for (let step = 0; step < LEGITIMATE_STEPS; step++) {
        upload.socket.write(bytes.subarray(step * LEGITIMATE_STEP_BYTES, (step + 1) * LEGITIMATE_STEP_BYTES))
        const { value } = (await reader?.read()) ?? {}
        if (value !== undefined) received.push(value)
        await sleep(STEP_MS)
      }
      while (upload.answer() === '') await sleep(20)
      assert.match(upload.answer(), /^HTTP\/1\.1 201 /)
      const stored = await fetch(`${server.url}/v2/app/blobs/${digestOf(bytes)}`)
      assert.ok((await bytesOf(stored)).equals(bytes))
      for (let next = await reader?.read(); next?.value; next = await reader?.read())
        received.push(next.value)
      assert.ok(Buffer.concat(received).equals(content))
      upload.socket.destroy()
      await assertQuiet()
    },
  )
})
