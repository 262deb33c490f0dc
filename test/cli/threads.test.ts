import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertRefusedToStart } from './exit.ts'
import { openSandbox, type ServingProgram } from './program.ts'
import { serveWatched } from './threads.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
const EXHAUST = `setImmediate(() => { const all = []; for (;;) all.push(new Array(1e6).fill(0.5)) })`

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

async function pushBlob(url: string, bytes: Uint8Array): Promise<number> {
  const target = `${url}/v2/app/blobs/uploads/?digest=${sha256(bytes)}`
  const answer = await fetch(target, { method: 'POST', body: Buffer.from(bytes) })
  await answer.arrayBuffer()
  return answer.status
}

async function statusOf(url: string, init: RequestInit = {}): Promise<number> {
  const answer = await fetch(url, init)
  await answer.arrayBuffer()
  return answer.status
}

/** Asks on a connection of its own until it is answered. */
async function answered(url: string): Promise<number> {
  for (;;) {
    const status = await statusOf(url, { headers: { Connection: 'close' } }).catch(() => 0)
    if (status !== 0) return status
    await sleep(20)
  }
}

/** Begins a chunk that never ends, and waits until the upload is held by it. */
async function holdUpload(server: ServingProgram, location: string): Promise<Socket> {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(`PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n`)
  socket.write(randomBytes(200_000))
  const upload = server.url + location
  while ((await fetch(upload)).headers.get('range') === '0-0') await sleep(20)
  return socket
}

for (const [death, expression, flags] of [
  ['throws', undefined, []],
  ['has no memory left', EXHAUST, ['--max-old-space-size=200']],
] as const) {
  test(
    `if a worker ${death}, only its own connections end, and another worker replaces it`,
    HANG,
    async (t) => {
      const { server, threads, endDebugging } = await serveWatched(t, [...flags])
      const bytes = randomBytes(300_000)
      assert.equal(await pushBlob(server.url, bytes), 201)
      for (let round = 0; round < 3; round++) {
        const [first, second] = await threads.living('worker-thread.ts', 2)
        await first?.kill(expression)
        assert.equal(second?.ended, false)
        assert.equal(await answered(`${server.url}/v2/app/blobs/${sha256(bytes)}`), 200)
      }
      await threads.living('worker-thread.ts', 2)
      await server.wrote('stderr', /a worker thread died; starting another one/)
      endDebugging()
      server.signal('SIGTERM')
      const { code } = await server.ended
      assert.equal(code, 0)
    },
  )
}

test('an upload that a dead worker held can be continued at once', HANG, async (t) => {
  const { server, threads } = await serveWatched(t)
  const begun = await fetch(`${server.url}/v2/app/blobs/uploads/`, { method: 'POST' })
  const location = begun.headers.get('location') ?? ''
  const socket = await holdUpload(server, location)
  const closed = once(socket, 'close')
  await Promise.all((await threads.living('worker-thread.ts', 2)).map((thread) => thread.kill()))
  await closed
  await answered(`${server.url}/v2/`)
  await threads.living('worker-thread.ts', 2)
  // What was not acknowledged is gone.
  const bytes = randomBytes(1000)
  const finish = `${server.url}${location}?digest=${sha256(bytes)}`
  assert.equal(await statusOf(finish, { method: 'PUT', body: bytes }), 201)
})

test(
  'if the writer dies, the requests that it has not answered fail with 503, and the next writer continues',
  HANG,
  async (t) => {
    const { server, threads } = await serveWatched(t)
    const pushed: Uint8Array[] = []
    const statuses = new Set<number>()
    let stop = false
    const push = async () => {
      while (!stop) {
        const bytes = randomBytes(1000)
        const status = await pushBlob(server.url, bytes)
        statuses.add(status)
        if (status === 201) pushed.push(bytes)
      }
    }
    const pushers = Array.from({ length: 8 }, push)
    for (let round = 0; round < 3; round++) {
      const before = pushed.length
      const [writer] = await threads.living('writer-thread.ts', 1)
      await writer?.kill()
      while (pushed.length < before + 20) await sleep(20)
    }
    stop = true
    await Promise.all(pushers)
    assert.deepEqual(
      [...statuses].filter((status) => ![201, 503].includes(status)),
      [],
    )
    for (const bytes of pushed) {
      assert.equal(await statusOf(`${server.url}/v2/app/blobs/${sha256(bytes)}`, { method: 'HEAD' }), 200)
    }
    await server.wrote('stderr', /the metadata writer died; starting another one/)
  },
)

test(
  'a server on a port where another listens is refused, however many threads both have',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const server = await sandbox.serve('data')
    const { host } = new URL(server.url)
    for (const workers of ['1', '2']) {
      const exit = await sandbox.run([
        'serve',
        '--listen',
        host,
        '--data',
        `other-${workers}`,
        '--workers',
        workers,
      ])
      assertRefusedToStart(exit, /is already in use/)
    }
  },
)
