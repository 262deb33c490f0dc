import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { digestOf, OCI_MANIFEST, pushBlob, pushImage, type TestManifest } from '../content.ts'
import { startStowage, type TestServer } from '../stowage.ts'
import { head, type RawResponse, sendRaw } from './raw-request.ts'
import { assertNothingStored, assertRefused, type Refusal } from './refusal.ts'

const DENIED: Refusal = [403, 'DENIED']

/** Sends a request with exactly these headers, of which a browser lets no page choose any. */
async function browse(
  t: TestContext,
  server: TestServer,
  line: string,
  headers: readonly string[],
  body = '',
): Promise<RawResponse> {
  return await sendRaw(t, server.url, head(line, ...headers, `Content-Length: ${body.length}`), body)
}

function hostOf({ url }: TestServer): string {
  return new URL(url).host
}

/** What a browser adds to a write of a page that is not the registry's own; `host` is the registry's. */
const FOREIGN: [what: string, headers: (host: string) => string[]][] = [
  ['another site', (host) => [`Host: ${host}`, 'Origin: https://evil.test', 'Sec-Fetch-Site: cross-site']],
  ['another site, by an old browser', (host) => [`Host: ${host}`, 'Origin: https://evil.test']],
  ['another site, without Origin', (host) => [`Host: ${host}`, 'Sec-Fetch-Site: cross-site']],
  ['another port', (host) => [`Host: ${host}`, 'Origin: http://127.0.0.1:1', 'Sec-Fetch-Site: same-site']],
  ['a page of no origin', (host) => [`Host: ${host}`, 'Origin: null']],
  [
    'a page of no origin, same site',
    (host) => [`Host: ${host}`, 'Origin: null', 'Sec-Fetch-Site: same-origin'],
  ],
  ['an origin that is none', (host) => [`Host: ${host}`, 'Origin: evil']],
  ['an empty origin', (host) => [`Host: ${host}`, 'Origin:']],
  ['two origins', (host) => [`Host: ${host}`, `Origin: http://${host}`, 'Origin: https://evil.test']],
  ['an origin with our host as user', (host) => [`Host: ${host}`, `Origin: http://${host}@evil.test`]],
  ['an origin with our host in front', (host) => [`Host: ${host}`, `Origin: http://${host}.evil.test`]],
  ['an unknown relation', (host) => [`Host: ${host}`, `Origin: http://${host}`, 'Sec-Fetch-Site: other']],
]

function rebound(host: string): string[] {
  return [`Host: ${host}`, `Origin: http://${host}`, 'Sec-Fetch-Site: same-origin']
}

function writes(image: TestManifest, blob: string): [line: string, body: string][] {
  return [
    ['POST /v2/app/blobs/uploads/', ''],
    [`POST /v2/app/blobs/uploads/?digest=${digestOf('evil')}`, 'evil'],
    [`POST /v2/app/blobs/uploads/?mount=${blob}&from=other`, ''],
    ['PUT /v2/app/manifests/latest', '{"layers":[]}'],
    [`PUT /v2/app/manifests/${image.digest}?tag=latest`, image.bytes.toString()],
    ['DELETE /v2/app/manifests/v1', ''],
    [`DELETE /v2/app/manifests/${image.digest}`, ''],
    [`DELETE /v2/other/blobs/${blob}`, ''],
    ['OPTIONS /v2/app/manifests/v1', ''],
    ['OPTIONS /v2/', ''],
  ]
}

test('a write that a browser sends for a page of another site is DENIED and has no effect', async (t) => {
  const server = await startStowage(t)
  const image = await pushImage(server.url, 'app', 'v1')
  const blob = await pushBlob(server.url, 'other', 'a blob')
  const upload = await fetch(`${server.url}/v2/app/blobs/uploads/`, { method: 'POST' })
  const location = upload.headers.get('location') ?? ''
  for (const [what, headersFor] of FOREIGN) {
    const headers = [...headersFor(hostOf(server)), `Content-Type: ${OCI_MANIFEST}`]
    for (const [line, body] of [
      ...writes(image, blob),
      [`PATCH ${location}`, 'evil'] as const,
      [`PUT ${location}?digest=${digestOf('evil')}`, 'evil'] as const,
      [`DELETE ${location}`, ''] as const,
    ]) {
      assertRefused(await browse(t, server, line, headers, body), DENIED, `${what}: ${line}`)
    }
  }
  const tags = await fetch(`${server.url}/v2/app/tags/list`)
  assert.deepEqual(await tags.json(), { name: 'app', tags: ['v1'] })
  assert.equal((await fetch(`${server.url}/v2/app/manifests/${image.digest}`)).status, 200)
  assert.equal((await fetch(`${server.url}/v2/other/blobs/${blob}`)).status, 200)
  assert.equal((await fetch(`${server.url}/v2/app/blobs/${digestOf('evil')}`)).status, 404)
  const status = await fetch(`${server.url}${location}`)
  assert.equal(`${status.status} ${status.headers.get('range')}`, '204 0-0')
})

test('a write of another site stores nothing in an empty registry, and no answer lets its page read', async (t) => {
  const server = await startStowage(t)
  const headers = [`Host: ${hostOf(server)}`, 'Origin: https://evil.test', `Content-Type: text/plain`]
  const preflight = [...headers, 'Access-Control-Request-Method: PUT']
  for (const [line, body, sent] of [
    ['PUT /v2/app/manifests/latest', '{"layers":[]}', headers],
    ['POST /v2/app/blobs/uploads/', '', headers],
    ['OPTIONS /v2/app/manifests/latest', '', preflight],
  ] as const) {
    const response = await browse(t, server, line, sent, body)
    assertRefused(response, DENIED, line)
    const allowing = Object.keys(response.headers).filter((name) => name.startsWith('access-control-'))
    assert.deepEqual(allowing, [])
  }
  await assertNothingStored(server)
})

test('a write of the registry its own page is allowed', async (t) => {
  const server = await startStowage(t)
  const port = new URL(server.url).port
  for (const host of [
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    `LOCALHOST:${port}`,
    `[::1]:${port}`,
    'localhost',
  ]) {
    for (const headers of [
      [`Host: ${host}`, `Origin: http://${host.toLowerCase()}`, 'Sec-Fetch-Site: same-origin'],
      [`Host: ${host}`, `Origin: http://${host.toLowerCase()}`],
      [`Host: ${host}`, 'Sec-Fetch-Site: same-origin'],
      [`Host: ${host}`, 'Sec-Fetch-Site: none'],
    ]) {
      const response = await browse(t, server, 'POST /v2/app/blobs/uploads/', headers)
      assert.equal(response.status, 202, headers.join())
    }
  }
})

test('a read that a browser sends for a page of another site is DENIED', async (t) => {
  const server = await startStowage(t)
  await pushImage(server.url, 'app', 'v1')
  const host = hostOf(server)
  for (const headers of [
    ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: image'],
    ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: cors', 'Origin: https://evil.test'],
    ['Sec-Fetch-Site: cross-site'],
    ['Sec-Fetch-Site: other', 'Sec-Fetch-Mode: no-cors'],
    ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: iframe'],
    ['Origin: https://evil.test'],
    ['Origin: null'],
  ]) {
    for (const line of ['GET /v2/app/manifests/v1', 'GET /v2/_catalog', 'GET /v2/']) {
      const read = await sendRaw(t, server.url, head(line, `Host: ${host}`, ...headers))
      assertRefused(read, DENIED, `${line}: ${headers.join()}`)
      assert.equal(read.headers['cross-origin-resource-policy'], 'same-origin')
    }
  }
})

test('a read of the registry its own page, a followed link and a program are answered', async (t) => {
  const server = await startStowage(t)
  const image = await pushImage(server.url, 'app', 'v1')
  const host = hostOf(server)
  for (const headers of [
    [],
    [`Origin: http://${host}`],
    ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors'],
    ['Sec-Fetch-Site: none', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'],
    ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'],
    ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate'],
  ]) {
    const read = await sendRaw(t, server.url, head('GET /v2/app/manifests/v1', `Host: ${host}`, ...headers))
    assert.equal(read.status, 200, headers.join())
    assert.deepEqual(read.body, image.bytes)
    assert.equal(read.headers['cross-origin-resource-policy'], 'same-origin')
    assert.equal(read.headers['access-control-allow-origin'], undefined)
  }
})

test('a name that an operator listed is the registry its own, but other sites stay refused', async (t) => {
  const server = await startStowage(t, { allowAnonymous: true, allowedHosts: 'registry.test' })
  const line = 'POST /v2/app/blobs/uploads/'
  const own = await browse(t, server, line, rebound('registry.test'))
  assert.equal(own.status, 202)
  const other = await browse(t, server, line, ['Host: registry.test', 'Origin: https://evil.test'])
  assertRefused(other, DENIED, 'another site')
})
