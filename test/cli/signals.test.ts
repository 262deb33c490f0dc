import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestOf, pushBlob, pushImage } from '../content.ts'
import { connect, head, type RawConnection } from '../protocol/raw-request.ts'
import { storedFiles } from '../protocol/refusal.ts'
import { openSandbox, type Sandbox, type ServingProgram } from './program.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }

const BLOB = randomBytes(300_000)
const DIGEST = digestOf(BLOB)

/** Begins to push a blob and sends half of it. */
async function beginPush(t: TestContext, sandbox: Sandbox, { url }: ServingProgram): Promise<RawConnection> {
  const started = await fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' })
  const connection = await connect(t, url)
  const line = `PUT ${started.headers.get('location')}?digest=${DIGEST}`
  await connection.send(head(line, `Content-Length: ${BLOB.length}`), BLOB.subarray(0, 150_000))
  while ((await storedFiles(join(sandbox.folder, 'data'))).length === 0) await sleep(10)
  return connection
}

async function untilRefused({ url }: ServingProgram): Promise<void> {
  while (await accepts(url)) await sleep(10)
}

function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connectSocket({ host: hostname, port: Number(port) })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} refuses new connections, finishes a running upload and ends with 0`, HANG, async (t) => {
    const sandbox = await openSandbox(t)
    const server = await sandbox.serve('data')
    await pushImage(server.url, 'app', 'v1')
    const push = await beginPush(t, sandbox, server)
    server.signal(signal)
    await untilRefused(server)
    await push.send(BLOB.subarray(150_000))
    assert.equal((await push.response()).status, 201)
    assert.equal((await push.ended()).by, 'end')
    const { code, stderr } = await server.ended
    assert.equal(`${code} ${stderr}`, '0 ')

    const again = await sandbox.serve('data')
    const pulled = await fetch(`${again.url}/v2/app/blobs/${DIGEST}`)
    assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), BLOB)
  })
}

test('a second signal does not wait for a running upload', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const server = await sandbox.serve('data')
  await beginPush(t, sandbox, server)
  server.signal('SIGTERM')
  await untilRefused(server)
  server.signal('SIGTERM')
  assert.equal((await server.ended).code, 1)

  const again = await sandbox.serve('data')
  assert.equal((await fetch(`${again.url}/v2/app/blobs/${DIGEST}`)).status, 404)
  await pushBlob(again.url, 'app', BLOB)
})

test('connections on which no request is running do not hold up the end', HANG, async (t) => {
  const server = await (await openSandbox(t)).serve('data')
  const silent = await connect(t, server.url)
  const halfSent = await connect(t, server.url)
  await halfSent.send('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n')
  const idle = await connect(t, server.url)
  await idle.send(head('GET /v2/'))
  assert.equal((await idle.response()).status, 200)
  // Answered behind the others were accepted, so the server knows of them.
  assert.equal((await fetch(`${server.url}/livez`)).status, 200)
  server.signal('SIGTERM')
  const { code, stderr } = await server.ended
  assert.equal(`${code} ${stderr}`, '0 ')
  for (const connection of [silent, halfSent, idle]) {
    assert.equal((await connection.ended()).rest.toString(), '')
  }
})

test('SIGHUP reads the TLS files again, and a running upload continues', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const info = { env: { STOWAGE_LOG_LEVEL: 'info' }, launcher: ['setsid'] }
  const server = await sandbox.serve('data', [], info)
  const push = await beginPush(t, sandbox, server)
  server.signal('SIGHUP')
  await server.wrote('stderr', /told to read the settings and the TLS files again/)
  await push.send(BLOB.subarray(150_000))
  assert.equal((await push.response()).status, 201)
  server.signal('SIGTERM')
  assert.equal((await server.ended).code, 0)
})

test('SIGUSR1 opens no port for a debugger', HANG, async (t) => {
  const server = await (await openSandbox(t)).serve('data')
  server.signal('SIGUSR1')
  assert.equal((await fetch(`${server.url}/livez`)).status, 200)
  server.signal('SIGTERM')
  const { code, stderr } = await server.ended
  assert.equal(`${code} ${stderr}`, '0 ')
})
