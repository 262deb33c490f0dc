import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Manifest, parseManifest } from './manifest.ts'
import { MEDIA_TYPES } from './media-type.ts'
import { TextError } from './text-error.ts'

const [A, B, C] = ['a', 'b', 'c'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string, string]
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
const CONFIG = 'application/vnd.oci.image.config.v1+json'

function descriptor(digest: string, extra: object = {}): object {
  return { mediaType: LAYER, digest, size: 10, ...extra }
}

const CONFIG_A = descriptor(A, { mediaType: CONFIG })
const IMAGE = { schemaVersion: 2, config: CONFIG_A, layers: [descriptor(B), descriptor(C)] }

function parse(body: unknown, contentType?: string): Manifest {
  return parseManifest(Buffer.from(JSON.stringify(body)), contentType)
}

function assertInvalid(body: unknown, message: RegExp, contentType?: string): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  assert.throws(
    () => parseManifest(Buffer.from(text), contentType),
    (error) => error instanceof TextError && message.test(`manifest ${error.message}`),
    `${text.slice(0, 200)} with ${contentType}`,
  )
}

/** Edges in short: the kind, the first digit of the digest, and a question mark if it need not be there. */
function edgesOf({ edges }: Manifest): string[] {
  return edges.map(({ kind, digest, required }) => `${kind} ${digest.at(-1)}${required ? '' : '?'}`)
}

test('an OCI image names its config and its layers', () => {
  const manifest = parse({ ...IMAGE, mediaType: MEDIA_TYPES.ociManifest, annotations: { a: 'b' } })
  assert.deepEqual(edgesOf(manifest), ['config a', 'layer b', 'layer c'])
  assert.deepEqual(
    { ...manifest, edges: [] },
    {
      mediaType: MEDIA_TYPES.ociManifest,
      artifactType: CONFIG,
      annotations: { a: 'b' },
      edges: [],
      imageConfig: A,
    },
  )
})

test('an artifact has its own type before that of its config', () => {
  const subject = descriptor(C)
  const manifest = parse({ ...IMAGE, artifactType: 'application/x', subject }, MEDIA_TYPES.ociManifest)
  assert.equal(manifest.artifactType, 'application/x')
  assert.equal(manifest.subject, C)
  assert.equal(parse({ ...IMAGE, artifactType: '' }).artifactType, CONFIG)
})

test('an OCI index names its manifests, whatever their types are', () => {
  const manifests = [descriptor(A), descriptor(B, { platform: { os: 'linux', architecture: 'arm64' } })]
  const index = { schemaVersion: 2, manifests, subject: descriptor(C), artifactType: 'application/x' }
  const manifest = parse(index)
  assert.equal(manifest.mediaType, MEDIA_TYPES.ociIndex)
  assert.deepEqual(edgesOf(manifest), ['manifest a', 'manifest b'])
  assert.equal(manifest.subject, C)
  assert.equal(manifest.artifactType, 'application/x')
  assert.deepEqual(edgesOf(parse({ schemaVersion: 2, manifests: [] })), [])
})

test('Docker manifests and lists are read as their OCI forms are', () => {
  const image = parse({ ...IMAGE, mediaType: MEDIA_TYPES.dockerManifest }, MEDIA_TYPES.dockerManifest)
  assert.equal(image.mediaType, MEDIA_TYPES.dockerManifest)
  assert.deepEqual(edgesOf(image), ['config a', 'layer b', 'layer c'])
  const mediaType = MEDIA_TYPES.dockerManifestList
  const list = parse({ schemaVersion: 2, mediaType, manifests: [descriptor(A), descriptor(A)] }, mediaType)
  assert.equal(list.mediaType, mediaType)
  assert.deepEqual(edgesOf(list), ['manifest a', 'manifest a'])
})

test('the index of a build cache names blobs among its manifests', () => {
  const config = descriptor(C, { mediaType: 'application/vnd.buildkit.cacheconfig.v0' })
  const cache = parse({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: [descriptor(A), config],
  })
  assert.deepEqual(edgesOf(cache), ['manifest a', 'manifest c'])
})

test('an artifact manifest names blobs', () => {
  const mediaType = 'application/vnd.oci.artifact.manifest.v1+json'
  const artifact = parse({ mediaType, artifactType: 'a/b', blobs: [descriptor(A)], subject: descriptor(B) })
  assert.deepEqual(edgesOf(artifact), ['layer a'])
  assert.equal(artifact.subject, B)
})

test('any JSON object is a manifest of the type that its Content-Type says', () => {
  const manifest = parse({ anything: [1, { digest: 'x' }] }, 'application/x+json; charset=utf-8')
  assert.deepEqual(manifest, { mediaType: 'application/x+json', edges: [] })
})

test('layers whose bytes may lie elsewhere are not required', () => {
  const foreign = [
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  ]
  const layers = [
    ...foreign.map((mediaType) => descriptor(A, { mediaType })),
    descriptor(B, { urls: ['https://example.com/layer'] }),
    descriptor(C, { urls: [] }),
    descriptor(C, { urls: 'https://example.com' }),
    descriptor(C, { urls: null }),
  ]
  assert.deepEqual(edgesOf(parse({ ...IMAGE, layers })), [
    'config a',
    'layer a?',
    'layer a?',
    'layer b?',
    'layer c',
    'layer c',
    'layer c',
  ])
})

test('a config and the manifests of an index are required wherever they say that they lie', () => {
  const urls = { urls: ['https://example.com'] }
  assert.deepEqual(edgesOf(parse({ ...IMAGE, config: descriptor(A, urls), layers: [] })), ['config a'])
  assert.deepEqual(edgesOf(parse({ manifests: [descriptor(B, urls)] })), ['manifest b'])
})

test('fields that are null count as absent, as writers in Go leave them', () => {
  const manifest = parse(
    { schemaVersion: 2, config: null, layers: null, blobs: null, annotations: null, artifactType: null },
    'application/x+json',
  )
  assert.deepEqual(manifest, { mediaType: 'application/x+json', edges: [] })
})

test('the media type is that of the body, of the header, or of the structure', () => {
  const { ociManifest, ociIndex, dockerManifest } = MEDIA_TYPES
  assert.equal(parse(IMAGE).mediaType, ociManifest)
  assert.equal(parse(IMAGE, dockerManifest).mediaType, dockerManifest)
  assert.equal(parse({ ...IMAGE, mediaType: dockerManifest }).mediaType, dockerManifest)
  assert.equal(parse({ manifests: [] }).mediaType, ociIndex)
  assert.equal(
    parse({ manifests: [], mediaType: ociIndex }, `${ociIndex}; charset=utf-8`).mediaType,
    ociIndex,
  )
})

test('media types that are malformed, differ or cannot be known are refused', () => {
  const { ociManifest, ociIndex } = MEDIA_TYPES
  for (const contentType of ['', 'json', 'a/b/c', '*/*', 'a/b, c/d'])
    assertInvalid(IMAGE, /Content-Type/, contentType)
  for (const mediaType of ['', 'json', 'a/b; c=d', ' a/b', 'a/b\n', 7, {}, ['a/b']]) {
    assertInvalid({ ...IMAGE, mediaType }, /mediaType/)
  }
  assertInvalid({ ...IMAGE, mediaType: ociIndex }, /has the "mediaType"/, ociManifest)
  for (const body of [
    {},
    { config: CONFIG_A },
    { layers: [] },
    { config: 1, layers: [] },
    { manifests: {} },
  ]) {
    assertInvalid(body, /neither/)
  }
})

test('what is not a JSON object is refused', () => {
  for (const text of [
    '',
    ' ',
    'null',
    '[]',
    '[{}]',
    '1',
    '"a"',
    'true',
    '{',
    '{}{}',
    `${JSON.stringify(IMAGE)},`,
    '\ufeff{}',
  ]) {
    assertInvalid(text, /manifest is not/, 'application/vnd.a')
  }
  assertInvalid('{"a":1,"a":2}', /twice/, 'application/vnd.a')
  assertInvalid('{"__proto__":{}}', /__proto__/, 'application/vnd.a')
  assertInvalid(`{"a":${'['.repeat(70)}${']'.repeat(70)}}`, /levels/, 'application/vnd.a')
})

test('schema 1, and any other version than 2, is refused', () => {
  const schema1 = { schemaVersion: 1, name: 'a', tag: 'b', fsLayers: [{ blobSum: A }], history: [] }
  assertInvalid(schema1, /schema 1/, 'application/vnd.docker.distribution.manifest.v1+prettyjws')
  for (const schemaVersion of [0, 1, 3, 2.5, '2', true, [2]])
    assertInvalid({ ...IMAGE, schemaVersion }, /schemaVersion/)
})

test('what could be an image and an index at once is refused', () => {
  assertInvalid({ ...IMAGE, manifests: [descriptor(A)] }, /both/)
  assertInvalid({ ...IMAGE, manifests: [] }, /both/)
})

test('a field in another case is refused, since some readers would take it', () => {
  for (const key of [
    'Layers',
    'LAYERS',
    'Config',
    'MediaType',
    'mediatype',
    'SchemaVersion',
    'Manifests',
    'Subject',
    'artifacttype',
    'Annotations',
    'Blobs',
  ]) {
    assertInvalid({ ...IMAGE, [key]: null }, /must be spelled/)
  }
})

test('a field in another case is refused also where only Unicode folds it to ours, as readers in Go do', () => {
  for (const key of ['layerſ', 'manifeſts', 'ſubject', 'annotationſ', 'blobſ', 'ſchemaVersion']) {
    assertInvalid({ ...IMAGE, [key]: null }, /must be spelled/)
  }
})

test('a field of a descriptor in another case is refused as well', () => {
  for (const extra of [
    { Digest: B },
    { DIGEST: B },
    { Size: 11 },
    { ſize: 11 },
    { MediaType: 'a/b' },
    { URLs: ['x'] },
  ]) {
    const other = descriptor(A, extra)
    assertInvalid({ ...IMAGE, config: other }, /must be spelled/)
    assertInvalid({ ...IMAGE, layers: [descriptor(A), other] }, /must be spelled/)
    assertInvalid({ ...IMAGE, subject: other }, /must be spelled/)
    assertInvalid({ manifests: [other] }, /must be spelled/)
  }
})

test('fields that only look like ours are let through', () => {
  const extra = {
    layer: 1,
    'layers ': 2,
    Layerz: 3,
    signatures: [],
    constructor: 4,
    history: [{ Layers: 5 }],
  }
  assert.deepEqual(edgesOf(parse({ ...IMAGE, ...extra })), ['config a', 'layer b', 'layer c'])
  const annotations = { Layers: 'x', digest: 'y', Digest: 'z' }
  assert.deepEqual(parse({ ...IMAGE, annotations }).annotations, annotations)
})

test('a field that no reader takes for ours may stand beside it', () => {
  for (const key of ['conﬁg', 'laýers', 'layers ', 'layer', 'ßubject'])
    assert.deepEqual(edgesOf(parse({ ...IMAGE, [key]: 1 })), ['config a', 'layer b', 'layer c'])
})

test('descriptors that are none are refused, wherever they are', () => {
  const broken = [
    1,
    'sha256:x',
    [],
    null,
    {},
    { digest: A },
    { size: 1 },
    descriptor(`${A}0`),
    descriptor('sha256:../../etc/passwd'),
    descriptor(''),
    ...[-1, 0.5, '10', null, true, 2 ** 53, 1e300].map((size) => descriptor(A, { size })),
    { size: 1, digest: 7 },
    { size: 1, digest: [A] },
  ]
  for (const other of broken) {
    if (other !== null) assertInvalid({ config: other }, /"config"/, 'application/vnd.a')
    if (other !== null) assertInvalid({ subject: other }, /"subject"/, 'application/vnd.a')
    for (const field of ['layers', 'manifests', 'blobs']) {
      assertInvalid({ [field]: [descriptor(A), other] }, new RegExp(`"${field}"`), 'application/vnd.a')
    }
  }
})

test('descriptors with size zero, the largest size, and unknown algorithms are accepted', () => {
  const layers = [
    descriptor(A, { size: 0 }),
    descriptor(B, { size: Number.MAX_SAFE_INTEGER }),
    descriptor('x:c'),
  ]
  assert.deepEqual(edgesOf(parse({ ...IMAGE, layers })), ['config a', 'layer a', 'layer b', 'layer c'])
})

test('lists that are not arrays, and annotations and types that are not strings, are refused', () => {
  for (const list of [{}, { length: 1, 0: descriptor(A) }, 'x', 1, true]) {
    assertInvalid({ ...IMAGE, layers: list }, /"layers"|neither/)
    assertInvalid({ blobs: list }, /"blobs"/, 'application/vnd.a')
    assertInvalid({ manifests: list }, /"manifests"/, 'application/vnd.a')
  }
  for (const annotations of [[], ['a'], 'a', 1, { a: 1 }, { a: null }, { a: {} }]) {
    assertInvalid({ ...IMAGE, annotations }, /annotations/)
  }
  for (const artifactType of [1, {}, ['a/b'], true]) assertInvalid({ ...IMAGE, artifactType }, /artifactType/)
  assertInvalid({ ...IMAGE, config: descriptor(A, { mediaType: 1 }) }, /mediaType/)
})

test('a manifest with ten thousand layers is read', () => {
  const layers = Array.from({ length: 10_000 }, (_, index) =>
    descriptor(`sha256:${String(index).padStart(64, '0')}`),
  )
  assert.equal(parse({ ...IMAGE, layers }).edges.length, 10_001)
})
