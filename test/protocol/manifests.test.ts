import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  bytesOf,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  descriptorOf,
  digestOf,
  EMPTY_CONFIG,
  errorCodes,
  manifestDescriptor,
  manifestOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
  pushArtifact,
  pushBlob,
  pushImage,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { startForFile } from './file-server.ts'

const { url } = await startForFile()

/** A manifest of the bytes of a text. */
function manifestOfText(text: string, mediaType: string): TestManifest {
  const bytes = Buffer.from(text)
  return { mediaType, bytes, size: bytes.length, digest: digestOf(bytes) }
}

async function assertPulls(name: string, reference: string, manifest: TestManifest): Promise<void> {
  for (const method of ['HEAD', 'GET']) {
    const pulled = await fetch(`${url}/v2/${name}/manifests/${reference}`, { method })
    assert.equal(pulled.status, 200, `${method} ${reference}`)
    assert.equal(pulled.headers.get('content-type'), manifest.mediaType)
    assert.equal(pulled.headers.get('content-length'), String(manifest.size))
    assert.equal(pulled.headers.get('docker-content-digest'), manifest.digest)
    assert.equal(pulled.headers.get('etag'), `"${manifest.digest}"`)
    const bytes = await bytesOf(pulled)
    assert.ok(bytes.equals(method === 'GET' ? manifest.bytes : Buffer.alloc(0)))
  }
}

async function assertPushed(pushed: Response, name: string, manifest: TestManifest): Promise<void> {
  assert.equal(pushed.status, 201, await pushed.text())
  assert.equal(pushed.headers.get('location'), `/v2/${name}/manifests/${manifest.digest}`)
  assert.equal(pushed.headers.get('docker-content-digest'), manifest.digest)
  assert.equal(pushed.headers.get('content-length'), '0')
}

async function assertRefused(pushed: Response, status: number, code: string): Promise<void> {
  assert.equal(pushed.status, status)
  assert.deepEqual(await errorCodes(pushed), [code])
}

test('a manifest is kept byte for byte, whatever its spacing, order and unknown fields', async () => {
  await pushBlob(url, 'bytes', '{}')
  const config = JSON.stringify({ ...EMPTY_CONFIG, data: 'e30=', 'org.example': [1e3, null] })
  const texts = [
    `{"schemaVersion":2,\n\t"mediaType" : "${OCI_MANIFEST}","config":${config},"layers":[],"x-unknown":{"deep":[1.0,2E5]}}\n\n`,
    `{ "layers":[ ], "zeta":"\\u00e9\\/é", "config":${config}, "mediaType":"${OCI_MANIFEST}", "schemaVersion":2 }`,
  ]
  for (const [index, text] of texts.entries()) {
    const manifest = manifestOfText(text, OCI_MANIFEST)
    const tag = `v${index}`
    await assertPushed(await pushManifest(url, 'bytes', manifest, tag), 'bytes', manifest)
    await assertPulls('bytes', tag, manifest)
    await assertPulls('bytes', manifest.digest, manifest)
  }
})

test('a manifest is served with the media type that it was pushed with, Docker types and unknown ones too', async () => {
  await pushBlob(url, 'types', '{}')
  const image = { config: { ...EMPTY_CONFIG, mediaType: OCI_CONFIG }, layers: [] }
  const manifests = [
    manifestOf(image, OCI_MANIFEST),
    manifestOf({ manifests: [] }, OCI_INDEX),
    manifestOf(image, DOCKER_MANIFEST),
    manifestOf({ manifests: [] }, DOCKER_LIST),
    manifestOf({ anything: true }, 'application/vnd.example.thing.v3+json'),
    manifestOf({ ...image, artifactType: 'application/vnd.example+type' }, OCI_MANIFEST),
  ]
  for (const manifest of manifests) {
    await assertPushed(await pushManifest(url, 'types', manifest), 'types', manifest)
    await assertPulls('types', manifest.digest, manifest)
  }
})

test('a manifest without a mediaType has the one of its Content-Type', async () => {
  const bytes = '{"schemaVersion":2,"manifests":[]}'
  const manifest = manifestOfText(bytes, DOCKER_LIST)
  await assertPushed(await pushManifest(url, 'header', manifest, 'v1'), 'header', manifest)
  await assertPulls('header', 'v1', manifest)
})

test('a manifest without a Content-Type is recognized by its mediaType, or by its fields', async () => {
  await pushBlob(url, 'untyped', '{}')
  const image = { config: EMPTY_CONFIG, layers: [] }
  const manifests = [
    manifestOf(image, DOCKER_MANIFEST),
    manifestOfText(JSON.stringify(image), OCI_MANIFEST),
    manifestOfText('{"manifests":[]}', OCI_INDEX),
  ]
  for (const manifest of manifests) {
    const target = `${url}/v2/untyped/manifests/${manifest.digest}`
    const pushed = await fetch(target, { method: 'PUT', body: new Uint8Array(manifest.bytes) })
    await assertPushed(pushed, 'untyped', manifest)
    await assertPulls('untyped', manifest.digest, manifest)
  }
  const target = `${url}/v2/untyped/manifests/v1`
  await assertRefused(
    await fetch(target, { method: 'PUT', body: new Uint8Array([123, 125]) }),
    400,
    'MANIFEST_INVALID',
  )
})

test('parameters of a Content-Type are dropped', async () => {
  const manifest = manifestOf({ manifests: [] }, OCI_INDEX)
  for (const type of [`${OCI_INDEX}; charset=utf-8`, `${OCI_INDEX};v=1;q="x"`]) {
    await assertPushed(
      await pushManifest(url, 'parameters', { ...manifest, mediaType: type }, 'v1'),
      'parameters',
      manifest,
    )
    await assertPulls('parameters', 'v1', manifest)
  }
})

test('a manifest whose mediaType is not its Content-Type is MANIFEST_INVALID', async () => {
  const manifest = manifestOf({ manifests: [] }, OCI_INDEX)
  for (const mediaType of [DOCKER_LIST, 'application/json', 'nonsense']) {
    await assertRefused(
      await pushManifest(url, 'differs', { ...manifest, mediaType }, 'v1'),
      400,
      'MANIFEST_INVALID',
    )
  }
})

test('a Content-Type means the same in upper case, and is given out in lower case', async () => {
  const body = JSON.stringify({ config: EMPTY_CONFIG, layers: [EMPTY_CONFIG] })
  await pushBlob(url, 'upper', '{}')
  const untyped = manifestOfText(body, OCI_MANIFEST)
  const typed = manifestOf({ manifests: [] }, OCI_INDEX)
  for (const manifest of [untyped, typed]) {
    const mediaType = manifest.mediaType.toUpperCase()
    await assertPushed(await pushManifest(url, 'upper', { ...manifest, mediaType }, 'v1'), 'upper', manifest)
    await assertPulls('upper', 'v1', manifest)
  }
})

test('a known mediaType in the body that is not in lower case is MANIFEST_INVALID', async () => {
  for (const mediaType of [OCI_INDEX.toUpperCase(), OCI_INDEX.replace('oci', 'OCI')]) {
    const manifest = manifestOf({ manifests: [] }, mediaType)
    for (const contentType of [OCI_INDEX, mediaType]) {
      const pushed = await pushManifest(url, 'upper', { ...manifest, mediaType: contentType }, 'v2')
      await assertRefused(pushed, 400, 'MANIFEST_INVALID')
    }
  }
})

const NO_MANIFEST_TYPES = [
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  'application/json',
  'text/plain',
  'text/html',
  'application/vnd.',
  'multipart/form-data',
]

test('a type that no manifest has is MANIFEST_INVALID, as Content-Type and as mediaType', async () => {
  for (const mediaType of NO_MANIFEST_TYPES) {
    const untyped = manifestOfText('{"manifests":[]}', `${mediaType}; boundary=x`)
    await assertRefused(await pushManifest(url, 'no-type', untyped, 'v1'), 400, 'MANIFEST_INVALID')
    const typed = manifestOf({ manifests: [] }, mediaType)
    await assertRefused(await pushManifest(url, 'no-type', typed, 'v1'), 400, 'MANIFEST_INVALID')
  }
  assert.equal((await fetch(`${url}/v2/no-type/tags/list`)).status, 404)
})

test('any type that somebody may have made for a manifest is taken', async () => {
  for (const type of [
    'application/vnd.example.thing.v1',
    'application/vnd.example.thing.v1+json',
    'application/x-thing+json',
    'application/spdx+json',
  ]) {
    const manifest = manifestOfText(JSON.stringify({ manifests: [], annotations: { type } }), type)
    await assertPushed(await pushManifest(url, 'own-types', manifest, 'v1'), 'own-types', manifest)
    await assertPulls('own-types', 'v1', manifest)
  }
})

test('a manifest is served whatever the client accepts', async () => {
  const manifest = await pushImage(url, 'accept', 'v1')
  for (const Accept of ['text/html', DOCKER_LIST, `${OCI_INDEX};q=0.1`, '']) {
    for (const reference of ['v1', manifest.digest]) {
      const pulled = await fetch(`${url}/v2/accept/manifests/${reference}`, { headers: { Accept } })
      assert.equal(pulled.status, 200)
      assert.equal(pulled.headers.get('content-type'), OCI_MANIFEST)
    }
  }
})

test('a Docker schema 1 manifest is refused', async () => {
  const manifest = manifestOfText(
    '{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[],"signatures":[]}',
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
  )
  await assertRefused(await pushManifest(url, 'schema1', manifest, 'v1'), 400, 'MANIFEST_INVALID')
})

test('several tags are set with one push by digest, and OCI-Tag names each', async () => {
  const manifest = await pushImage(url, 'tags')
  const tags = Array.from({ length: 40 }, (_, index) => `v1.${index}`)
  const query = [...tags, 'v1.0'].map((tag) => `tag=${tag}`).join('&')
  const pushed = await pushManifest(url, 'tags', manifest, `${manifest.digest}?${query}`)
  await assertPushed(pushed, 'tags', manifest)
  assert.deepEqual(pushed.headers.get('oci-tag')?.split(', '), tags)
  const list = (await (await fetch(`${url}/v2/tags/tags/list`)).json()) as { tags: string[] }
  assert.deepEqual(list.tags, tags.toSorted())
  for (const tag of ['v1.0', 'v1.39']) await assertPulls('tags', tag, manifest)
})

test('a push by tag may name its digest, and is refused if that is another', async () => {
  const manifest = await pushImage(url, 'claimed')
  const pushed = await pushManifest(url, 'claimed', manifest, `v1?digest=${manifest.digest}`)
  await assertPushed(pushed, 'claimed', manifest)
  assert.equal(pushed.headers.get('oci-tag'), null)
  await assertPulls('claimed', 'v1', manifest)
  const wrong = `v2?digest=${digestOf('something else')}`
  await assertRefused(await pushManifest(url, 'claimed', manifest, wrong), 400, 'DIGEST_INVALID')
  assert.equal((await fetch(`${url}/v2/claimed/manifests/v2`)).status, 404)
})

test('a push by a digest that the bytes do not have is DIGEST_INVALID, and sets no tag', async () => {
  const manifest = await pushImage(url, 'mismatch')
  const changed = { ...manifest, bytes: Buffer.concat([manifest.bytes, Buffer.from('  ')]) }
  const pushed = await pushManifest(url, 'mismatch', changed, `${manifest.digest}?tag=v1`)
  await assertRefused(pushed, 400, 'DIGEST_INVALID')
  assert.equal((await fetch(`${url}/v2/mismatch/manifests/v1`)).status, 404)
  await assertPulls('mismatch', manifest.digest, manifest)
})

test('a manifest exists only in its own repository, for HEAD as for GET', async () => {
  const { digest } = await pushImage(url, 'own/app', 'v1')
  await pushImage(url, 'own/other')
  for (const [name, code] of [
    ['own/other', 'MANIFEST_UNKNOWN'],
    ['own/nowhere', 'NAME_UNKNOWN'],
  ] as const) {
    for (const reference of ['v1', digest]) {
      const target = `${url}/v2/${name}/manifests/${reference}`
      assert.equal((await fetch(target, { method: 'HEAD' })).status, 404)
      await assertRefused(await fetch(target), 404, code)
    }
  }
})

test('after a tag is moved, its earlier manifest can be pulled by its digest', async () => {
  const [first, second] = [await pushImage(url, 'moved', 'v1'), await pushImage(url, 'moved', 'v1')]
  await assertPulls('moved', 'v1', second)
  await assertPulls('moved', first.digest, first)
  await pushManifest(url, 'moved', first, 'v1')
  await assertPulls('moved', 'v1', first)
  await assertPulls('moved', second.digest, second)
})

test('the children of an index are pulled by digest, in an index of indexes too', async () => {
  const children = [await pushImage(url, 'nested'), await pushImage(url, 'nested')]
  const inner = manifestOf({ manifests: children.map(manifestDescriptor) }, OCI_INDEX)
  const outer = manifestOf({ manifests: [manifestDescriptor(inner)] }, DOCKER_LIST)
  await assertPushed(await pushManifest(url, 'nested', inner), 'nested', inner)
  await assertPushed(await pushManifest(url, 'nested', outer, 'v1'), 'nested', outer)
  for (const manifest of [...children, inner, outer]) await assertPulls('nested', manifest.digest, manifest)
})

test('many clients that push one image at once all succeed', async () => {
  const image = await pushImage(url, 'crowd')
  const pushes = Array.from({ length: 12 }, (_, index) => pushManifest(url, 'crowd', image, `v${index % 3}`))
  for (const pushed of await Promise.all(pushes)) await assertPushed(pushed, 'crowd', image)
  const artifact = await pushArtifact(
    url,
    'crowd',
    { annotations: { id: randomBytes(4).toString('hex') } },
    'v0',
  )
  await assertPulls('crowd', 'v0', artifact)
  await assertPulls('crowd', 'v1', image)
  assert.equal(descriptorOf(image.bytes).digest, image.digest)
})
