import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSandbox, type Sandbox, type ServingProgram } from '../cli/program.ts'
import { bytesOf, descriptorOf, digestOf, manifestOf, pushBlob, pushManifest } from '../content.ts'
import { connect, head } from '../protocol/raw-request.ts'
import { beginUpload } from '../protocol/upload-requests.ts'
import { type FreezableDisk, freezableDisk, NO_FREEZING } from './freezable-disk.ts'
import { descriptorsOf, settlesAt } from './process-figures.ts'

/** For tests in which a hang is the failure. */
const FROZEN = { timeout: 240_000, skip: NO_FREEZING }
const DISK = 256
const LAYER = randomBytes(1_000_000)
const CONFIG = randomBytes(1_000)
const IMAGE = manifestOf({ config: descriptorOf(CONFIG), layers: [descriptorOf(LAYER)] })
/** More than threads that wait for a disk, and than all of Node's pool without ours. */
const CROWD = 48
const STALLED = 'the storage has not answered for 10 seconds; writes are refused until it does'

interface Story {
  sandbox: Sandbox
  disk: FreezableDisk
  data: string
  server: ServingProgram
}

/** Runs a server on a disk that can be frozen, with an image that was pushed just before. */
async function begin(t: TestContext, ...flags: string[]): Promise<Story> {
  const disk = await freezableDisk(t, DISK)
  const sandbox = await openSandbox(t)
  const data = join(disk.folder, 'data')
  const env = { STOWAGE_LOG_LEVEL: 'info' }
  const server = await sandbox.serve(data, ['--workers', '2', ...flags], { env })
  for (const blob of [LAYER, CONFIG]) await pushBlob(server.url, 'app', blob)
  assert.equal((await pushManifest(server.url, 'app', IMAGE, 'v1')).status, 201)
  return { sandbox, disk, data, server }
}

/** Asks on a connection of its own, so that it may come to any worker. */
async function ask({ url }: ServingProgram, path: string): Promise<Response> {
  return await fetch(url + path, { headers: { Connection: 'close' } })
}

/** Fails unless everything that can be read is, several times, on any worker. */
async function assertReadable(server: ServingProgram): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    for (const path of ['/livez', '/v2/', '/v2/app/tags/list', '/v2/_catalog'])
      assert.equal((await ask(server, path)).status, 200, path)
    for (const [path, bytes] of [
      ['manifests/v1', IMAGE.bytes],
      [`manifests/${IMAGE.digest}`, IMAGE.bytes],
      [`blobs/${digestOf(CONFIG)}`, CONFIG],
      [`blobs/${digestOf(LAYER)}`, LAYER],
    ] as const)
      assert.equal(digestOf(await bytesOf(await ask(server, `/v2/app/${path}`))), digestOf(bytes), path)
  }
}

async function pushWhole({ url }: ServingProgram, bytes: Buffer<ArrayBuffer>): Promise<Response> {
  const response = await fetch(`${url}/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`, {
    method: 'POST',
    body: bytes,
  })
  await response.clone().arrayBuffer()
  return response
}

function assertRefused({ status, headers }: Response): void {
  assert.equal(status, 503)
  assert.match(headers.get('retry-after') ?? '', /^\d+$/)
}

/** How often each message is in a log. */
function countOf(log: string, message: string): number {
  return log.split('\n').filter((line) => line !== '' && JSON.parse(line).msg === message).length
}

test(
  'fault 67: while the file system is frozen, reads and /livez work, writes get 503 after ten seconds and at once from then on, and readiness fails; then everything continues',
  FROZEN,
  async (t) => {
    const { disk, server } = await begin(t)
    const before = await descriptorsOf(server.pid)
    disk.freeze()
    await assertReadable(server)
    const blobs = Array.from({ length: CROWD }, () => randomBytes(200_000))
    const pushes = blobs.map((bytes) => pushWhole(server, bytes))
    const removal = fetch(`${server.url}/v2/app/manifests/v1`, { method: 'DELETE' })
    await assertReadable(server)
    for (const response of await Promise.all([...pushes, removal])) assertRefused(response)
    while ((await ask(server, '/readyz')).status !== 503) await sleep(50)
    assertRefused(await ask(server, '/readyz?for=write'))
    // Far more than could wait: they are not begun.
    for (let turn = 0; turn < CROWD; turn++) assertRefused(await pushWhole(server, randomBytes(200_000)))
    await assertReadable(server)
    disk.thaw()
    while ((await ask(server, '/readyz?for=write')).status !== 200) await sleep(50)
    for (const bytes of blobs) {
      assert.equal((await pushWhole(server, bytes)).status, 201)
      const pulled = await bytesOf(await ask(server, `/v2/app/blobs/${digestOf(bytes)}`))
      assert.equal(digestOf(pulled), digestOf(bytes))
    }
    assert.equal((await pushManifest(server.url, 'app', IMAGE, 'v1')).status, 201)
    await assertReadable(server)
    await settlesAt('descriptors', before + 20, () => descriptorsOf(server.pid))
    server.signal('SIGTERM')
    const { code, stderr } = await server.ended
    assert.equal(code, 0)
    // Once for each worker that had something to write.
    const told = countOf(stderr, STALLED)
    assert.ok(told === 1 || told === 2, stderr)
    assert.equal(countOf(stderr, 'the storage answers again'), told, stderr)
  },
)

test(
  'fault 67: a probe finds that the file system is frozen by itself, and logs that once',
  FROZEN,
  async (t) => {
    const { disk, server } = await begin(t)
    disk.freeze()
    const frozen = performance.now()
    while ((await ask(server, '/readyz')).status !== 503) await sleep(50)
    const seconds = (performance.now() - frozen) / 1_000
    assert.ok(seconds >= 9, `${seconds} s`)
    assert.equal((await ask(server, '/livez')).status, 200)
    disk.thaw()
    while ((await ask(server, '/readyz?for=write')).status !== 200) await sleep(50)
    server.signal('SIGTERM')
    const { stderr } = await server.ended
    for (const what of ['reads', 'writes']) {
      assert.equal(countOf(stderr, `${what} do not work`), 1, stderr)
      assert.equal(countOf(stderr, `${what} work again`), 1, stderr)
    }
  },
)

test(
  'fault 67: a body that a frozen file system cuts in the middle counts as broken off, and its upload continues after that',
  FROZEN,
  async (t) => {
    const { disk, server } = await begin(t)
    const bytes = randomBytes(3_000_000)
    const upload = await beginUpload(server.url, 'app')
    const { pathname } = new URL(upload, server.url)
    const client = await connect(t, server.url)
    await client.send(
      head(`PATCH ${pathname}`, `Content-Length: ${bytes.length}`),
      bytes.subarray(0, 500_000),
    )
    while ((await (await fetch(upload)).headers.get('range')) === '0-0') await sleep(20)
    disk.freeze()
    await client.send('', bytes.subarray(500_000, 600_000))
    while ((await ask(server, '/readyz')).status !== 503) await sleep(50)
    disk.thaw()
    while ((await ask(server, '/readyz?for=write')).status !== 200) await sleep(50)
    const [, last = ''] = (await fetch(upload)).headers.get('range')?.split('-') ?? []
    const at = Number(last) + 1
    assert.ok(at >= 1 && at <= 600_000, last)
    const rest = { method: 'PATCH', headers: { 'Content-Range': `${at}-${bytes.length - 1}` } }
    assert.equal((await fetch(upload, { ...rest, body: bytes.subarray(at) })).status, 202)
    const closing = new URL(upload)
    closing.searchParams.set('digest', digestOf(bytes))
    assert.equal((await fetch(closing, { method: 'PUT' })).status, 201)
    assert.equal(
      digestOf(await bytesOf(await ask(server, `/v2/app/blobs/${digestOf(bytes)}`))),
      digestOf(bytes),
    )
  },
)

test(
  'fault 67: SIGTERM ends a server whose file system is frozen in bounded time, and acknowledged content exists at the next start',
  FROZEN,
  async (t) => {
    const { sandbox, disk, data, server } = await begin(t, '--drain-timeout', '2s')
    disk.freeze()
    const push = pushWhole(server, randomBytes(200_000)).catch(() => 'cut')
    await untilWaiting(server.pid)
    server.signal('SIGTERM')
    // Nothing of it runs any more, but the system keeps the thread that waits for the disk, and with it the process, until that goes on.
    while (stateOf(server.pid) !== 'Z') await sleep(50)
    await push
    assert.equal(await isListening(server), false)
    disk.thaw()
    const { code, signal, stderr } = await server.ended
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr)
    assert.equal(countOf(stderr, 'stopping: some work is still running; exiting without waiting for it'), 1)
    await assertReadable(await sandbox.serve(data, ['--workers', '2']))
  },
)

/** The state of the main thread of a process, Z once it has ended; or of another of its threads. */
function stateOf(pid: number, thread = pid): string {
  const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
  return stat.charAt(stat.lastIndexOf(')') + 2)
}

/** Waits until a thread of a process waits for a disk, and for longer than a disk takes. */
async function untilWaiting(pid: number): Promise<void> {
  const isWaiting = () =>
    readdirSync(`/proc/${pid}/task`).some((thread) => stateOf(pid, Number(thread)) === 'D')
  for (let found = 0; found < 10; found = isWaiting() ? found + 1 : 0) await sleep(50)
}

async function isListening({ url }: ServingProgram): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return await new Promise((resolve) => {
    const socket = connectSocket({ host: hostname, port: Number(port) })
    socket.on('connect', () => resolve(socket.destroy() !== undefined)).on('error', () => resolve(false))
  })
}
