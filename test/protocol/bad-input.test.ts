import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { digestOf, manifestOf, OCI_MANIFEST, pushImage, pushManifest } from '../content.ts'
import { startStowage, type TestServer } from '../stowage.ts'
import { chunkedBody, head, sendRaw } from './raw-request.ts'
import {
  assertNothingStored,
  assertRefused,
  garbageKeys,
  type Refusal,
  sendRequest,
  storedFiles,
} from './refusal.ts'

const NAME_INVALID: Refusal = [400, 'NAME_INVALID']
const DIGEST_INVALID: Refusal = [400, 'DIGEST_INVALID']
const SIZE_INVALID: Refusal = [400, 'SIZE_INVALID']
const UPLOAD_INVALID: Refusal = [400, 'BLOB_UPLOAD_INVALID']
const OUT_OF_ORDER: Refusal = [416, 'BLOB_UPLOAD_INVALID']
const NOT_HTTP: Refusal = [400, 'UNSUPPORTED']
const MANIFEST_UNKNOWN: Refusal = [404, 'MANIFEST_UNKNOWN']
const ROUTE_UNKNOWN: Refusal = [404, 'UNSUPPORTED']

const ZEROS = `sha256:${'0'.repeat(64)}`

const BAD_NAMES: [name: string, refusal?: Refusal][] = [
  [''],
  ['A'],
  ['app/B'],
  ['.'],
  ['..'],
  ['app/..'],
  ['../app'],
  ['app/../../etc'],
  ['%2e%2e/app'],
  ['..%2f..%2fetc'],
  ['/app'],
  ['app/'],
  ['app//x'],
  ['app%2F'],
  ['%2Fapp'],
  ['app%2F%2Fx'],
  ['app%2F..%2Fx'],
  ['app%2f%00'],
  ['app%2F_catalog'],
  ['app%252Fx'],
  ['app%5Cx'],
  ['app\\x'],
  ['-app'],
  ['app-'],
  ['app..x'],
  ['app___x'],
  ['app:x'],
  ['app@x'],
  ["app'--"],
  ['app%25'],
  ['app%00'],
  ['app%0D%0AX-Injected:%20yes'],
  ['%C3%A9'],
  ['a'.repeat(256)],
  [`${'a/'.repeat(128)}a`],
  ['a'.repeat(20_000)],
  ['app%', ROUTE_UNKNOWN],
  ['app%zz', ROUTE_UNKNOWN],
  ['app%C3', ROUTE_UNKNOWN],
  ['app x', NOT_HTTP],
  ['app\0', NOT_HTTP],
]

test('a repository name out of grammar is NAME_INVALID at every endpoint, and nothing is stored', async (t) => {
  const server = await startStowage(t)
  for (const [name, refusal = NAME_INVALID] of BAD_NAMES) {
    for (const line of [
      `GET /v2/${name}/tags/list`,
      `GET /v2/${name}/manifests/latest`,
      `PUT /v2/${name}/manifests/latest`,
      `DELETE /v2/${name}/manifests/latest`,
      `GET /v2/${name}/referrers/${ZEROS}`,
      `GET /v2/${name}/blobs/${ZEROS}`,
      `POST /v2/${name}/blobs/uploads/`,
      `POST /v2/${name}/blobs/uploads/?digest=${digestOf('x')}`,
      `PATCH /v2/${name}/blobs/uploads/${'0'.repeat(64)}`,
    ]) {
      assertRefused(await sendRequest(t, server.url, line), refusal, line)
    }
  }
  await assertNothingStored(server)
})

const BAD_TAGS: [tag: string, refusal?: Refusal][] = [
  ['.'],
  ['..'],
  ['%2e%2e'],
  ['.latest'],
  ['-latest'],
  ['a'.repeat(129)],
  ['a'.repeat(20_000)],
  ['a%2Fb'],
  ['a%20b'],
  ['a%00'],
  ['a%25'],
  ['a*'],
  ['%C3%A9'],
  ['a%0D%0AX-Injected=yes'],
  ['a/b', ROUTE_UNKNOWN],
  ['', ROUTE_UNKNOWN],
  ['a%', ROUTE_UNKNOWN],
  ['a\0', NOT_HTTP],
]

test('a malformed tag is NAME_INVALID for each write and not found for a read, and nothing is stored', async (t) => {
  const server = await startStowage(t)
  const { bytes } = manifestOf({ layers: [] })
  const headers = [`Content-Type: ${OCI_MANIFEST}`]
  for (const [tag, refusal = NAME_INVALID] of BAD_TAGS) {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const line = `${method} /v2/app/manifests/${tag}`
      const body = method === 'PUT' ? bytes : ''
      const expected = method === 'GET' && refusal === NAME_INVALID ? MANIFEST_UNKNOWN : refusal
      assertRefused(await sendRequest(t, server.url, line, { body, headers }), expected, line)
    }
    if (refusal !== NAME_INVALID) continue
    const line = `PUT /v2/app/manifests/${digestOf(bytes)}?tag=good&tag=${tag}`
    assertRefused(await sendRequest(t, server.url, line, { body: bytes, headers }), refusal, line)
  }
  await assertNothingStored(server)
})

const BAD_DIGESTS = [
  'sha256:',
  `sha256:${'0'.repeat(63)}`,
  `sha256:${'0'.repeat(65)}`,
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'g'.repeat(64)}`,
  `SHA256:${'0'.repeat(64)}`,
  `sha512:${'0'.repeat(64)}`,
  `blake3:${'0'.repeat(128)}`,
  `:${'0'.repeat(64)}`,
  `sha256::${'0'.repeat(63)}`,
  `sha256:${'0'.repeat(64)}%00`,
  `sha256:${'0'.repeat(64)}%0D%0AX-Injected:%20yes`,
  'sha256:..%2F..%2Fetc%2Fpasswd',
  `other:${'0'.repeat(256)}`,
  `${'a'.repeat(20_000)}:0`,
]

test('a digest out of grammar is DIGEST_INVALID wherever one stands, and nothing is stored', async (t) => {
  const server = await startStowage(t)
  const started = await fetch(`${server.url}/v2/app/blobs/uploads/`, { method: 'POST' })
  const upload = started.headers.get('location')
  for (const digest of BAD_DIGESTS) {
    for (const line of [
      `GET /v2/app/blobs/${digest}`,
      `DELETE /v2/app/blobs/${digest}`,
      `GET /v2/app/manifests/${digest}`,
      `PUT /v2/app/manifests/${digest}`,
      `PUT /v2/app/manifests/latest?digest=${digest}`,
      `DELETE /v2/app/manifests/${digest}`,
      `GET /v2/app/referrers/${digest}`,
      `POST /v2/app/blobs/uploads/?digest=${digest}`,
      `PUT ${upload}?digest=${digest}`,
    ]) {
      assertRefused(await sendRequest(t, server.url, line), DIGEST_INVALID, line)
    }
  }
  await assertNothingStored(server)
})

test('a digest in an algorithm that cannot be computed is unknown when read and DIGEST_INVALID when pushed', async (t) => {
  const server = await startStowage(t)
  const digest = 'md5:d41d8cd98f00b204e9800998ecf8427e'
  for (const [line, refusal] of [
    [`GET /v2/app/blobs/${digest}`, [404, 'NAME_UNKNOWN']],
    [`GET /v2/app/manifests/${digest}`, [404, 'NAME_UNKNOWN']],
    [`PUT /v2/app/manifests/${digest}`, DIGEST_INVALID],
    [`POST /v2/app/blobs/uploads/?digest=${digest}`, DIGEST_INVALID],
    ['POST /v2/app/blobs/uploads/?digest-algorithm=md5', DIGEST_INVALID],
    ['POST /v2/app/blobs/uploads/?digest-algorithm=__proto__', DIGEST_INVALID],
  ] as [string, Refusal][]) {
    assertRefused(await sendRequest(t, server.url, line), refusal, line)
  }
  await assertNothingStored(server)
})

test('content that does not match its digest is DIGEST_INVALID however it is pushed, and nothing is stored', async (t) => {
  const server = await startStowage(t)
  const { bytes } = manifestOf({ layers: [] })
  for (const algorithm of ['sha256', 'sha512']) {
    const digest = digestOf('something else', algorithm)
    const put = `PUT /v2/app/manifests/${digest}`
    const headers = [`Content-Type: ${OCI_MANIFEST}`]
    assertRefused(await sendRequest(t, server.url, put, { body: bytes, headers }), DIGEST_INVALID, put)
    const post = `POST /v2/app/blobs/uploads/?digest=${digest}`
    assertRefused(await sendRequest(t, server.url, post, { body: 'bytes' }), DIGEST_INVALID, post)
    const upload = await startUpload(server)
    const close = `PUT ${upload}?digest=${digest}`
    assertRefused(await sendRequest(t, server.url, close, { body: 'bytes' }), DIGEST_INVALID, close)
    const twice = `PUT ${upload}?digest=${digest}&digest=${digestOf('bytes')}`
    assertRefused(await sendRequest(t, server.url, twice, { body: 'bytes' }), DIGEST_INVALID, twice)
  }
  await assertNothingStored(server)
})

async function startUpload({ url }: TestServer): Promise<string> {
  const started = await fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' })
  return started.headers.get('location') ?? ''
}

const BAD_RANGES: [headers: string[], body: string | Uint8Array, refusal: Refusal][] = [
  [['Content-Range: 0-9', 'Content-Length: 5'], 'bytes', SIZE_INVALID],
  [['Content-Range: 0-1', 'Content-Length: 5'], 'bytes', SIZE_INVALID],
  [['Content-Range: 1-5', 'Content-Length: 5'], 'bytes', OUT_OF_ORDER],
  [['Content-Range: 999999999999-1000000000003', 'Content-Length: 5'], 'bytes', OUT_OF_ORDER],
  [['Content-Range: 4-0', 'Content-Length: 5'], 'bytes', UPLOAD_INVALID],
  [['Content-Range: -1-4', 'Content-Length: 5'], 'bytes', UPLOAD_INVALID],
  [['Content-Range: 0-', 'Content-Length: 5'], 'bytes', UPLOAD_INVALID],
  [['Content-Range: 0-4e0', 'Content-Length: 5'], 'bytes', UPLOAD_INVALID],
  [['Content-Range: 0-99999999999999999999', 'Content-Length: 5'], 'bytes', UPLOAD_INVALID],
  [['Content-Range: items 0-4/5', 'Content-Length: 5'], 'bytes', UPLOAD_INVALID],
  [['Content-Range: 0-1', 'Transfer-Encoding: chunked'], chunkedBody('bytes'), SIZE_INVALID],
  [['Content-Range: 0-9', 'Transfer-Encoding: chunked'], chunkedBody('bytes'), SIZE_INVALID],
]

test('a chunk with a wrong length or range is refused with its code, and the upload continues from where it was', async (t) => {
  const server = await startStowage(t)
  for (const [headers, body, refusal] of BAD_RANGES) {
    for (const closing of [false, true]) {
      const upload = await startUpload(server)
      const line = closing ? `PUT ${upload}?digest=${digestOf('bytes')}` : `PATCH ${upload}`
      const response = await sendRaw(t, server.url, head(line, ...headers), body)
      assertRefused(response, refusal, `${line} ${headers}`)
      if (response.status !== 416) continue
      assert.equal(response.headers.location, upload)
      assert.equal(response.headers.range, '0-0')
    }
  }
  await assertNothingStored(server)
  const upload = await startUpload(server)
  await sendRequest(t, server.url, `PATCH ${upload}`, { body: 'by', headers: ['Content-Range: 0-1'] })
  const again = await sendRequest(t, server.url, `PATCH ${upload}`, {
    body: 'by',
    headers: ['Content-Range: 0-1'],
  })
  assertRefused(again, [416, 'BLOB_UPLOAD_INVALID'], 'the same chunk again')
  assert.equal(again.headers.range, '0-1')
  const closed = await sendRequest(t, server.url, `PUT ${upload}?digest=${digestOf('bytes')}`, {
    body: 'tes',
  })
  assert.equal(closed.status, 201)
})

test('a blob that was refused for its digest or length leaves no unknown file', async (t) => {
  const server = await startStowage(t)
  const large = randomBytes(100_000)
  const line = `POST /v2/app/blobs/uploads/?digest=${digestOf('something else')}`
  assertRefused(await sendRequest(t, server.url, line, { body: large }), DIGEST_INVALID, line)
  const { url, data } = server
  assert.equal((await fetch(`${url}/v2/app/blobs/${digestOf(large)}`)).status, 404)
  assert.deepEqual(await storedFiles(data), garbageKeys(data))
})

test('a query parameter that is malformed is refused, and nothing is stored', async (t) => {
  const server = await startStowage(t)
  for (const value of ['-1', 'abc', '1.5', '0x10', '%00', "1'--"]) {
    const line = `GET /v2/_catalog?n=${value}`
    assertRefused(await sendRequest(t, server.url, line), [400, 'UNSUPPORTED'], line)
  }
  for (const query of ['mount=x', 'mount=sha256:x&from=..', `mount=${ZEROS}&from=%2e%2e%2f`, 'from=app']) {
    const begun = await sendRequest(t, server.url, `POST /v2/app/blobs/uploads/?${query}`)
    assert.equal(begun.status, 202, query)
  }
  await assertNothingStored(server)
})

const RESERVED_NAMES = [
  'blobs',
  'blobs/uploads',
  'app/blobs/uploads/x',
  'manifests',
  'manifests/manifests',
  'app/manifests/latest',
  'referrers',
  'tags',
  'tags/list',
  'uploads',
  'v2',
  'v2/v2',
  'ext/discover',
  'a'.repeat(255),
]

test('reserved words are repository names like any other', async (t) => {
  const { url } = await startStowage(t)
  for (const name of RESERVED_NAMES) {
    const image = await pushImage(url, name, 'list')
    const pulled = await fetch(`${url}/v2/${name}/manifests/list`)
    assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), image.bytes, name)
    assert.deepEqual(await (await fetch(`${url}/v2/${name}/tags/list`)).json(), { name, tags: ['list'] })
  }
  const catalog = await fetch(`${url}/v2/_catalog`)
  assert.deepEqual(await catalog.json(), { repositories: RESERVED_NAMES.toSorted() })
})

test('an underscore in a name or a tag stands for itself alone', async (t) => {
  const { url } = await startStowage(t)
  const image = await pushImage(url, 'a_b', 'v_1')
  const other = await pushImage(url, 'axb', 'v_1')
  for (const tag of ['vx1', 'v-1']) await pushManifest(url, 'a_b', image, tag)
  assert.equal((await fetch(`${url}/v2/a-b/tags/list`)).status, 404)
  assert.equal((await fetch(`${url}/v2/axb/manifests/${image.digest}`)).status, 404)
  assert.equal((await fetch(`${url}/v2/a_b/manifests/v_1`, { method: 'DELETE' })).status, 202)
  const tags = await fetch(`${url}/v2/a_b/tags/list`)
  assert.deepEqual(await tags.json(), { name: 'a_b', tags: ['v-1', 'vx1'] })
  assert.equal((await fetch(`${url}/v2/a_b/manifests/${image.digest}`, { method: 'DELETE' })).status, 202)
  assert.equal((await fetch(`${url}/v2/axb/manifests/${other.digest}`)).status, 200)
  for (const last of ['%25', '_', 'a%25']) {
    const list = await fetch(`${url}/v2/_catalog?last=${last}`)
    const names = ['a_b', 'axb'].filter((name) => name > decodeURIComponent(last))
    assert.deepEqual(await list.json(), { repositories: names }, last)
  }
})

test('nothing of a request becomes a header of its own in an answer', async (t) => {
  const { url } = await startStowage(t)
  const subject = { mediaType: OCI_MANIFEST, digest: ZEROS, size: 1 }
  for (const id of [1, 2]) {
    const artifact = manifestOf({ artifactType: 'a/b', layers: [], subject, annotations: { id: `${id}` } })
    assert.equal((await pushManifest(url, 'app', artifact, `v${id}`)).status, 201)
  }
  const injected = 'x%0D%0AX-Injected:%20yes%0D%0A%0D%0A'
  for (const line of [
    `GET /v2/app/tags/list?n=1&last=${injected}`,
    `GET /v2/_catalog?n=1&last=${injected}`,
    `GET /v2/app/referrers/${ZEROS}?n=1&artifactType=a/b&artifactType=${injected}`,
    `GET /v2/app/referrers/${ZEROS}?n=${injected}`,
    `POST /v2/app/blobs/uploads/?mount=${injected}&from=${injected}`,
    `POST /v2/app/blobs/uploads/?digest-algorithm=${injected}`,
    `PUT /v2/app/manifests/latest?tag=${injected}`,
    `GET /v2/${injected}/tags/list`,
    `GET /v2/app/manifests/${injected}`,
    `GET /${injected}`,
  ]) {
    const { headers, body } = await sendRequest(t, url, line, { headers: [`If-None-Match: "${injected}"`] })
    assert.equal(headers['x-injected'], undefined, line)
    if (headers['content-type'] === 'application/json') JSON.parse(body.toString())
  }
  const link = await fetch(`${url}/v2/app/referrers/${ZEROS}?n=1&artifactType=a/b&artifactType=${injected}`)
  assert.match(link.headers.get('link') ?? '', /artifactType=x%0D%0AX-Injected/)
})

test('a manifest is served with only its media type, whatever parameters the push had', async (t) => {
  const { url } = await startStowage(t)
  const body = '{"layers":[]}'
  const headers = ['Content-Type: application/xhtml+json; charset=utf-7; x="<script>"']
  const pushed = await sendRequest(t, url, 'PUT /v2/app/manifests/page', { body, headers })
  assert.equal(pushed.status, 201)
  const pulled = await fetch(`${url}/v2/app/manifests/page`)
  assert.equal(pulled.headers.get('content-type'), 'application/xhtml+json')
  assert.equal(pulled.headers.get('x-content-type-options'), 'nosniff')
  assert.match(pulled.headers.get('content-security-policy') ?? '', /sandbox/)
})
