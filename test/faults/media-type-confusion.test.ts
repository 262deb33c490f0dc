import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bytesOf,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  digestOf,
  EMPTY_CONFIG,
  errorCodes,
  manifestDescriptor,
  manifestOf,
  OCI_INDEX,
  OCI_MANIFEST,
  pushArtifact,
  pushBlob,
  pushManifest,
} from '../content.ts'
import { type FaultServer, startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }
const PAGE = '<html><script>alert(document.domain)</script></html>'
const IMAGE = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(document.domain)"/>'
const ANNOTATIONS = { 'org.opencontainers.image.title': PAGE, logo: IMAGE, [PAGE]: `javascript:alert(1)"'><` }
/** What a browser would run as a page, or as a script. */
const ACTIVE_TYPES = ['text/html', 'image/svg+xml', 'application/xhtml+xml', 'text/xml', 'text/javascript']

const NEUTRAL_TYPE = /^application\/(?:json|octet-stream|vnd\..+\+json)$/

const LAYER = JSON.stringify(EMPTY_CONFIG)
const CONFUSED: readonly (readonly [what: string, body: string, contentType: string])[] = [
  ['an index that comes as an image', `{"mediaType":"${OCI_INDEX}","manifests":[]}`, OCI_MANIFEST],
  [
    'an image that comes as an index',
    `{"mediaType":"${OCI_MANIFEST}","config":${LAYER},"layers":[]}`,
    OCI_INDEX,
  ],
  [
    'an OCI image that comes as one of Docker',
    `{"mediaType":"${OCI_MANIFEST}","layers":[]}`,
    DOCKER_MANIFEST,
  ],
  ['a Docker list that comes as an image', `{"mediaType":"${DOCKER_LIST}","manifests":[]}`, DOCKER_MANIFEST],
  ['a type in other letters', `{"mediaType":"${OCI_MANIFEST.toUpperCase()}","layers":[]}`, OCI_MANIFEST],
  ['a page that comes as an image', `{"mediaType":"text/html","layers":[]}`, OCI_MANIFEST],
  ['an image that comes as a page', `{"mediaType":"${OCI_MANIFEST}","layers":[]}`, 'text/html'],
  ['a type with a header in it', `{"mediaType":"a/b\\r\\nX-Injected: yes","layers":[]}`, OCI_MANIFEST],
  ['both layers and manifests', `{"config":${LAYER},"layers":[${LAYER}],"manifests":[]}`, OCI_MANIFEST],
  ['both, as an index', `{"layers":[],"manifests":[]}`, OCI_INDEX],
  ['both, one of them in other letters', `{"layers":[],"Manifests":[]}`, OCI_MANIFEST],
  ['layers in two spellings', `{"layers":[],"layer\u017f":[]}`, OCI_MANIFEST],
]

/** Fails unless a browser takes an answer for nothing but data. */
function assertNeutral(response: Response, what: string): void {
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff', what)
  const type = response.headers.get('content-type')
  // An answer without a body has no type.
  if (response.headers.get('content-length') === '0' || NEUTRAL_TYPE.test(type ?? '')) return
  assert.ok(ACTIVE_TYPES.includes(type ?? ''), `${what}: ${type}`)
  assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'.*sandbox/, what)
}

async function get({ url }: FaultServer, path: string): Promise<Response> {
  const response = await fetch(`${url}/v2/${path}`)
  assertNeutral(response, path)
  return response
}

test(
  'fault 40: a manifest that two readers could take for different things is refused',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    await pushBlob(server.url, 'app', '{}')
    for (const [what, body, type] of CONFUSED) {
      for (const reference of ['latest', digestOf(body)]) {
        const path = `${server.url}/v2/app/manifests/${reference}`
        const refused = await fetch(path, { method: 'PUT', headers: { 'Content-Type': type }, body })
        assert.equal(refused.status, 400, what)
        assertNeutral(refused, what)
        assert.deepEqual(await errorCodes(refused), ['MANIFEST_INVALID'], what)
        assert.equal((await get(server, `app/manifests/${reference}`)).status, 404, what)
      }
    }
    await server.close()
  },
)

test(
  'fault 40: a manifest is given out with the one type that it came with, whatever is accepted',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    const image = await pushArtifact(server.url, 'app', {}, 'image')
    const index = manifestOf({ manifests: [manifestDescriptor(image)] }, OCI_INDEX)
    assert.equal((await pushManifest(server.url, 'app', index, 'index')).status, 201)
    for (const [reference, type] of [
      ['image', OCI_MANIFEST],
      ['index', OCI_INDEX],
    ] as const) {
      for (const Accept of [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, 'text/html', '*/*']) {
        const pulled = await fetch(`${server.url}/v2/app/manifests/${reference}`, { headers: { Accept } })
        assert.equal(pulled.headers.get('content-type'), type)
        const digest = digestOf(await bytesOf(pulled))
        assert.equal(pulled.headers.get('docker-content-digest'), digest)
      }
    }
    await server.close()
  },
)

test('fault 40: HTML and SVG in annotations, blobs, types and names run nowhere', PATIENCE, async (t) => {
  const server = await startServer(t)
  const subject = manifestDescriptor(await pushArtifact(server.url, 'app', {}, 'subject'))
  const extra = { annotations: ANNOTATIONS, artifactType: 'text/html', subject }
  const manifest = await pushArtifact(server.url, 'app', extra, 'v1')
  assert.deepEqual(await bytesOf(await get(server, 'app/manifests/v1')), manifest.bytes)
  const referrers = await get(server, `app/referrers/${subject.digest}`)
  const [listed] = ((await referrers.json()) as { manifests: { annotations: object }[] }).manifests
  assert.deepEqual(listed?.annotations, ANNOTATIONS)
  for (const bytes of [PAGE, IMAGE]) {
    const blob = await get(server, `app/blobs/${await pushBlob(server.url, 'app', bytes)}`)
    assert.equal(blob.headers.get('content-type'), 'application/octet-stream')
    assert.match(blob.headers.get('content-security-policy') ?? '', /default-src 'none'.*sandbox/)
  }
  for (const type of ACTIVE_TYPES) {
    const active = manifestOf({ config: EMPTY_CONFIG, layers: [], annotations: ANNOTATIONS }, type)
    const pushed = await pushManifest(server.url, 'app', active, 'active')
    assertNeutral(pushed, type)
    t.diagnostic(`a manifest of type ${type}: ${pushed.status}`)
    if (pushed.status === 201)
      assert.deepEqual(await bytesOf(await get(server, 'app/manifests/active')), active.bytes)
    else assert.deepEqual(await errorCodes(pushed), ['MANIFEST_INVALID'])
  }
  for (const path of [
    `${PAGE}/tags/list`,
    `app/manifests/${PAGE}`,
    `app/blobs/${IMAGE}`,
    `_catalog?n=${PAGE}`,
  ]) {
    assert.ok([400, 404].includes((await get(server, path.replaceAll(' ', '%20'))).status), path)
  }
  await server.close()
})
