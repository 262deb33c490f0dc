import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Manifest, parseManifest } from '../../src/oci/manifest.ts'
import { TextError } from '../../src/oci/text-error.ts'
import { digests } from './names.ts'
import { holds } from './property.ts'

const FIELDS = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'blobs',
  'manifests',
  'subject',
  'annotations',
] as const
const DESCRIPTOR_FIELDS = [
  'mediaType',
  'digest',
  'size',
  'urls',
  'annotations',
  'data',
  'platform',
  'artifactType',
]

const MEDIA_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/x+json',
]
const LAYER_TYPES = [
  'application/vnd.oci.image.layer.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
]

type Fields = Readonly<Record<string, unknown>>

/** Undefined if the manifest was refused, in the one way that is documented. */
function read(body: unknown, contentType?: string): Manifest | undefined {
  try {
    return parseManifest(Buffer.from(JSON.stringify(body)), contentType)
  } catch (error) {
    assert.ok(error instanceof TextError, String(error))
    return undefined
  }
}

const soundDescriptors = fc.record(
  {
    mediaType: fc.constantFrom(...LAYER_TYPES),
    digest: digests,
    size: fc.maxSafeNat(),
    urls: fc.array(fc.webUrl(), { maxLength: 1 }),
    annotations: fc.dictionary(fc.string(), fc.string(), { maxKeys: 1, noNullPrototype: true }),
    artifactType: fc.constantFrom('application/x'),
  },
  { requiredKeys: ['mediaType', 'digest', 'size'], noNullPrototype: true },
)

const annotations = fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), {
  maxKeys: 3,
  noNullPrototype: true,
})
const descriptorLists = fc.array(soundDescriptors, { maxLength: 3 })

/** JSON refuses the key wherever it stands. */
function hasProto(body: Fields): boolean {
  return JSON.stringify(body).includes('"__proto__":')
}

const soundManifests = fc
  .record(
    {
      schemaVersion: fc.constant(2),
      artifactType: fc.constantFrom('application/x', ''),
      subject: soundDescriptors,
      annotations,
      content: fc.oneof(
        fc.record({ config: soundDescriptors, layers: descriptorLists }),
        fc.record({ manifests: descriptorLists }),
        fc.record({ blobs: descriptorLists, config: soundDescriptors }),
      ),
      extra: fc.dictionary(fc.stringMatching(/^x-[a-z]+$/), fc.jsonValue({ maxDepth: 3 }), {
        maxKeys: 2,
        noNullPrototype: true,
      }),
    },
    { requiredKeys: ['content', 'extra'], noNullPrototype: true },
  )
  .map(({ content, extra, ...fields }): Fields => ({ ...fields, ...content, ...extra }))
  .filter((body) => !hasProto(body))

/** What a manifest names, by its fields alone: what no reader may see differently. */
function named(body: Fields): { edges: string[]; subject: unknown } {
  const list = (field: string) => (body[field] ?? []) as Fields[]
  const layers = [...list('layers'), ...list('blobs')].map(({ digest, mediaType, urls }) => {
    const isElsewhere =
      LAYER_TYPES.slice(1).includes(String(mediaType)) || (Array.isArray(urls) && urls.length > 0)
    return `layer ${digest}${isElsewhere ? '?' : ''}`
  })
  const config =
    body.config === undefined || body.config === null ? [] : [`config ${(body.config as Fields).digest}`]
  const manifests = list('manifests').map(({ digest }) => `manifest ${digest}`)
  return {
    edges: [...config, ...layers, ...manifests],
    subject: (body.subject as Fields | undefined)?.digest,
  }
}

function assertNames(manifest: Manifest, body: Fields): void {
  const edges = manifest.edges.map(({ kind, digest, required }) => `${kind} ${digest}${required ? '' : '?'}`)
  assert.deepEqual({ edges, subject: manifest.subject }, named(body))
}

test('every manifest by the specification is read, and names exactly the digests of its fields', () => {
  holds(fc.tuple(soundManifests, fc.constantFrom(...MEDIA_TYPES)), ([body, contentType]) => {
    const manifest = read(body, contentType)
    assert.ok(manifest !== undefined)
    assertNames(manifest, body)
    assert.equal(manifest.mediaType, contentType)
    const ofConfig = (body.config as Fields | undefined)?.mediaType
    assert.equal(manifest.artifactType, body.artifactType || ofConfig)
    assert.deepEqual(manifest.annotations, body.annotations)
  })
})

/** Values that are wrong in most fields and right in some. */
const oddValues = fc.oneof(
  fc.constantFrom<unknown>(null, 0, 1, 2, 2.5, -1, 2 ** 53, '', 'a', true, [], {}, [null], [[]], [{}]),
  fc.constantFrom(...MEDIA_TYPES, ...LAYER_TYPES, ' a/b', 'a/b; c=d'),
  fc.jsonValue({ maxDepth: 3 }),
)
const descriptorKeys = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...DESCRIPTOR_FIELDS) },
  { weight: 1, arbitrary: fc.constantFrom('Digest', 'SIZE', 'digeſt', 'urLs', 'x', 'constructor') },
)
const oddDescriptors = fc.oneof(
  { weight: 6, arbitrary: soundDescriptors },
  {
    weight: 2,
    arbitrary: fc
      .tuple(soundDescriptors, descriptorKeys, fc.oneof(oddValues, digests))
      .map(([descriptor, key, value]): Fields => ({ ...descriptor, [key]: value })),
  },
  { weight: 1, arbitrary: oddValues },
)
const fieldNames = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom<string>(...FIELDS) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('Layers', 'layerſ', 'conﬁg', 'MEDIATYPE', 'x', '', 'constructor', 'toString'),
  },
)
const values = fc.oneof(
  oddDescriptors,
  fc.array(oddDescriptors, { maxLength: 3 }),
  fc.constantFrom<unknown>(2, null, 'application/x+json', { a: 'b' }),
  oddValues,
)
/** Any object of the fields' names, and manifests with a field or two that are not theirs. */
const anyManifests: fc.Arbitrary<Fields> = fc.oneof(
  fc.dictionary(fieldNames, values, { maxKeys: 6, noNullPrototype: true }),
  fc
    .tuple(soundManifests, fc.array(fc.tuple(fieldNames, values), { maxLength: 2 }))
    .map(([body, fields]) => ({ ...body, ...Object.fromEntries(fields) })),
)

/** Readers in Go take a field in any case, by the simple folding of Unicode. */
function isMisspelt(key: string, fields: readonly string[]): boolean {
  return fields.some((field) => field !== key && new RegExp(`^${field}$`, 'iu').test(key))
}

function isDescriptor(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { digest, size } = value as Fields
  if (Object.keys(value).some((key) => isMisspelt(key, DESCRIPTOR_FIELDS))) return false
  const isSize = typeof size === 'number' && Number.isInteger(size) && size >= 0 && size < 2 ** 53
  return isSize && typeof digest === 'string' && soundDigest.test(digest)
}

const soundDigest =
  /^(?=.{1,255}$)(sha256:[0-9a-f]{64}|blake3:[0-9a-f]{64}|sha512:[0-9a-f]{128}|(?!(sha256|sha512|blake3):)[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+)$/

const isAbsent = (value: unknown) => value === undefined || value === null
/** A media type without parameters. RFC 6838, section 4.2 */
const isType = (value: unknown) =>
  typeof value === 'string' &&
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/.test(value)
const isText = (value: unknown) => typeof value === 'string'

/** The rules of the contract, one by one. */
function isSound(body: Fields): boolean {
  const { schemaVersion, config, subject, annotations: map, artifactType, mediaType } = body
  const lists = [body.layers, body.blobs, body.manifests]
  const { mediaType: ofConfig } = (config ?? {}) as Fields
  return (
    !Object.keys(body).some((key) => isMisspelt(key, FIELDS)) &&
    (schemaVersion === undefined || schemaVersion === 2) &&
    (isAbsent(body.layers) || isAbsent(body.manifests)) &&
    (isAbsent(mediaType) || mediaType === 'application/x+json') &&
    [artifactType, ofConfig].every((type) => isAbsent(type) || type === '' || isType(type)) &&
    [config, subject].every((value) => isAbsent(value) || isDescriptor(value)) &&
    lists.every((list) => isAbsent(list) || (Array.isArray(list) && list.every(isDescriptor))) &&
    (isAbsent(map) ||
      (typeof map === 'object' && !Array.isArray(map) && Object.values(map as Fields).every(isText)))
  )
}

test('of any object of the fields a manifest is read exactly if each field is sound, and names what they name', () => {
  holds(anyManifests, (body) => {
    const manifest = read(body, 'application/x+json')
    const sent = JSON.parse(JSON.stringify(body)) as Fields
    assert.equal(manifest !== undefined, isSound(sent) && !hasProto(sent), JSON.stringify(body))
    if (manifest !== undefined) assertNames(manifest, sent)
  })
})

test('without a type of its own or in the header, a manifest has that of its structure or none', () => {
  const { ociManifest, ociIndex } = { ociManifest: MEDIA_TYPES[0], ociIndex: MEDIA_TYPES[1] }
  holds(soundManifests, (body) => {
    const expected = body.manifests === undefined ? body.layers && ociManifest : ociIndex
    assert.equal(read(body)?.mediaType, expected)
  })
})

test('any bytes and any Content-Type are read or refused as a manifest', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 50 }),
    fc.json().map((text) => Buffer.from(text)),
    anyManifests.map((body) => Buffer.from(JSON.stringify(body))),
  )
  const types = fc.oneof(fc.constantFrom(undefined, ...MEDIA_TYPES), fc.string({ unit: 'binary' }))
  holds(fc.tuple(bytes, types), ([manifest, contentType]) => {
    try {
      const { mediaType } = parseManifest(manifest, contentType)
      assert.match(mediaType, /^[^\s/;]+\/[^\s/;]+$/)
    } catch (error) {
      assert.ok(error instanceof TextError, String(error))
      assert.ok(error.message.length < 1_000)
    }
  })
})
