import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, manifestOf, OCI_INDEX, OCI_MANIFEST, pushBlob } from '../content.ts'
import { startStowage } from '../stowage.ts'
import { chunkedBody, head, sendRaw } from './raw-request.ts'
import { assertNothingStored, assertRefused, type Refusal, sendRequest } from './refusal.ts'

const INVALID: Refusal = [400, 'MANIFEST_INVALID']
const BLOB_UNKNOWN: Refusal = [400, 'MANIFEST_BLOB_UNKNOWN']
const TOO_LARGE: Refusal = [413, 'SIZE_INVALID']

const MIB = 1024 * 1024
const MAX_SIZE = 4 * MIB
const ZEROS = `sha256:${'0'.repeat(64)}`
const OTHER = `sha256:${'1'.repeat(64)}`

/** A manifest of exactly this many bytes, all of it well-formed. */
function manifestOfSize(size: number): Buffer {
  const fill = (length: number) => JSON.stringify({ layers: [], annotations: { fill: 'x'.repeat(length) } })
  return Buffer.from(fill(size - fill(0).length))
}

const NOT_JSON: [what: string, body: string | Uint8Array][] = [
  ['nothing', ''],
  ['text', 'hello'],
  ['a truncated object', '{"layers":['],
  ['something behind the object', '{"layers":[]} {}'],
  ['null', 'null'],
  ['an array', '[]'],
  ['a string', '"{}"'],
  ['a million arrays that never end', '['.repeat(1_000_000)],
  ['a million arrays', '['.repeat(1_000_000) + ']'.repeat(1_000_000)],
  ['half a million objects', '{"a":'.repeat(500_000)],
  ['a million arrays inside of annotations', `{"layers":[],"annotations":${'['.repeat(1_000_000)}`],
  ['65 levels', `{"layers":[],"x":${'['.repeat(64)}${']'.repeat(64)}}`],
  ['a key twice', '{"layers":[],"layers":[]}'],
  ['a key twice, escaped', '{"layers":[],"\\u006cayers":[]}'],
  [
    'a key twice in a descriptor',
    `{"layers":[],"config":{"digest":"${ZEROS}","digest":"${OTHER}","size":1}}`,
  ],
  ['__proto__', '{"layers":[],"__proto__":{"mediaType":"a/b"}}'],
  ['__proto__, escaped', '{"layers":[],"\\u005f_proto__":{}}'],
  ['__proto__ deep inside', '{"layers":[],"annotations":{"a":{"__proto__":1}}}'],
  ['a byte order mark', '\ufeff{"layers":[]}'],
  ['UTF-16', Buffer.from('{"layers":[]}', 'utf16le')],
  ['invalid UTF-8', Buffer.from('{"layers":[],"annotations":{"a":"\xff"}}', 'latin1')],
  ['an overlong slash', Buffer.from('{"layers":[],"annotations":{"a":"\xc0\xaf"}}', 'latin1')],
  ['a raw control character', '{"layers":[],"annotations":{"a":"\0"}}'],
  ['a string that never ends', `{"${'\\"'.repeat(1_000_000)}`],
]

test('a manifest that is not plain JSON is MANIFEST_INVALID, and nothing is stored', async (t) => {
  const server = await startStowage(t)
  for (const [what, body] of NOT_JSON) {
    const headers = [`Content-Type: ${OCI_MANIFEST}`]
    const byTag = await sendRequest(t, server.url, 'PUT /v2/app/manifests/latest', { body, headers })
    assertRefused(byTag, INVALID, what)
    const line = `PUT /v2/app/manifests/${digestOf(body)}`
    assertRefused(await sendRequest(t, server.url, line, { body, headers }), INVALID, `${what}, by digest`)
  }
  await assertNothingStored(server)
})

const AMBIGUOUS: [what: string, body: string, contentType?: string][] = [
  ['both layers and manifests', '{"layers":[],"manifests":[]}', OCI_MANIFEST],
  ['both layers and manifests, as an index', '{"layers":[],"manifests":[]}', OCI_INDEX],
  ['a field in another case', '{"layers":[],"Manifests":[]}', OCI_MANIFEST],
  ['a field in two cases', `{"config":{"digest":"${ZEROS}","size":1},"CONFIG":null}`, OCI_MANIFEST],
  // Go's JSON reader folds by Unicode: to it U+017F is an "s", so this is "layers" once more.
  ['a field with a long s', '{"layers":[],"layer\u017f":[]}', OCI_MANIFEST],
  ['a field of a descriptor in two cases', descriptorOfTwoDigests('Digest'), OCI_MANIFEST],
  ['a field of a descriptor with a long s', descriptorOfTwoDigests('dige\u017ft'), OCI_MANIFEST],
  ['another mediaType', `{"mediaType":"${OCI_INDEX}","layers":[]}`, OCI_MANIFEST],
  ['another mediaType in case', `{"mediaType":"${OCI_MANIFEST.toUpperCase()}","layers":[]}`, OCI_MANIFEST],
  ['no media type anywhere', '{"layers":[]}'],
  ['a mediaType that is no string', '{"mediaType":["a/b"],"layers":[]}'],
  ['a mediaType with a header in it', '{"mediaType":"a/b\\r\\nX-Injected: yes","layers":[]}'],
  ['a mediaType with parameters', '{"mediaType":"a/b; c=d","layers":[]}'],
  ['a mediaType that is too long', `{"mediaType":"a/${'b'.repeat(128)}","layers":[]}`],
  ['a Content-Type that is none', '{"layers":[]}', 'json'],
  ['a Content-Type beyond ASCII', '{"layers":[]}', 'application/j\u00e9son'],
  ['schema 1', '{"schemaVersion":1,"fsLayers":[]}', 'application/vnd.docker.distribution.manifest.v1+json'],
  ['schemaVersion as text', '{"schemaVersion":"2","layers":[]}', OCI_MANIFEST],
]

function descriptorOfTwoDigests(key: string): string {
  return `{"layers":[],"config":{"mediaType":"a/b","digest":"${digestOf('config')}","size":6,"${key}":"${ZEROS}"}}`
}

test('a manifest that two readers could understand differently is MANIFEST_INVALID, and is not stored', async (t) => {
  const { url } = await startStowage(t)
  await pushBlob(url, 'app', 'config')
  const stored: string[] = []
  for (const [what, body, contentType] of AMBIGUOUS) {
    const headers = contentType === undefined ? [] : [`Content-Type: ${contentType}`]
    const response = await sendRequest(t, url, 'PUT /v2/app/manifests/latest', { body, headers })
    if (response.status === 201) stored.push(what)
    else assertRefused(response, INVALID, what)
  }
  assert.deepEqual(stored, [])
  assert.deepEqual(await (await fetch(`${url}/v2/app/tags/list`)).json(), { name: 'app', tags: [] })
})

const MALFORMED: [what: string, body: object, refusal: Refusal][] = [
  ['layers that are no array', { layers: {} }, INVALID],
  ['layers of numbers', { layers: [1] }, INVALID],
  ['a null layer', { layers: [null] }, INVALID],
  ['a descriptor without digest', { layers: [], config: { size: 1 } }, INVALID],
  ['a descriptor without size', { layers: [], config: { digest: ZEROS } }, INVALID],
  ['a negative size', { layers: [], config: { digest: ZEROS, size: -1 } }, INVALID],
  ['half a byte', { layers: [], config: { digest: ZEROS, size: 0.5 } }, INVALID],
  ['a size as text', { layers: [], config: { digest: ZEROS, size: '1' } }, INVALID],
  ['a size beyond all numbers', { layers: [], config: { digest: ZEROS, size: 1e300 } }, INVALID],
  ['a digest with a path', { layers: [], config: { digest: 'sha256:../../etc', size: 1 } }, INVALID],
  ['a subject that is a string', { layers: [], subject: ZEROS }, INVALID],
  ['annotations of numbers', { layers: [], annotations: { a: 1 } }, INVALID],
  ['annotations in an array', { layers: [], annotations: ['a'] }, INVALID],
  ['an artifactType that is no string', { layers: [], artifactType: {} }, INVALID],
  ['a config that is nowhere', { layers: [], config: { digest: ZEROS, size: 1 } }, BLOB_UNKNOWN],
  ['a layer that is nowhere', { layers: [{ digest: ZEROS, size: 1 }] }, BLOB_UNKNOWN],
  ['a child that is nowhere', { manifests: [{ digest: ZEROS, size: 1 }] }, BLOB_UNKNOWN],
]

test('a manifest with malformed or missing parts is refused with its code, and nothing is stored', async (t) => {
  const server = await startStowage(t)
  for (const [what, parts, refusal] of MALFORMED) {
    const { bytes, mediaType } = manifestOf(parts)
    const headers = [`Content-Type: ${mediaType}`]
    const response = await sendRequest(t, server.url, 'PUT /v2/app/manifests/latest', {
      body: bytes,
      headers,
    })
    assertRefused(response, refusal, what)
  }
  await assertNothingStored(server)
})

test('a manifest of more than 4 MiB is refused with 413, with and without a length, and nothing is stored', async (t) => {
  const server = await startStowage(t)
  for (const size of [MAX_SIZE + 1, 6 * MIB]) {
    const body = manifestOfSize(size)
    assert.equal(body.length, size)
    for (const reference of ['latest', digestOf(body)]) {
      const line = `PUT /v2/app/manifests/${reference}`
      const headers = [`Content-Type: ${OCI_MANIFEST}`]
      assertRefused(await sendRequest(t, server.url, line, { body, headers }), TOO_LARGE, line)
      const chunkedHead = head(line, ...headers, 'Transfer-Encoding: chunked')
      const pieces = [body.subarray(0, 100_000), body.subarray(100_000)]
      const response = await sendRaw(t, server.url, chunkedHead, chunkedBody(...pieces))
      assertRefused(response, TOO_LARGE, `${line}, in chunks`)
    }
  }
  await assertNothingStored(server)
})

test('a manifest of exactly 4 MiB is stored, with and without a length', async (t) => {
  const { url } = await startStowage(t)
  const body = manifestOfSize(MAX_SIZE)
  const headers = [`Content-Type: ${OCI_MANIFEST}`]
  const whole = await sendRequest(t, url, 'PUT /v2/app/manifests/whole', { body, headers })
  assert.equal(whole.status, 201)
  const chunkedHead = head('PUT /v2/app/manifests/chunked', ...headers, 'Transfer-Encoding: chunked')
  const inChunks = await sendRaw(t, url, chunkedHead, chunkedBody(body.subarray(0, MIB), body.subarray(MIB)))
  assert.equal(inChunks.status, 201)
  const pulled = await fetch(`${url}/v2/app/manifests/chunked`)
  assert.equal(digestOf(new Uint8Array(await pulled.arrayBuffer())), digestOf(body))
})

test('a manifest that names very many absent layers is refused with a body smaller than itself', async (t) => {
  const server = await startStowage(t)
  const layers = Array.from({ length: 39_000 }, (_, index) => ({
    digest: `sha256:${index.toString(16).padStart(64, '0')}`,
    size: 1,
  }))
  const { bytes, mediaType } = manifestOf({ layers })
  assert.ok(bytes.length <= MAX_SIZE)
  const headers = [`Content-Type: ${mediaType}`]
  const line = 'PUT /v2/app/manifests/latest'
  const response = await sendRequest(t, server.url, line, { body: bytes, headers })
  assertRefused(response, BLOB_UNKNOWN, line)
  await assertNothingStored(server)
  assert.ok(response.body.length < bytes.length, `${response.body.length} bytes for ${bytes.length}`)
})
