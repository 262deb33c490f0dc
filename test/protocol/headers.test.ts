import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  bytesOf,
  digestOf,
  errorCodes,
  manifestOf,
  OCI_INDEX,
  pushBlob,
  pushImage,
  pushManifest,
} from '../content.ts'
import { startForFile } from './file-server.ts'
import { connect, head, sendRaw } from './raw-request.ts'
import { beginUpload, patchUpload } from './upload-requests.ts'

const { url } = await startForFile()

const ZEROS = `sha256:${'0'.repeat(64)}`

const IMAGE = await pushImage(url, 'app', 'v1')
const SMALL = await pushBlob(url, 'app', randomBytes(1000))
const LARGE = await pushBlob(url, 'app', randomBytes(200_000))

interface Asked {
  method: string
  path: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  status: number
}

/** A read for each kind of answer, good and bad. @param upload one that goes on */
function everyRead(upload: string): Asked[] {
  const reads: [path: string, status: number, headers?: Record<string, string>][] = [
    ['/v2', 200],
    ['/v2/', 200],
    ['/v2/_catalog', 200],
    ['/v2/_catalog?n=-1', 400],
    ['/v2/_oci/ext/discover', 200],
    ['/v2/_nobody/ext/discover', 404],
    ['/v2/app/tags/list?n=1', 200],
    ['/v2/nowhere/tags/list', 404],
    [`/v2/app/referrers/${ZEROS}`, 200],
    ['/v2/app/referrers/short', 400],
    ['/v2/app/manifests/v1', 200],
    ['/v2/app/manifests/v1', 206, { Range: 'bytes=0-9' }],
    ['/v2/app/manifests/v1', 304, { 'If-None-Match': '*' }],
    ['/v2/app/manifests/v9', 404],
    ['/v2/app/manifests/-v', 404],
    [`/v2/app/manifests/${IMAGE.digest}`, 200],
    [`/v2/app/blobs/${SMALL}`, 200],
    [`/v2/app/blobs/${LARGE}`, 200],
    [`/v2/app/blobs/${LARGE}`, 206, { Range: 'bytes=-9' }],
    [`/v2/app/blobs/${LARGE}`, 206, { Range: 'bytes=0-0,5-9' }],
    [`/v2/app/blobs/${LARGE}`, 416, { Range: 'bytes=999999-' }],
    [`/v2/app/blobs/${ZEROS}`, 404],
    ['/v2/app/blobs/sha256:short', 400],
    ['/v2/UPPER/blobs/uploads/x', 400],
    ['/v2/app/blobs/uploads/x', 404],
    ['/v2/app/blobs/uploads/', 405],
    [upload, 204],
    ['/v2/app', 404],
    ['/v1/search', 404],
    ['/favicon.ico', 404],
  ]
  return reads.map(([path, status, headers]) => ({
    method: 'GET',
    path,
    status,
    ...(headers && { headers }),
  }))
}

/** A request for each kind of answer, good and bad. */
async function everyAnswer(): Promise<Asked[]> {
  const [cancelled, closed, patched] = await Promise.all([1, 2, 3].map(() => beginUpload(url, 'app')))
  const index = manifestOf({ manifests: [] }, OCI_INDEX)
  return [
    ...everyRead(patched?.pathname ?? ''),
    { method: 'POST', path: '/v2/app/blobs/uploads/', status: 202 },
    { method: 'POST', path: `/v2/app/blobs/uploads/?mount=${SMALL}&from=app`, status: 201 },
    { method: 'PATCH', path: patched?.pathname ?? '', body: 'x', status: 202 },
    {
      method: 'PATCH',
      path: patched?.pathname ?? '',
      body: 'x',
      status: 416,
      headers: { 'Content-Range': '9-9' },
    },
    { method: 'PUT', path: `${closed?.pathname}?digest=${digestOf('x')}`, body: 'x', status: 201 },
    { method: 'PUT', path: `${patched?.pathname}?digest=${ZEROS}`, body: 'x', status: 400 },
    { method: 'DELETE', path: cancelled?.pathname ?? '', status: 204 },
    { method: 'PUT', path: '/v2/app/manifests/v2', body: new Uint8Array(index.bytes), status: 201 },
    { method: 'PUT', path: '/v2/app/manifests/v3', body: '{', status: 400 },
    {
      method: 'PUT',
      path: '/v2/app/manifests/v1',
      body: '{"manifests":[]}',
      status: 412,
      headers: { 'If-None-Match': '*', 'Content-Type': OCI_INDEX },
    },
    { method: 'DELETE', path: '/v2/app/manifests/v2', status: 202 },
    { method: 'DELETE', path: `/v2/app/blobs/${SMALL}`, status: 202 },
    { method: 'DELETE', path: '/v2/app/manifests/v2', status: 404 },
    { method: 'POST', path: '/v2/', status: 405 },
  ]
}

function assertHeaders(headers: Headers, what: string): void {
  assert.equal(headers.get('docker-distribution-api-version'), 'registry/2.0', what)
  assert.equal(headers.get('x-content-type-options'), 'nosniff', what)
  assert.match(headers.get('cache-control') ?? '', /^no-cache|\bimmutable\b/, what)
  for (const name of [
    'content-encoding',
    'transfer-encoding',
    'www-authenticate',
    'x-registry-supports-signatures',
  ]) {
    assert.equal(headers.get(name), null, `${what}: ${name}`)
  }
}

test('every answer, good or bad, has the length of its body, and the headers that clients look for', async () => {
  for (const { method, path, status, ...rest } of await everyAnswer()) {
    const what = `${method} ${path}`
    const answer = await fetch(url + path, { method, ...rest })
    assert.equal(answer.status, status, what)
    assertHeaders(answer.headers, what)
    const body = await bytesOf(answer)
    const length = status === 204 || status === 304 ? null : String(body.length)
    assert.equal(answer.headers.get('content-length'), length, what)
    if (status < 400) continue
    assert.equal(answer.headers.get('content-type'), 'application/json', what)
    const { errors } = JSON.parse(String(body)) as { errors: { code: string; message: string }[] }
    assert.ok(errors.length > 0, what)
    for (const { code, message } of errors) {
      assert.match(code, /^[A-Z_]+$/)
      assert.notEqual(message, '', what)
    }
  }
})

test('HEAD answers as GET does, without the body, good or bad, and keeps the connection', async (t) => {
  const connection = await connect(t, url)
  const reads = (await everyAnswer()).filter(
    ({ method, headers }) => method === 'GET' && headers === undefined,
  )
  for (const { path } of reads) {
    // An upload's path answers GET, and so HEAD, only while it is there; so the two come one after the other.
    const get = await fetch(url + path)
    await connection.send(head(`HEAD ${path}`))
    const answer = await connection.response({ toHead: true })
    assert.equal(answer.status, get.status, path)
    assert.equal(answer.headers.connection, 'keep-alive', path)
    for (const name of [
      'content-length',
      'content-type',
      'docker-content-digest',
      'etag',
      'link',
      'allow',
      'range',
    ]) {
      assert.equal(answer.headers[name] ?? null, get.headers.get(name), `${path}: ${name}`)
    }
  }
  await connection.send(head('GET /v2/'))
  assert.equal(String((await connection.response()).body), '{}')
})

test('the base answers {} with and without its last slash, never by a redirect', async () => {
  for (const path of ['/v2', '/v2/', '/v2/?a=b']) {
    const answer = await fetch(url + path, { redirect: 'error' })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'application/json')
    assert.equal(answer.headers.get('content-length'), '2')
    assert.equal(await answer.text(), '{}')
  }
})

test('bytes are never encoded on their way, whatever encodings the client takes', async (t) => {
  for (const path of ['/v2/app/manifests/v1', `/v2/app/blobs/${LARGE}`, '/v2/app/tags/list', '/v2/']) {
    const plain = await bytesOf(await fetch(url + path))
    const encodings = 'Accept-Encoding: zstd;q=1.0, gzip;q=0.8, br, deflate;q=0.5'
    const answer = await sendRaw(t, url, head(`GET ${path}`, encodings))
    assert.equal(answer.headers['content-encoding'], undefined)
    assert.deepEqual(answer.body, plain)
  }
  for (const path of ['/v2/app/manifests/v1', `/v2/app/blobs/${LARGE}`]) {
    assert.match((await fetch(url + path)).headers.get('cache-control') ?? '', /\bno-transform\b/)
  }
})

test('what can move is asked for each time, and what cannot is kept', async () => {
  const control = async (path: string) => (await fetch(url + path)).headers.get('cache-control') ?? ''
  assert.match(await control('/v2/app/manifests/v1'), /\bno-cache\b/)
  for (const path of [`/v2/app/manifests/${IMAGE.digest}`, `/v2/app/blobs/${LARGE}`]) {
    assert.match(await control(path), /\bmax-age=31536000, immutable\b/)
  }
})

test('paths may be percent-encoded, which is undone once', async () => {
  const encoded = LARGE.replace(':', '%3A')
  assert.equal((await fetch(`${url}/v2/app/blobs/${encoded}`)).status, 200)
  assert.equal((await fetch(`${url}/v2/app/blobs/${encoded.replace('%3A', '%3a')}`)).status, 200)
  assert.equal((await fetch(`${url}/v2/app/manifests/${IMAGE.digest.replace(':', '%3A')}`)).status, 200)
  assert.equal((await fetch(`${url}/v2/app/referrers/${encoded}`)).status, 200)
  assert.equal((await fetch(`${url}/v2/a%70p/manifests/%76%31`)).status, 200)
  const twice = await fetch(`${url}/v2/app/blobs/${LARGE.replace(':', '%253A')}`)
  assert.equal(twice.status, 400)
  assert.deepEqual(await errorCodes(twice), ['DIGEST_INVALID'])
})

test('query parameters that the registry does not know are ignored everywhere', async () => {
  const unknown = 'ns=docker.io&_state=abc&origin=https%3A%2F%2Fx&a%5B%5D=1&=&%zz'
  for (const path of [
    '/v2/',
    '/v2/_catalog',
    '/v2/app/tags/list',
    '/v2/app/manifests/v1',
    `/v2/app/blobs/${LARGE}`,
  ]) {
    assert.deepEqual(
      await bytesOf(await fetch(`${url}${path}?${unknown}`)),
      await bytesOf(await fetch(url + path)),
    )
  }
  const pushed = await pushManifest(url, 'app', IMAGE, `v1?${unknown}`)
  assert.equal(pushed.status, 201)
  const begun = await fetch(`${url}/v2/app/blobs/uploads/?${unknown}`, { method: 'POST' })
  assert.equal(begun.status, 202)
  const upload = new URL(`${begun.headers.get('location')}?${unknown}`, url)
  assert.equal((await patchUpload(upload, 'x')).status, 202)
  assert.equal((await fetch(`${upload}&digest=${digestOf('x')}`, { method: 'PUT' })).status, 201)
})

test('unrequested credentials are ignored, whatever their scheme', async () => {
  for (const Authorization of [
    'Basic Og==',
    'Basic bm90OnZhbGlk',
    'Bearer eyJ.x.y',
    'Digest a="b"',
    'nonsense',
  ]) {
    for (const path of ['/v2/', '/v2/app/manifests/v1', `/v2/app/blobs/${LARGE}`]) {
      const answer = await fetch(url + path, { method: 'HEAD', headers: { Authorization } })
      assert.equal(answer.status, 200, Authorization)
    }
    const pushed = await fetch(`${url}/v2/app/manifests/v1`, {
      method: 'PUT',
      headers: { Authorization, 'Content-Type': IMAGE.mediaType },
      body: new Uint8Array(IMAGE.bytes),
    })
    assert.equal(pushed.status, 201, Authorization)
  }
})

test('a method that an endpoint does not answer is 405 with those that it does', async () => {
  const upload = (await beginUpload(url, 'app')).pathname
  for (const [path, allow] of [
    ['/v2/', 'GET, HEAD'],
    ['/v2/_catalog', 'GET, HEAD'],
    ['/v2/app/tags/list', 'GET, HEAD'],
    [`/v2/app/referrers/${ZEROS}`, 'GET, HEAD'],
    [`/v2/app/blobs/${LARGE}`, 'GET, HEAD, DELETE'],
    ['/v2/app/manifests/v1', 'GET, HEAD, PUT, DELETE'],
    ['/v2/app/blobs/uploads/', 'POST'],
    [upload, 'PATCH, PUT, GET, HEAD, DELETE'],
  ] as const) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      if (allow.split(', ').includes(method)) continue
      const refused = await fetch(url + path, { method })
      assert.equal(refused.status, 405, `${method} ${path}`)
      assert.equal(refused.headers.get('allow'), allow)
      assert.deepEqual(await errorCodes(refused), ['UNSUPPORTED'])
    }
  }
})

test('what a browser gets of the registry it cannot run', async () => {
  for (const path of ['/v2/app/manifests/v1', `/v2/app/blobs/${LARGE}`]) {
    const answer = await fetch(url + path)
    assert.equal(answer.headers.get('content-security-policy'), "default-src 'none'; sandbox")
  }
})

test('a GET whose own body is still on its way is answered whole', async (t) => {
  for (const [path, headers] of [
    ['/v2/', []],
    ['/v2/app/manifests/v1', []],
    [`/v2/app/blobs/${LARGE}`, []],
    [`/v2/app/blobs/${LARGE}`, ['Range: bytes=0-9,20-29']],
  ] as const) {
    const expected = await sendRaw(t, url, head(`GET ${path}`, ...headers))
    const connection = await connect(t, url)
    await connection.send(head(`GET ${path}`, 'Content-Length: 5', ...headers), 'ab')
    // By now the server has got to the first request; only then does the rest of its body come, if it is still waited for.
    for (let turn = 0; turn < 3; turn++) await bytesOf(await fetch(url + path))
    await connection.send('cde').catch(() => {})
    const answer = await connection.response()
    assert.equal(answer.status, expected.status, path)
    assert.equal(answer.body.length, expected.body.length, path)
  }
})

test('only content that is asked for by its digest may be kept without asking again', async () => {
  const kept = (
    await Promise.all(
      everyRead('/v2/app/blobs/uploads/x').map(async ({ path, method }) => {
        const [got, asked] = await Promise.all([
          fetch(url + path, { method }),
          fetch(url + path, { method: 'HEAD' }),
        ])
        await got.arrayBuffer()
        assert.equal(asked.headers.get('cache-control'), got.headers.get('cache-control'), path)
        return got.ok && got.headers.get('cache-control')?.includes('immutable') ? [path] : []
      }),
    )
  ).flat()
  assert.ok(kept.length >= 2)
  for (const path of kept) assert.match(path, /\/(?:blobs|manifests)\/sha256:[0-9a-f]{64}$/)
})

test('the root says what this is, for load balancers that probe it', async () => {
  const answer = await fetch(`${url}/`)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8')
  assert.match(await answer.text(), /^This is Stowage/)
  const asked = await fetch(`${url}/`, { method: 'HEAD' })
  assert.equal(asked.status, 200)
  assert.equal(asked.headers.get('content-length'), answer.headers.get('content-length'))
})
