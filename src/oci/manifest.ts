import { type Digest, parseDigest } from './digest.ts'
import { parseJson } from './json.ts'
import { isForeignLayer, isManifestType, isSameMediaType, MEDIA_TYPES, parseMediaType } from './media-type.ts'
import { TextError } from './text-error.ts'

/** The largest manifest that is accepted, in bytes. Every client in use can read this size. */
export const MAX_MANIFEST_SIZE = 4 * 1024 * 1024

/** The most annotations of one manifest. Lists repeat them and filters search them. */
const MAX_ANNOTATIONS = 10_000
const MAX_SHOWN = 100

/** A descriptor as a list returns it. @see OCI Image Specification, descriptor.md */
export interface Descriptor {
  mediaType: string
  digest: Digest
  size: number
  artifactType?: string
  annotations?: Readonly<Record<string, string>>
}

/** The role of content in the manifest that names it. */
export type EdgeKind = 'config' | 'layer' | 'manifest'

/** Content that a manifest names. */
export interface Edge {
  kind: EdgeKind
  digest: Digest
  /** In bytes, as the descriptor says. */
  size: number
  /** Whether the content must be in the repository; false for layers whose bytes are stored elsewhere. */
  required: boolean
}

/** What a registry needs to know about a manifest. Its bytes are stored unchanged in addition to this. */
export interface Manifest {
  mediaType: string
  artifactType?: string
  subject?: Digest
  annotations?: Readonly<Record<string, string>>
  edges: readonly Edge[]
  /** The config, if its media type is that of an image. It contains the labels and the platform. */
  imageConfig?: Digest
}

const IMAGE_CONFIGS: readonly string[] = [MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig]

type JsonObject = Readonly<Record<string, unknown>>

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
]
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
const FIELD_OF_FOLDED = foldedFields(FIELDS)
const DESCRIPTOR_FIELD_OF_FOLDED = foldedFields(DESCRIPTOR_FIELDS)

/**
 * Reads a manifest of any media type by its structure: OCI image manifests and indexes, Docker schema 2 manifests and lists, and any other
 * JSON object that uses their fields.
 *
 * @param bytes at most {@link MAX_MANIFEST_SIZE}
 * @param contentType the request's `Content-Type`, if it has one
 * @throws TextError
 * @see OCI Image Specification, manifest.md and image-index.md
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  const body = parseBody(bytes)
  checkFields(body)
  const mediaType = mediaTypeOf(body, contentType)
  const artifactType = artifactTypeOf(body)
  const subject =
    body.subject === undefined || body.subject === null
      ? undefined
      : parseDescriptor(body.subject, 'subject').digest
  const annotations = annotationsOf(body)
  const imageConfig = imageConfigOf(body)
  return {
    mediaType,
    ...(artifactType && { artifactType }),
    ...(subject && { subject }),
    ...(annotations && { annotations }),
    edges: edgesOf(body),
    ...(imageConfig && { imageConfig }),
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Clients treat null as absent. */
function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null
}

function parseBody(bytes: Uint8Array): JsonObject {
  const body = parseJson(bytes)
  if (isObject(body)) return body
  throw new TextError('is not a JSON object')
}

/** Clients written in Go read "Layers" and "layer\u017f" as "layers", so one digest would have two meanings. */
function checkSpelling(object: JsonObject, fieldOfFolded: ReadonlyMap<string, string>): void {
  for (const key of Object.keys(object)) {
    const field = fieldOfFolded.get(fold(key))
    if (field !== undefined && field !== key)
      throw new TextError(`has a field "${key}", which must be spelled "${field}"`)
  }
}

function foldedFields(fields: readonly string[]): ReadonlyMap<string, string> {
  return new Map(fields.map((field) => [fold(field), field]))
}

/** Folds letters as Go does: one to one, so no ligature becomes two letters. Only the long s needs more than lower case. */
function fold(key: string): string {
  return key.toLowerCase().replaceAll('ſ', 's')
}

function checkFields(body: JsonObject): void {
  checkSpelling(body, FIELD_OF_FOLDED)
  if (isPresent(body.layers) && isPresent(body.manifests)) {
    throw new TextError('has both "layers" and "manifests": it must be an image or an index')
  }
  if (body.schemaVersion !== undefined && body.schemaVersion !== 2) {
    throw new TextError('has a "schemaVersion" other than 2; Docker schema 1 is not supported')
  }
}

function mediaTypeOf(body: JsonObject, contentType: string | undefined): string {
  const inBody = body.mediaType
  const inHeader = contentType === undefined ? undefined : parseMediaType(contentType)
  if (contentType !== undefined && inHeader === undefined) throw new TextError('has a malformed Content-Type')
  if (inBody === undefined || inBody === null) {
    if (inHeader === undefined) return guessMediaType(body)
    if (isManifestType(inHeader)) return inHeader.toLowerCase()
    throw new TextError(
      `has the Content-Type ${inHeader}, which is not a manifest type; send the media type of the manifest, such as ${MEDIA_TYPES.ociManifest}`,
    )
  }
  if (typeof inBody !== 'string' || parseMediaType(inBody) !== inBody)
    throw new TextError('has a malformed "mediaType"')
  if (inHeader !== undefined && !isSameMediaType(inHeader, inBody)) {
    throw new TextError(`has the "mediaType" ${inBody}, but its Content-Type is ${inHeader}`)
  }
  if (!isManifestType(inBody))
    throw new TextError(`has the "mediaType" ${inBody}, which is not a manifest type`)
  checkCase(inBody)
  return inBody
}

/** Clients compare a type in the body exactly: to some it would be an image, and to others an unknown type. */
function checkCase(mediaType: string): void {
  const known = Object.values(MEDIA_TYPES).find((type) => isSameMediaType(type, mediaType))
  if (known !== undefined && known !== mediaType)
    throw new TextError(`has the "mediaType" ${mediaType}, which must be spelled ${known}`)
}

function guessMediaType(body: JsonObject): string {
  if (Array.isArray(body.manifests)) return MEDIA_TYPES.ociIndex
  if (isObject(body.config) && Array.isArray(body.layers)) return MEDIA_TYPES.ociManifest
  throw new TextError('has neither a Content-Type nor a "mediaType"')
}

function artifactTypeOf(body: JsonObject): string | undefined {
  const own = optionalType(body, 'artifactType')
  const config = body.config
  const ofConfig = isObject(config) ? optionalType(config, 'mediaType') : undefined
  return own ?? ofConfig
}

/** A media type, which lists repeat. Its grammar also bounds its length. Clients treat an empty one as absent. */
function optionalType(object: JsonObject, field: string): string | undefined {
  const value = optionalString(object, field)
  if (!value) return undefined
  if (parseMediaType(value) === value) return value
  const shown = JSON.stringify(value.slice(0, MAX_SHOWN))
  throw new TextError(
    `has the "${field}" ${shown}, which is not a media type such as application/vnd.example.v1+json`,
  )
}

function optionalString(object: JsonObject, field: string): string | undefined {
  const value = object[field]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw new TextError(`has a "${field}" that is not a string`)
  return value
}

function annotationsOf(body: JsonObject): Record<string, string> | undefined {
  const annotations = body.annotations
  if (annotations === undefined || annotations === null) return undefined
  if (!isObject(annotations) || !Object.values(annotations).every((value) => typeof value === 'string')) {
    throw new TextError('has "annotations" that are not an object of strings')
  }
  const count = Object.keys(annotations).length
  if (count > MAX_ANNOTATIONS)
    throw new TextError(`has ${count} annotations; the maximum is ${MAX_ANNOTATIONS}`)
  return annotations as Record<string, string>
}

function isImageConfig(mediaType: unknown): boolean {
  return typeof mediaType === 'string' && IMAGE_CONFIGS.some((type) => isSameMediaType(type, mediaType))
}

function imageConfigOf({ config }: JsonObject): Digest | undefined {
  if (!isObject(config) || !isImageConfig(config.mediaType)) return undefined
  return parseDescriptor(config, 'config').digest
}

function edgesOf(body: JsonObject): Edge[] {
  const edges: Edge[] = []
  const config = body.config
  if (config !== undefined && config !== null) {
    edges.push({ kind: 'config', ...parseDescriptor(config, 'config'), required: true })
  }
  edges.push(...layerEdges(body, 'layers'))
  edges.push(...layerEdges(body, 'blobs'))
  for (const child of descriptorList(body, 'manifests')) {
    edges.push({ kind: 'manifest', ...parseDescriptor(child, 'manifests'), required: true })
  }
  return edges
}

function layerEdges(body: JsonObject, field: string): Edge[] {
  return descriptorList(body, field).map((layer) => {
    const descriptor = parseDescriptor(layer, field)
    const { mediaType, urls } = layer as JsonObject
    const foreign = typeof mediaType === 'string' && isForeignLayer(mediaType)
    const elsewhere = Array.isArray(urls) && urls.length > 0
    return { kind: 'layer', ...descriptor, required: !foreign && !elsewhere }
  })
}

function descriptorList(body: JsonObject, field: string): unknown[] {
  const list = body[field]
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) throw new TextError(`has a "${field}" that is not an array`)
  return list
}

function parseDescriptor(descriptor: unknown, field: string): { digest: Digest; size: number } {
  if (!isObject(descriptor)) throw new TextError(`has an entry in "${field}" that is not a descriptor`)
  checkSpelling(descriptor, DESCRIPTOR_FIELD_OF_FOLDED)
  const digest = typeof descriptor.digest === 'string' ? parseDigest(descriptor.digest) : undefined
  if (digest === undefined) throw new TextError(`has a descriptor in "${field}" with a malformed digest`)
  const size = descriptor.size
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    throw new TextError(`has a descriptor in "${field}" with a malformed size`)
  }
  return { digest, size: size as number }
}
