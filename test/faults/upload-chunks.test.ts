import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesOf, digestOf, errorCodes } from '../content.ts'
import { connect, head } from '../protocol/raw-request.ts'
import { garbageKeys, storedFiles } from '../protocol/refusal.ts'
import {
  beginUpload,
  chunkRange,
  closeUpload,
  patchUpload,
  statusRange,
} from '../protocol/upload-requests.ts'
import { type FaultServer, startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }
/** What is kept in a row, what in a file, and what is written in several steps. */
const SIZES = [1_000, 200_000, 3_000_000]

async function assertPulled(url: string, name: string, bytes: Uint8Array, algorithm?: string): Promise<void> {
  const pulled = await fetch(`${url}/v2/${name}/blobs/${digestOf(bytes, algorithm)}`)
  assert.equal(pulled.status, 200)
  assert.ok((await bytesOf(pulled)).equals(bytes))
}

test(
  'fault 11: a chunk with a wrong start gets 416 with the current Range, and a repeated one does not corrupt',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const size of SIZES) {
      const bytes = randomBytes(2 * size)
      const first = bytes.subarray(0, size)
      const upload = await beginUpload(server.url, 'app')
      assert.equal((await patchUpload(upload, first, chunkRange(0, size))).status, 202)
      for (const start of [0, 1, size - 1, size + 1, 2 * size, 2 ** 40]) {
        for (const refused of [
          await patchUpload(upload, first, chunkRange(start, size)),
          await closeUpload(upload, digestOf(bytes), { body: first, headers: chunkRange(start, size) }),
        ]) {
          assert.equal(refused.status, 416, `from ${start} with ${size} bytes there`)
          assert.equal(refused.headers.get('range'), `0-${size - 1}`)
          assert.equal(new URL(refused.headers.get('location') ?? '', server.url).href, upload.href)
          assert.deepEqual(await errorCodes(refused), ['BLOB_UPLOAD_INVALID'])
        }
        assert.equal(await statusRange(upload), `0-${size - 1}`)
      }
      const closed = await closeUpload(upload, digestOf(bytes), {
        body: bytes.subarray(size),
        headers: chunkRange(size, size),
      })
      assert.equal(closed.status, 201, await closed.text())
      await assertPulled(server.url, 'app', bytes)
    }
    await assertRepeatedWithoutRange(server)
    await server.close()
  },
)

/** Nothing says that it is a repetition, so it counts as more bytes; then the digest does not fit. */
async function assertRepeatedWithoutRange({ url }: FaultServer): Promise<void> {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const upload = await beginUpload(url, 'app')
    for (let turn = 0; turn < 2; turn++) assert.equal((await patchUpload(upload, bytes)).status, 202)
    const closed = await closeUpload(upload, digestOf(bytes))
    assert.equal(closed.status, 400)
    assert.deepEqual(await errorCodes(closed), ['DIGEST_INVALID'])
    assert.equal((await fetch(`${url}/v2/app/blobs/${digestOf(bytes)}`)).status, 404)
  }
}

/** Two connections whose requests for one upload are both half sent before either is whole. @returns their statuses */
async function race(
  t: TestContext,
  url: string,
  requests: readonly (readonly [line: string, bytes: Buffer])[],
): Promise<number[]> {
  const clients = await Promise.all(
    requests.map(async ([line, bytes]) => {
      const connection = await connect(t, url)
      const half = Math.floor(bytes.length / 2)
      const headers = [`Content-Length: ${bytes.length}`, `Content-Range: 0-${bytes.length - 1}`]
      await connection.send(head(line, ...headers), bytes.subarray(0, half))
      return { connection, rest: bytes.subarray(half) }
    }),
  )
  return await Promise.all(
    clients.map(async ({ connection, rest }) => {
      // A client that was refused in the middle may find its connection gone while it still sends.
      await connection.send(rest).catch(() => {})
      const { status } = await connection.response()
      connection.destroy()
      return status
    }),
  )
}

const RACES = 12

test(
  'fault 12: of two clients that write to one upload at once the newer wins, the older gets 409, and the bytes never mix',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const size of SIZES) {
      for (let turn = 0; turn < RACES; turn++) {
        const bytes = [randomBytes(size), randomBytes(size + 7)]
        const upload = await beginUpload(server.url, 'app')
        const statuses = await race(
          t,
          server.url,
          bytes.map((own) => [`PATCH ${upload.pathname}`, own]),
        )
        // The newer one is refused too where the older has brought something already: it does not begin there.
        assert.match(`${statuses.toSorted()}`, /^(?:202,409|202,416|409,416)$/, `${size} bytes`)
        const end = 1 + Number(/^0-(\d+)$/.exec((await statusRange(upload)) ?? '')?.[1])
        const held = end === 1 ? 0 : end
        assert.ok(!statuses.includes(202) || held === bytes[statuses.indexOf(202)]?.length)
        const prefixes = bytes.map((own) => own.subarray(0, held))
        const closed: number[] = []
        for (const own of prefixes) closed.push((await closeUpload(upload, digestOf(own))).status)
        const winner = prefixes[closed.indexOf(201)]
        assert.ok(
          winner !== undefined,
          'the upload holds neither what one client sent nor what the other did',
        )
        await assertPulled(server.url, 'app', winner)
      }
    }
    await server.close()
  },
)

test(
  'fault 12: of two clients that close one upload at once with different bytes at most one wins, and the other stores nothing',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const size of SIZES) {
      for (let turn = 0; turn < RACES; turn++) {
        const bytes = [randomBytes(size), randomBytes(size + 7)]
        const upload = await beginUpload(server.url, 'app')
        const requests = bytes.map((own) => [`PUT ${upload.pathname}?digest=${digestOf(own)}`, own] as const)
        const statuses = await race(t, server.url, requests)
        assert.match(`${statuses.toSorted()}`, /^(?:201,(?:404|409|416)|409,416)$/, `${size} bytes`)
        for (const [index, own] of bytes.entries()) {
          if (statuses[index] === 201) await assertPulled(server.url, 'app', own)
          else assert.equal((await fetch(`${server.url}/v2/app/blobs/${digestOf(own)}`)).status, 404)
        }
        assert.equal((await fetch(upload)).status, statuses.includes(201) ? 404 : 204)
      }
    }
    await server.close()
  },
)

test(
  'fault 13: of two clients that push one digest at once one breaks off; the blob is right, and lies there once',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    const bytes = randomBytes(3_000_000)
    const digest = digestOf(bytes)
    for (const [broken, whole] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const lines = await Promise.all([
        `POST /v2/app/blobs/uploads/?digest=${digest}`,
        beginUpload(server.url, 'app').then(({ pathname }) => `PUT ${pathname}?digest=${digest}`),
      ])
      const clients = await Promise.all(lines.map(() => connect(t, server.url)))
      for (const [index, client] of clients.entries()) {
        const length = `Content-Length: ${bytes.length}`
        await client.send(head(lines[index] ?? '', length), bytes.subarray(0, 2_000_000))
      }
      while ((await storedFiles(server.data)).length < 2) await sleep(10)
      clients[broken]?.destroy()
      await clients[whole]?.send(bytes.subarray(2_000_000))
      assert.equal((await clients[whole]?.response())?.status, 201)
      await assertPulled(server.url, 'app', bytes)
      const cut = lines[broken].split(/[ ?]/)[1] ?? ''
      if (lines[broken].startsWith('PUT')) await cancel(server.url + cut)
    }
    await server.close()
    await server.sweep()
    assert.equal((await storedFiles(server.data)).length, 1)
    const again = await server.restart()
    await assertPulled(again.url, 'app', bytes)
    await again.close()
  },
)

/** The upload of a client that broke off could go on, so its bytes stay until it is cancelled or expires. */
async function cancel(upload: string): Promise<void> {
  assert.equal((await fetch(upload)).status, 204)
  assert.equal((await fetch(upload, { method: 'DELETE' })).status, 204)
}

const HEX = 'a'.repeat(64)

/** Digests that no content has, by form or by algorithm. */
const NO_DIGESTS = [
  ['an unknown algorithm', `sha3:${HEX}`],
  ['md5', `md5:${'a'.repeat(32)}`],
  ['upper-case hex', `sha256:${'A'.repeat(64)}`],
  ['63 characters', `sha256:${'a'.repeat(63)}`],
  ['65 characters', `sha256:${'a'.repeat(65)}`],
  ['letters beyond f', `sha256:${'g'.repeat(64)}`],
  ['sha512 as long as sha256', `sha512:${HEX}`],
  ['no algorithm', HEX],
  ['nothing', ''],
] as const

test(
  'fault 14: a digest that is wrong, malformed or of an unknown algorithm gets 400, and nothing is stored',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const size of SIZES) {
      const bytes = randomBytes(size)
      const wrong = ['sha256', 'sha512'].map((name) => [`another ${name}`, digestOf('other', name)] as const)
      for (const [what, digest] of [...NO_DIGESTS, ...wrong]) {
        const upload = await beginUpload(server.url, 'app')
        const query = `digest=${encodeURIComponent(digest)}`
        for (const refused of [
          await fetch(`${upload}?${query}`, { method: 'PUT', body: bytes }),
          await fetch(`${server.url}/v2/app/blobs/uploads/?${query}`, { method: 'POST', body: bytes }),
        ]) {
          assert.equal(refused.status, 400, `${what}, ${size} bytes`)
          assert.deepEqual(await errorCodes(refused), ['DIGEST_INVALID'], what)
        }
        await fetch(upload, { method: 'DELETE' })
      }
      for (const algorithm of ['sha256', 'sha512']) {
        assert.equal((await fetch(`${server.url}/v2/app/blobs/${digestOf(bytes, algorithm)}`)).status, 404)
      }
    }
    assert.deepEqual(await (await fetch(`${server.url}/v2/_catalog`)).json(), { repositories: [] })
    assert.deepEqual(await storedFiles(server.data), garbageKeys(server.data))
    await server.close()
    await server.sweep()
    assert.deepEqual(await storedFiles(server.data), [])
  },
)

test(
  'fault 14: a digest in sha512 that fits is taken, since this registry computes it',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const size of SIZES) {
      const bytes = randomBytes(size)
      const closed = await closeUpload(await beginUpload(server.url, 'app'), digestOf(bytes, 'sha512'), {
        body: bytes,
      })
      assert.equal(closed.status, 201)
      await assertPulled(server.url, 'app', bytes, 'sha512')
    }
    await server.close()
  },
)
