import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertRefusedToStart } from './exit.ts'
import { openSandbox, type ServingProgram } from './program.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 120_000 }
const THROW = `setImmediate(() => { throw new Error('provoked') })`
const EXHAUST = `setImmediate(() => { const all = []; for (;;) all.push(new Array(1e6).fill(0.5)) })`

interface Thread {
  /** Evaluates an expression in the thread; what it throws later is the thread's own. */
  evaluate(expression: string): void
  ended: boolean
}

/** The threads of a program, by the name of their main file, as its debugger sees them. */
class Threads {
  readonly #socket: WebSocket
  readonly #threads: (Thread & { file: string; session: string })[] = []
  #next = 1

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data))))
    this.#send('NodeWorker.enable', { waitForDebuggerOnStart: false })
  }

  /** Those of a kind that live, once there are so many. */
  async living(file: string, count: number): Promise<Thread[]> {
    for (;;) {
      const found = this.#threads.filter((thread) => thread.file.endsWith(file) && !thread.ended)
      if (found.length === count) return found
      await sleep(20)
    }
  }

  #send(method: string, params: object): void {
    this.#socket.send(JSON.stringify({ id: this.#next++, method, params }))
  }

  #take({
    method,
    params,
  }: {
    method?: string
    params: { sessionId: string; workerInfo: { url: string } }
  }): void {
    if (method === 'NodeWorker.detachedFromWorker') {
      const thread = this.#threads.find(({ session }) => session === params.sessionId)
      if (thread !== undefined) thread.ended = true
    }
    if (method !== 'NodeWorker.attachedToWorker') return
    const session = params.sessionId
    const evaluate = (expression: string) => {
      const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } })
      this.#send('NodeWorker.sendMessageToWorker', { sessionId: session, message })
    }
    this.#threads.push({ file: params.workerInfo.url, session, evaluate, ended: false })
  }
}

interface Watched {
  server: ServingProgram
  threads: Threads
  /** A program that is being debugged waits for that to end before it ends itself. */
  endDebugging(): void
}

async function serveWatched(t: TestContext, nodeFlags: string[] = []): Promise<Watched> {
  const sandbox = await openSandbox(t)
  const flags = ['--inspect=127.0.0.1:0', ...nodeFlags]
  const server = await sandbox.serve('data', ['--workers', '2'], { nodeFlags: flags })
  const [, address = ''] = await server.wrote('stderr', /listening on (ws:\S+)/)
  const socket = new WebSocket(address)
  t.after(() => socket.close())
  await once(socket, 'open')
  return { server, threads: new Threads(socket), endDebugging: () => socket.close() }
}

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
  socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`)
  socket.write(randomBytes(200_000))
  await sleep(500)
  return socket
}

for (const [death, expression, flags] of [
  ['throws', THROW, []],
  ['has no memory left', EXHAUST, ['--max-old-space-size=200']],
] as const) {
  test(
    `a worker that ${death} takes only its own connections with it, and another takes its place`,
    HANG,
    async (t) => {
      const { server, threads, endDebugging } = await serveWatched(t, [...flags])
      const bytes = randomBytes(300_000)
      assert.equal(await pushBlob(server.url, bytes), 201)
      for (let round = 0; round < 3; round++) {
        const [first, second] = await threads.living('worker-thread.ts', 2)
        first?.evaluate(expression)
        while (!first?.ended) await sleep(20)
        assert.equal(second?.ended, false)
        assert.equal(await answered(`${server.url}/v2/app/blobs/${sha256(bytes)}`), 200)
      }
      await threads.living('worker-thread.ts', 2)
      await server.wrote('stderr', /a worker died; another takes its place/)
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
  assert.equal(await statusOf(`${server.url}${location}`, { method: 'PATCH', body: 'x' }), 409)
  for (const thread of await threads.living('worker-thread.ts', 2)) thread.evaluate(THROW)
  await once(socket, 'close')
  await answered(`${server.url}/v2/`)
  await threads.living('worker-thread.ts', 2)
  // What was not acknowledged is gone; from the recorded offset it goes on.
  const bytes = randomBytes(1000)
  const finish = `${server.url}${location}?digest=${sha256(bytes)}`
  assert.equal(await statusOf(finish, { method: 'PUT', body: bytes }), 201)
})

test(
  'if the writer dies, what it has not answered fails with 503, and the next writer goes on',
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
      writer?.evaluate(THROW)
      while (!writer?.ended || pushed.length < before + 20) await sleep(20)
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
    await server.wrote('stderr', /the metadata writer died; another takes over/)
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
      assertRefusedToStart(exit, /is taken/)
    }
  },
)
