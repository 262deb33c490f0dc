import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readlink } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { digestOf, OCI_MANIFEST, pushBlob, pushImage } from '../content.ts'
import { startStowage } from '../stowage.ts'
import { CRLF, chunk, chunkedBody, connect, head, type RawConnection, sendRaw } from './raw-request.ts'
import { assertNothingStored, assertRefused, garbageKeys, type Refusal, storedFiles } from './refusal.ts'

const MIB = 1024 * 1024
const STILL_SENT = 64 * MIB
const NOT_HTTP: Refusal = [400, 'UNSUPPORTED']
const HEADERS_TOO_LARGE: Refusal = [431, 'UNSUPPORTED']
const UNKNOWN_CODING: Refusal = [501, 'UNSUPPORTED']

/** For tests in which a hang is the failure. */
const HANG = { timeout: 60_000 }

const PUSH = 'PUT /v2/app/manifests/latest'
const MANIFEST = '{"layers":[]}'
const TYPE = `Content-Type: ${OCI_MANIFEST}`
const CHUNKED = 'Transfer-Encoding: chunked'

/** A push that would succeed if its framing were sound. */
function framed(body: string, ...headers: string[]): string {
  return head(PUSH, TYPE, ...headers) + body
}

const NOT_REQUESTS: [what: string, bytes: string | Uint8Array, refusal?: Refusal][] = [
  ['both lengths', framed('d\r\n{"layers":[]}\r\n0\r\n\r\n', 'Content-Length: 13', CHUNKED)],
  ['both lengths, the other way', framed('d\r\n{"layers":[]}\r\n0\r\n\r\n', CHUNKED, 'Content-Length: 13')],
  ['two lengths', framed(MANIFEST, 'Content-Length: 13', 'Content-Length: 2')],
  ['a list of lengths', framed(MANIFEST, 'Content-Length: 13, 13')],
  ['a negative length', framed(MANIFEST, 'Content-Length: -13')],
  ['a length with a sign', framed(MANIFEST, 'Content-Length: +13')],
  ['a length in hexadecimal', framed(MANIFEST, 'Content-Length: 0xd')],
  ['a length beyond 64 bits', framed(MANIFEST, 'Content-Length: 99999999999999999999')],
  ['an unknown coding', framed(MANIFEST, 'Transfer-Encoding: xchunked'), UNKNOWN_CODING],
  [
    'chunked twice',
    framed('d\r\n{"layers":[]}\r\n0\r\n\r\n', 'Transfer-Encoding: chunked, chunked'),
    UNKNOWN_CODING,
  ],
  ['a chunk of no number', framed('zz\r\n{"layers":[]}\r\n0\r\n\r\n', CHUNKED)],
  ['a chunk of negative size', framed('-d\r\n{"layers":[]}\r\n0\r\n\r\n', CHUNKED)],
  ['a chunk beyond 64 bits', framed('fffffffffffffffff\r\n{"layers":[]}\r\n0\r\n\r\n', CHUNKED)],
  ['a chunk longer than its size', framed('c\r\n{"layers":[]}\r\n0\r\n\r\n', CHUNKED)],
  ['a chunk whose size ends by a line feed', framed('d\n{"layers":[]}\r\n0\r\n\r\n', CHUNKED)],
  [
    'a chunk with 20 KB of extensions',
    framed(`d;${'x'.repeat(20_000)}\r\n{"layers":[]}\r\n0\r\n\r\n`, CHUNKED),
  ],
  ['a method of no registry', head('BREW /v2/')],
  ['a method in lower case', head('get /v2/')],
  ['a space before the colon', head('GET /v2/', 'A : b')],
  ['a folded header', head('GET /v2/', 'A: b', ' c')],
  ['a carriage return in a header', head('GET /v2/', 'A: b\rX: c')],
  ['NUL in a header', head('GET /v2/', 'A: b\0c')],
  ['NUL in the path', head('GET /v2/\0')],
  ['line feeds alone', head('GET /v2/').replaceAll(CRLF, '\n')],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['TLS', Buffer.concat([Buffer.from('16030100a5010000a10303', 'hex'), Buffer.alloc(200, 7)])],
  ['noise', Buffer.from([0, 1, 2, 3, 0xff, 0xfe])],
  ['a header of 40 KB', head('GET /v2/', `A: ${'b'.repeat(40_960)}`), HEADERS_TOO_LARGE],
  ['a path of 40 KB', head(`GET /v2/${'a'.repeat(40_960)}/tags/list`), HEADERS_TOO_LARGE],
  ['a trailer of 40 KB', framed(`0\r\nA: ${'b'.repeat(40_960)}\r\n\r\n`, CHUNKED), HEADERS_TOO_LARGE],
  ['2,000 headers', head('GET /v2/', ...numberedHeaders(2_000)), HEADERS_TOO_LARGE],
  [
    '2,000 headers of a push',
    framed(MANIFEST, ...numberedHeaders(2_000), 'Content-Length: 13'),
    HEADERS_TOO_LARGE,
  ],
]

function numberedHeaders(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `A${index}: b`)
}

test('a request that is not HTTP is refused with an error body, and nothing is stored', async (t) => {
  const server = await startStowage(t)
  for (const [what, bytes, refusal = NOT_HTTP] of NOT_REQUESTS) {
    assertRefused(await sendRaw(t, server.url, bytes), refusal, what)
    assert.equal((await sendRaw(t, server.url, head('GET /v2/'))).status, 200, `after ${what}`)
  }
  await assertNothingStored(server)
})

test('a request without a Host, or with two, is refused with an error body', async (t) => {
  const { url } = await startStowage(t)
  const requestLine = `GET /v2/ HTTP/1.1${CRLF}`
  assertRefused(await sendRaw(t, url, requestLine + CRLF), NOT_HTTP, 'no Host')
  const two = `Host: a${CRLF}Host: b${CRLF}`
  assertRefused(await sendRaw(t, url, requestLine + two + CRLF), NOT_HTTP, 'two Hosts')
  const toHead = await connect(t, url)
  await toHead.send(`HEAD /v2/ HTTP/1.1${CRLF}${two}Connection: close${CRLF}${CRLF}`)
  assert.equal((await toHead.response({ toHead: true })).status, 400)
  assert.equal((await toHead.ended()).rest.toString(), '')
})

test('an unknown expectation is refused with an error body', async (t) => {
  const server = await startStowage(t)
  const request = framed(MANIFEST, 'Expect: a-miracle', 'Content-Length: 13')
  assertRefused(await sendRaw(t, server.url, request), [417, 'UNSUPPORTED'], 'Expect')
  await assertNothingStored(server)
})

test('a request in absolute form is answered like one with a path', async (t) => {
  const { url } = await startStowage(t, { allowedHosts: 'registry.test' })
  await pushImage(url, 'app', 'v1')
  for (const form of ['http://registry.test', 'HTTPS://registry.test:5000', 'http://user@registry.test']) {
    const response = await sendRaw(t, url, head(`GET ${form}/v2/app/tags/list?n=1`))
    assert.equal(response.body.toString(), '{"name":"app","tags":["v1"]}', form)
  }
  assertRefused(await sendRaw(t, url, head('GET http://registry.test/none')), [404, 'UNSUPPORTED'], 'none')
})

test('a client of HTTP/1.0 is answered whole, with a length, and its connection ends', async (t) => {
  const { url } = await startStowage(t)
  const image = await pushImage(url, 'app', 'v1')
  const connection = await connect(t, url)
  await connection.send(`GET /v2/app/manifests/v1 HTTP/1.0${CRLF}${CRLF}`)
  const response = await connection.response()
  assert.equal(response.status, 200)
  assert.deepEqual(response.body, image.bytes)
  assert.deepEqual(await connection.ended(), { by: 'end', rest: Buffer.alloc(0) })
})

test('pipelined requests are answered in order, even after one that is refused', async (t) => {
  const { url } = await startStowage(t)
  const image = await pushImage(url, 'app', 'v1')
  const connection = await connect(t, url)
  await connection.send(
    head('GET /v2/app/manifests/v1'),
    head('HEAD /v2/app/manifests/v1'),
    framed('{}', 'Content-Length: 2'),
    head('GET /v2/none/tags/list'),
    framed(chunkedBody(MANIFEST).toString(), CHUNKED),
    head('GET /v2/app/tags/list?last=v0'),
  )
  assert.deepEqual((await connection.response()).body, image.bytes)
  assert.equal((await connection.response({ toHead: true })).headers['docker-content-digest'], image.digest)
  assert.equal((await connection.response()).status, 201)
  assertRefused(await connection.response(), [404, 'NAME_UNKNOWN'], 'the fourth')
  assert.equal((await connection.response()).headers['docker-content-digest'], digestOf(MANIFEST))
  assert.equal((await connection.response()).body.toString(), '{"name":"app","tags":["v1"]}')
})

test('a pipelined read sees what the write before it did', async (t) => {
  const { url } = await startStowage(t)
  const connection = await connect(t, url)
  await connection.send(framed(MANIFEST, 'Content-Length: 13'), head('GET /v2/app/manifests/latest'))
  assert.equal((await connection.response()).status, 201)
  const read = await connection.response()
  assert.equal(`${read.status} ${read.body}`, `200 ${MANIFEST}`)
})

test(
  'of a hundred pulls pipelined on a connection a few have a file open, and none when it breaks off',
  HANG,
  async (t) => {
    const { url, data } = await startStowage(t)
    const digest = await pushBlob(url, 'app', randomBytes(MIB))
    const connection = await connect(t, url)
    await connection.send(head(`GET /v2/app/blobs/${digest}`).repeat(100))
    for (let answered = 0; answered < 10; answered++) assert.equal((await connection.response()).status, 200)
    const open = await openFilesBelow(`${data}/blobs/`)
    connection.destroy()
    assert.ok(open.length <= 4, `${open.length} files are open`)
    while ((await openFilesBelow(`${data}/blobs/`)).length > 0) await sleep(20)
  },
)

/** The files of this process, and so of its server, that are open in a folder. Known on Linux alone. */
async function openFilesBelow(folder: string): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd').catch(() => [])
  const paths = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return paths.filter((path) => path.startsWith(folder))
}

test(
  'a client that pipelines far more requests than any would is cut off before they pile up',
  HANG,
  async (t) => {
    const { url } = await startStowage(t)
    const connection = await connect(t, url)
    const requests = head('GET /v2/').repeat(20_000) + head('GET /v2/', 'Connection: close')
    await connection.send(requests).catch(() => {})
    const { rest } = await connection.ended()
    const answers = rest.toString('latin1').split('HTTP/1.1 200 OK').length - 1
    assert.ok(answers < 10_000, `${answers} answers`)
    assert.equal((await sendRaw(t, url, head('GET /v2/'))).status, 200)
  },
)

test('noise after a complete request does not replace its response', async (t) => {
  const { url } = await startStowage(t)
  for (const [request, status] of [
    [head('GET /v2/'), 200],
    [framed(MANIFEST, 'Content-Length: 13'), 201],
  ] as const) {
    const connection = await connect(t, url)
    await connection.send(request, `noise${CRLF}${CRLF}`)
    assert.equal((await connection.response()).status, status, request)
  }
})

test('500 half-sent heads keep no other client waiting', HANG, async (t) => {
  const server = await startStowage(t)
  const halves = [
    '',
    'G',
    'GET /v2/ HTTP/1.1\r\nHost: localhost\r\n',
    'POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: ',
  ]
  const connections = await Promise.all(Array.from({ length: 500 }, () => connect(t, server.url)))
  await Promise.all(connections.map((connection, index) => connection.send(halves[index % 4] ?? '')))
  await assertNothingStored(server)
  await pushImage(server.url, 'app', 'v1')
  // The server waited for none of them to go away.
  const [, first] = connections
  await first?.send(`ET /v2/ HTTP/1.1${CRLF}Host: localhost${CRLF}${CRLF}`)
  assert.equal((await first?.response())?.status, 200)
  for (const connection of connections) connection.destroy()
})

test(
  'a body that breaks off is not stored, unless it belongs to an upload that can continue',
  HANG,
  async (t) => {
    const server = await startStowage(t)
    const bytes = randomBytes(200_000)
    const half = bytes.subarray(0, 120_000)
    const manifest = await connect(t, server.url)
    await manifest.send(framed(MANIFEST.slice(0, 5), 'Content-Length: 13'))
    manifest.destroy()
    for (const [framing, body] of [
      [CHUNKED, chunk(half)],
      [`Content-Length: ${bytes.length}`, half],
    ] as const) {
      const blob = await connect(t, server.url)
      await blob.send(head(`POST /v2/app/blobs/uploads/?digest=${digestOf(half)}`, framing), body)
      while (isDeepStrictEqual(await storedFiles(server.data), garbageKeys(server.data))) await sleep(20)
      blob.destroy()
      while (!isDeepStrictEqual(await storedFiles(server.data), garbageKeys(server.data))) await sleep(20)
    }
    const upload = await startUpload(server.url)
    const chunks = await connect(t, server.url)
    await chunks.send(head(`PATCH ${upload}`, `Content-Length: ${bytes.length}`), half)
    chunks.destroy()
    const offset = await offsetOfStarted(server.url, upload)
    const catalog = await fetch(`${server.url}/v2/_catalog`)
    assert.deepEqual(await catalog.json(), { repositories: [] })
    const close = { method: 'PUT', body: bytes.subarray(offset) }
    const closed = await fetch(`${server.url}${upload}?digest=${digestOf(bytes)}`, close)
    assert.equal(closed.status, 201)
  },
)

async function startUpload(url: string): Promise<string> {
  const started = await fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' })
  return started.headers.get('location') ?? ''
}

/** How many bytes an upload has, once it has any. */
async function offsetOfStarted(url: string, upload: string): Promise<number> {
  for (;;) {
    const status = await fetch(`${url}${upload}`)
    assert.equal(status.status, 204)
    const end = Number(/^0-(\d+)$/.exec(status.headers.get('range') ?? '')?.[1])
    if (end > 0) return end + 1
    await sleep(20)
  }
}

test('a chunk that breaks inside of a blob is answered once, and the blob is not stored', HANG, async (t) => {
  const server = await startStowage(t)
  const bytes = randomBytes(100_000)
  const connection = await connect(t, server.url)
  await connection.send(head(`POST /v2/app/blobs/uploads/?digest=${digestOf(bytes)}`, CHUNKED), chunk(bytes))
  while ((await storedFiles(server.data)).length === 0) await sleep(20)
  await connection.send(`oops${CRLF}`)
  assertRefused(await connection.response(), NOT_HTTP, 'a broken chunk')
  assert.equal((await connection.ended()).rest.toString(), '')
  while (!isDeepStrictEqual(await storedFiles(server.data), garbageKeys(server.data))) await sleep(20)
  const catalog = await fetch(`${server.url}/v2/_catalog`)
  assert.deepEqual(await catalog.json(), { repositories: [] })
})

const EARLY: [line: string, refusal: Refusal][] = [
  [PUSH, [413, 'SIZE_INVALID']],
  [`PATCH /v2/app/blobs/uploads/${'0'.repeat(64)}`, [404, 'BLOB_UPLOAD_UNKNOWN']],
  ['POST /v2/app/blobs/uploads/?digest=sha256:short', [400, 'DIGEST_INVALID']],
]

test('an early error reaches a client that continues to send 64 MiB', async (t) => {
  const server = await startStowage(t)
  for (const [line, refusal] of EARLY) {
    for (const framing of [CHUNKED, `Content-Length: ${STILL_SENT}`]) {
      const connection = await connect(t, server.url)
      await connection.send(head(line, TYPE, framing))
      await sendOn(connection, framing)
      assertRefused(await connection.response(), refusal, `${line}, ${framing}`)
      assert.deepEqual(await connection.ended(), { by: 'end', rest: Buffer.alloc(0) })
    }
  }
  await assertNothingStored(server)
})

async function sendOn(connection: RawConnection, framing: string): Promise<void> {
  const piece = framing === CHUNKED ? chunk(Buffer.alloc(MIB)) : Buffer.alloc(MIB)
  for (let sent = 0; sent < STILL_SENT; sent += MIB) await connection.send(piece)
  if (framing === CHUNKED) await connection.send(chunk(''))
}

test('an early error reaches a client that is still sending before it has sent all', async (t) => {
  const { url } = await startStowage(t)
  const connection = await connect(t, url)
  await connection.send(head(PUSH, TYPE, CHUNKED))
  for (let sent = 0; sent < 6 * MIB; sent += MIB) await connection.send(chunk(Buffer.alloc(MIB)))
  assertRefused(await connection.response(), [413, 'SIZE_INVALID'], 'before the end')
  await connection.send(chunk(''))
  assert.equal((await connection.ended()).by, 'end')
})

test('a client that waits for "100 Continue" is refused without sending its body', async (t) => {
  const server = await startStowage(t)
  const expecting = async (line: string, length: number): Promise<RawConnection> => {
    const connection = await connect(t, server.url)
    await connection.send(head(line, TYPE, 'Expect: 100-continue', `Content-Length: ${length}`))
    return connection
  }
  for (const [line, refusal] of EARLY) {
    assertRefused(await (await expecting(line, STILL_SENT)).response(), refusal, line)
  }
  await assertNothingStored(server)
  const allowed = await expecting(PUSH, MANIFEST.length)
  assert.equal((await allowed.response()).status, 100)
  await allowed.send(MANIFEST)
  assert.equal((await allowed.response()).status, 201)
})

test('an early error reaches a client that expects 100 but sends its body without waiting', async (t) => {
  const server = await startStowage(t)
  const connection = await connect(t, server.url)
  const framing = `Content-Length: ${STILL_SENT}`
  await connection.send(head(PUSH, TYPE, 'Expect: 100-continue', framing))
  await sendOn(connection, framing)
  assertRefused(await connection.response(), [413, 'SIZE_INVALID'], 'without waiting')
  assert.equal((await connection.ended()).by, 'end')
  await assertNothingStored(server)
})
