import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { connect as connectSocket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createApp } from '../../src/http/app.ts'
import { toFetch } from '../../src/http/fetch.ts'
import type { HttpApp } from '../../src/http/message.ts'
import { listen } from '../../src/http/node.ts'
import { originReader } from '../../src/http/request-origin.ts'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import { localRegistry } from '../../src/registry/registry.ts'
import { EXTENSIONS } from '../../src/server/request-server.ts'
import type { BlobStore } from '../../src/storage/blob-store.ts'
import { pushBlob } from '../content.ts'
import { blobStoreSuite } from '../suites/blob-store.ts'
import { addressedBlobStore, streamingBlobStore } from '../suites/remote-blobs.ts'
import { answerOthers } from './file-server.ts'
import { connect, head } from './raw-request.ts'

blobStoreSuite('a store that streams', async () => streamingBlobStore())
blobStoreSuite('a store with addresses', addressedBlobStore)

const HOUR = 3_600_000
const SIZE = 3 * 1024 * 1024 + 17

interface Served {
  url: string
  app: HttpApp
  /** The messages of errors that were logged. */
  errors: string[]
}

/** Serves a registry over a blob store. */
async function serve(t: TestContext, blobs: BlobStore, prefix = ''): Promise<Served> {
  const metadata = memoryMetadata()
  const errors: string[] = []
  const log = {
    debug() {},
    error: ({ error }: { error?: Error }) => void errors.push(error?.message ?? ''),
  }
  const retention = { uploads: HOUR, unusedBlobs: HOUR, garbage: HOUR, deletedManifests: 0, history: HOUR }
  const registry = localRegistry({ metadata, blobs, retention, clock: Date.now, random: randomBytes })
  const app = createApp({ registry, extensions: EXTENSIONS, clock: Date.now, isReady: async () => true, log })
  const publicUrl = prefix === '' ? undefined : { scheme: 'https' as const, host: 'registry.test', prefix }
  const readOrigin = originReader({ publicUrl })
  const server = await listen(app, { host: '127.0.0.1', port: 0, readOrigin, log })
  t.after(async () => {
    server.cut()
    await server.close()
    await metadata.close()
  })
  return { url: `http://127.0.0.1:${server.address.port}`, app, errors }
}

/** Closes an upload with a digest of an algorithm that was not named before, so that the registry reads the bytes again. */
async function pushLate(url: string, bytes: Uint8Array): Promise<number> {
  const opened = await fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' })
  const target = new URL(opened.headers.get('location') ?? '', url)
  await fetch(target, { method: 'PATCH', body: Buffer.from(bytes) })
  target.searchParams.set('digest', `sha512:${createHash('sha512').update(bytes).digest('hex')}`)
  return (await fetch(target, { method: 'PUT' })).status
}

test('bytes that the store streams are sent whole, in one range, and in several, and each stream is closed', async (t) => {
  const blobs = streamingBlobStore()
  const { url } = await serve(t, blobs)
  const bytes = randomBytes(SIZE)
  const blob = `${url}/v2/app/blobs/${await pushBlob(url, 'app', bytes)}`
  const whole = await fetch(blob)
  assert.equal(whole.headers.get('content-length'), String(SIZE))
  assert.ok(Buffer.from(await whole.arrayBuffer()).equals(bytes))
  const part = await fetch(blob, { headers: { Range: 'bytes=65530-2000000' } })
  assert.equal(part.status, 206)
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(65_530, 2_000_001)))
  const several = await fetch(blob, { headers: { Range: 'bytes=5-10,2000000-2000003' } })
  const body = Buffer.from(await several.arrayBuffer())
  assert.ok(body.includes(bytes.subarray(5, 11)) && body.includes(bytes.subarray(2_000_000, 2_000_004)))
  await blobs.allClosed()
  assert.equal(blobs.streams.opened, 4)
})

test('HEAD opens no stream, and neither does a request whose content the client has', async (t) => {
  const blobs = streamingBlobStore()
  const { url } = await serve(t, blobs)
  const digest = await pushBlob(url, 'app', randomBytes(SIZE))
  const blob = `${url}/v2/app/blobs/${digest}`
  const found = await fetch(blob, { method: 'HEAD' })
  assert.equal(`${found.status} ${found.headers.get('content-length')}`, `200 ${SIZE}`)
  assert.equal((await fetch(blob, { headers: { 'If-None-Match': `"${digest}"` } })).status, 304)
  assert.equal((await fetch(blob, { headers: { Range: `bytes=${SIZE}-` } })).status, 416)
  assert.equal(blobs.streams.opened, 0)
})

test('a stream is closed when its reader goes away, also while it waits for its next bytes', async (t) => {
  const reached = Promise.withResolvers<void>()
  const blobs = streamingBlobStore({
    async beforePiece(given) {
      if (given < 1024 * 1024) return
      reached.resolve()
      await new Promise(() => {})
    },
  })
  const { url, errors } = await serve(t, blobs)
  const path = `/v2/app/blobs/${await pushBlob(url, 'app', randomBytes(SIZE))}`
  const { hostname, port } = new URL(url)
  const socket = connectSocket(Number(port), hostname)
  socket.resume()
  socket.write(head(`GET ${path}`))
  await reached.promise
  assert.equal(blobs.streams.open, 1)
  socket.destroy()
  await blobs.allClosed()
  await answerOthers(url, 1)
  assert.deepEqual(errors, [])
})

test('a reader that does not read keeps the store from sending', async (t) => {
  const size = 64 * 1024 * 1024
  const blobs = streamingBlobStore()
  const { url } = await serve(t, blobs)
  const path = `/v2/app/blobs/${await pushBlob(url, 'app', Buffer.alloc(size))}`
  const { hostname, port } = new URL(url)
  const socket = connectSocket(Number(port), hostname)
  t.after(() => socket.destroy())
  socket.pause()
  socket.write(head(`GET ${path}`))
  let before = -1
  // Until the buffers of the system are full.
  while (blobs.given === 0 || blobs.given > before) {
    before = blobs.given
    await answerOthers(url, 20)
  }
  assert.ok(blobs.given < size / 2, `${blobs.given} bytes were taken`)
})

for (const [what, streaming, logged] of [
  [
    'fails in the middle',
    {
      beforePiece(given: number) {
        if (given >= 1024 * 1024) throw new Error('the storage went away')
      },
    },
    'the storage went away',
  ],
  [
    'ends too early',
    { alter: (bytes: Uint8Array) => bytes.subarray(0, 1024 * 1024) },
    'stored bytes end before their length',
  ],
  [
    'does not end where it should',
    { alter: (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(100_000)]) },
    'there are more stored bytes than their length',
  ],
] as const) {
  test(`a stream that ${what} ends the connection, and nothing follows`, async (t) => {
    const blobs = streamingBlobStore(streaming)
    const { url, errors } = await serve(t, blobs)
    const path = `/v2/app/blobs/${await pushBlob(url, 'app', randomBytes(SIZE))}`
    const connection = await connect(t, url)
    await connection.send(head(`GET ${path}`), head('GET /v2/'))
    const { rest } = await connection.ended()
    assert.match(rest.toString('latin1'), /^HTTP\/1\.1 200 /)
    assert.ok(rest.length < SIZE + 1000)
    assert.equal(rest.toString('latin1').match(/HTTP\/1\.1 /g)?.length, 1)
    await blobs.allClosed()
    assert.deepEqual(errors, [logged])
  })
}

test('a host program that cancels a body closes the stream, whether or not it began to read', async (t) => {
  const blobs = streamingBlobStore({
    beforePiece: (given) => (given > 0 ? new Promise(() => {}) : undefined),
  })
  const { url, app } = await serve(t, blobs)
  const path = `/v2/app/blobs/${await pushBlob(url, 'app', randomBytes(SIZE))}`
  const ask = toFetch(app)
  const unread = await ask(new Request(`http://registry.test${path}`))
  await unread.body?.cancel()
  await blobs.allClosed()
  const begun = await ask(new Request(`http://registry.test${path}`))
  const reader = begun.body?.getReader()
  await reader?.read()
  await reader?.cancel()
  await blobs.allClosed()
  assert.equal(blobs.streams.opened, 2)
})

test('the registry reads streams itself where it must, to compute a digest again', async (t) => {
  const blobs = streamingBlobStore()
  const { url } = await serve(t, blobs)
  assert.equal(await pushLate(url, randomBytes(SIZE)), 201)
  assert.deepEqual(blobs.streams, { opened: 1, open: 0 })
})

test('a blob that is elsewhere is a 307 to its address, which no cache may keep as long as the blob', async (t) => {
  const blobs = await addressedBlobStore(t)
  const { url } = await serve(t, blobs)
  const bytes = randomBytes(SIZE)
  const digest = await pushBlob(url, 'app', bytes)
  for (const path of [`/v2/app/blobs/${digest}`, `/v2/_stowage/content/data?digest=${digest}`]) {
    const { status, headers } = await fetch(url + path, { redirect: 'manual' })
    assert.equal(status, 307)
    assert.match(headers.get('location') ?? '', /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\?signature=s$/)
    assert.equal(headers.get('docker-content-digest'), digest)
    assert.equal(headers.get('cache-control'), 'no-cache')
    assert.equal(headers.get('content-length'), '0')
    assert.equal(headers.get('etag'), null)
    assert.ok(Buffer.from(await (await fetch(url + path)).arrayBuffer()).equals(bytes))
  }
})

test('a range of a blob that is elsewhere is had there, and HEAD and conditions are answered here', async (t) => {
  const blobs = await addressedBlobStore(t)
  const { url } = await serve(t, blobs)
  const bytes = randomBytes(SIZE)
  const digest = await pushBlob(url, 'app', bytes)
  const blob = `${url}/v2/app/blobs/${digest}`
  const part = await fetch(blob, { headers: { Range: 'bytes=7-99' } })
  assert.equal(part.status, 206)
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(7, 100)))
  const several = await fetch(blob, { headers: { Range: 'bytes=0-0,7-9' }, redirect: 'manual' })
  assert.equal(several.status, 307)
  assert.deepEqual(blobs.asked, ['GET bytes=7-99'])
  const found = await fetch(blob, { method: 'HEAD', redirect: 'manual' })
  assert.equal(`${found.status} ${found.headers.get('content-length')}`, `200 ${SIZE}`)
  assert.equal((await fetch(blob, { headers: { 'If-None-Match': `"${digest}"` } })).status, 304)
  assert.equal((await fetch(blob, { headers: { Range: `bytes=${SIZE}-` } })).status, 416)
  assert.equal(blobs.asked.length, 1)
})

test('the path prefix of the registry is not put before an address elsewhere', async (t) => {
  const { url } = await serve(t, await addressedBlobStore(t), '/oci')
  const bytes = randomBytes(SIZE)
  const digest = await pushBlob(url, 'app', bytes)
  const { headers } = await fetch(`${url}/oci/v2/app/blobs/${digest}`, { redirect: 'manual' })
  assert.match(headers.get('location') ?? '', /^http:\/\/127\.0\.0\.1:/)
})

test('the registry itself reads the bytes of a store that has addresses for clients', async (t) => {
  const blobs = await addressedBlobStore(t)
  const { url } = await serve(t, blobs)
  assert.equal(await pushLate(url, randomBytes(SIZE)), 201)
  assert.deepEqual(blobs.asked, [])
})
