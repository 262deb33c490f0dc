import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  bytesOf,
  DOCKER_MANIFEST,
  descriptorOf,
  digestOf,
  EMPTY_CONFIG,
  manifestDescriptor,
  manifestOf,
  OCI_CONFIG,
  OCI_INDEX,
  pushBlob,
  pushImage,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { startForFile } from './file-server.ts'

const { url } = await startForFile()

const CACHE_CONFIG = 'application/vnd.buildkit.cacheconfig.v0'
const FOREIGN_LAYERS = [
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
]

/** The descriptor of bytes that are nowhere. */
function absent(mediaType?: string): { mediaType: string; digest: string; size: number } {
  return descriptorOf(randomBytes(16), mediaType)
}

async function assertAccepted(name: string, manifest: TestManifest, reference = 'v1'): Promise<Response> {
  const pushed = await pushManifest(url, name, manifest, reference)
  assert.equal(pushed.status, 201, await pushed.text())
  const pulled = await fetch(`${url}/v2/${name}/manifests/${reference}`)
  assert.ok(manifest.bytes.equals(await bytesOf(pulled)))
  return pushed
}

/** Fails unless each of the digests is named in an error entry of its own. */
async function assertMissing(pushed: Response, digests: string[]): Promise<void> {
  assert.equal(pushed.status, 400)
  const { errors } = (await pushed.json()) as { errors: { code: string; detail: { digest: string } }[] }
  assert.deepEqual(
    errors.map(({ code, detail }) => ({ code, digest: detail.digest })).sort(byDigest),
    digests.map((digest) => ({ code: 'MANIFEST_BLOB_UNKNOWN', digest })).sort(byDigest),
  )
}

function byDigest(one: { digest: string }, other: { digest: string }): number {
  return one.digest < other.digest ? -1 : 1
}

test('a manifest whose blobs are absent is refused with one MANIFEST_BLOB_UNKNOWN for each digest', async () => {
  const present = await pushBlob(url, 'missing', 'present')
  const [config, first, second] = [absent(OCI_CONFIG), absent(), absent()]
  const layers = [first, { ...first, digest: present }, second, first]
  const manifest = manifestOf({ config, layers })
  await assertMissing(
    await pushManifest(url, 'missing', manifest, 'v1'),
    [config, first, second].map(({ digest }) => digest),
  )
  assert.equal((await fetch(`${url}/v2/missing/manifests/v1`)).status, 404)
  assert.equal((await fetch(`${url}/v2/missing/manifests/${manifest.digest}`)).status, 404)
  const list = (await (await fetch(`${url}/v2/missing/tags/list`)).json()) as { tags: string[] }
  assert.deepEqual(list.tags, [])
})

test('an index whose children are absent is refused with one MANIFEST_BLOB_UNKNOWN for each digest', async () => {
  const child = await pushImage(url, 'children')
  const missing = [absent(OCI_INDEX), absent(DOCKER_MANIFEST)]
  const index = manifestOf({ manifests: [manifestDescriptor(child), ...missing] }, OCI_INDEX)
  const digests = missing.map(({ digest }) => digest)
  await assertMissing(await pushManifest(url, 'children', index, 'v1'), digests)
})

test('what another repository has does not count for the manifests of this one', async () => {
  const child = await pushImage(url, 'elsewhere/source')
  const index = manifestOf({ manifests: [manifestDescriptor(child)] }, OCI_INDEX)
  await assertMissing(await pushManifest(url, 'elsewhere/app', index, 'v1'), [child.digest])
  const digests = referencesOf(child)
  await assertMissing(await pushManifest(url, 'elsewhere/app', child, 'v1'), digests)
})

function referencesOf(manifest: TestManifest): string[] {
  const { config, layers } = JSON.parse(String(manifest.bytes)) as {
    config: { digest: string }
    layers: { digest: string }[]
  }
  return [config, ...layers].map(({ digest }) => digest)
}

test('a manifest whose config or layer is only there as a manifest is refused', async () => {
  const child = await pushImage(url, 'confused')
  await pushBlob(url, 'confused', '{}')
  const asLayer = manifestOf({ config: EMPTY_CONFIG, layers: [manifestDescriptor(child)] })
  await assertMissing(await pushManifest(url, 'confused', asLayer, 'v1'), [child.digest])
})

test('a build cache, whose index names layers and a config that are blobs, is accepted', async () => {
  const layers = [randomBytes(1000), randomBytes(100_000)]
  for (const layer of layers) await pushBlob(url, 'cache', layer)
  await pushBlob(url, 'cache', '{"layers":[]}')
  const manifests = [
    ...layers.map((layer) => descriptorOf(layer)),
    descriptorOf('{"layers":[]}', CACHE_CONFIG),
  ]
  const child = await pushImage(url, 'cache')
  const cache = manifestOf({ manifests: [...manifests, manifestDescriptor(child)] }, OCI_INDEX)
  await assertAccepted('cache', cache)
})

test('foreign layers need not be there, by their type or because they say where they are', async () => {
  await pushBlob(url, 'foreign', '{}')
  const byType = FOREIGN_LAYERS.map((mediaType) => absent(mediaType))
  const byUrls = { ...absent(), urls: ['https://layers.example/1.tar'] }
  await assertAccepted('foreign', manifestOf({ config: EMPTY_CONFIG, layers: [...byType, byUrls] }))
  const without = { ...absent(), urls: [] }
  const pushed = await pushManifest(
    url,
    'foreign',
    manifestOf({ config: EMPTY_CONFIG, layers: [without] }),
    'v2',
  )
  await assertMissing(pushed, [without.digest])
})

test('manifests without layers, without children, without a config and with data are accepted', async () => {
  await pushBlob(url, 'sparse', '{}')
  const withData = { ...EMPTY_CONFIG, data: 'e30=' }
  const accepted = [
    manifestOf({ config: EMPTY_CONFIG, layers: [] }),
    manifestOf({ manifests: [] }, OCI_INDEX),
    manifestOf({ layers: [EMPTY_CONFIG] }),
    manifestOf({ config: null, layers: null, annotations: null }),
    manifestOf({ config: withData, layers: [withData, withData] }),
    manifestOf({ config: EMPTY_CONFIG, layers: [], artifactType: 'application/vnd.example' }),
  ]
  for (const manifest of accepted) await assertAccepted('sparse', manifest)
})

test('a subject need not be there, and OCI-Subject says that it was seen, by digest, by tag and again', async () => {
  await pushBlob(url, 'subjects', '{}')
  const subjects = [
    absent(OCI_INDEX),
    { ...absent(), digest: digestOf('x', 'sha512') },
    { ...absent(), digest: `md5:${'0'.repeat(32)}` },
    { ...absent(), digest: 'test+algorithm+using:alsoSome=Base64-Like_Text' },
  ]
  for (const subject of subjects) {
    const manifests = [
      manifestOf({ config: EMPTY_CONFIG, layers: [], subject }),
      manifestOf({ manifests: [], subject }, OCI_INDEX),
      manifestOf({ config: EMPTY_CONFIG, layers: [], subject }, DOCKER_MANIFEST),
    ]
    for (const manifest of manifests) {
      for (const reference of [manifest.digest, manifest.digest, 'v1', `${manifest.digest}?tag=v2`]) {
        const pushed = await pushManifest(url, 'subjects', manifest, reference)
        assert.equal(pushed.status, 201)
        assert.equal(pushed.headers.get('oci-subject'), subject.digest)
      }
    }
  }
})

test('a manifest without a subject is answered without OCI-Subject', async () => {
  const image = await pushImage(url, 'nosubject')
  const pushed = await pushManifest(url, 'nosubject', image)
  assert.equal(pushed.status, 201)
  assert.equal(pushed.headers.get('oci-subject'), null)
})

test('an attestation can be pushed before the image that it names', async () => {
  const config = Buffer.from('{"os":"linux"}')
  const image = manifestOf({ config: descriptorOf(config, OCI_CONFIG), layers: [] })
  await pushBlob(url, 'before', '{}')
  const subject = manifestDescriptor(image)
  const attestation = manifestOf({ config: EMPTY_CONFIG, layers: [], subject })
  await assertAccepted('before', attestation, attestation.digest)
  await pushBlob(url, 'before', config)
  await assertAccepted('before', image)
  const referrers = await fetch(`${url}/v2/before/referrers/${image.digest}`)
  const { manifests } = (await referrers.json()) as { manifests: { digest: string }[] }
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [attestation.digest],
  )
})
