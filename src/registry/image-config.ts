import type { BlobRecord } from '../metadata/blobs.ts'
import type { Digest } from '../oci/digest.ts'
import { parseJson } from '../oci/json.ts'
import type { Labels } from '../oci/label-selector.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { RegistryParts } from './parts.ts'
import { openBytes, readAll } from './stored-bytes.ts'

const MAX_CONFIG_SIZE = 4 * 1024 * 1024
/** The values that a client can name in a filter. */
const PLATFORM_PART = /^[A-Za-z0-9._-]{1,64}$/
/** Labels are stored for each manifest. Without this limit, one config could fill the store through many small manifests. */
const MAX_LABELS_SIZE = 64 * 1024

/** What an image config says about its image. Fields that are absent or malformed are empty. */
export interface ImageDescription {
  labels?: Labels
  /** `os/architecture[/variant]` */
  platform?: string
}

/** Reads the config of an image that is being pushed. An invalid config is not a reason to refuse the image. */
export async function readImageConfig(
  parts: Pick<RegistryParts, 'metadata' | 'blobs'>,
  repository: RepositoryName,
  digest: Digest,
): Promise<ImageDescription> {
  try {
    const blob = await parts.metadata.blobs.find(repository, digest)
    return blob === undefined ? {} : await describeConfig(parts, blob)
  } catch {
    return {}
  }
}

/** Reads an image config from where it is stored. @throws the error of the blob store if it can't be read */
export async function describeConfig(
  { blobs }: Pick<RegistryParts, 'blobs'>,
  { size, content }: BlobRecord,
): Promise<ImageDescription> {
  if (size === 0 || size > MAX_CONFIG_SIZE) return {}
  if (content.key === undefined) return parseImageConfig(content.bytes)
  const opened = await openBytes(blobs, { key: content.key, range: { start: 0, end: size - 1 } })
  return opened === undefined ? {} : parseImageConfig(await readAll(opened))
}

/** Reads the labels and the platform of an image config. @see OCI Image Specification, config.md */
export function parseImageConfig(bytes: Uint8Array): ImageDescription {
  const body = parseOrNothing(bytes)
  if (!isObject(body)) return {}
  const labels = labelsOf(body.config)
  const platform = platformOf(body)
  return { ...(labels && { labels }), ...(platform && { platform }) }
}

type JsonObject = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseOrNothing(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes)
  } catch {
    return undefined
  }
}

function labelsOf(config: unknown): Labels | undefined {
  const labels = isObject(config) ? config.Labels : undefined
  if (!isObject(labels) || !Object.values(labels).every((value) => typeof value === 'string'))
    return undefined
  if (Object.keys(labels).length === 0 || Buffer.byteLength(JSON.stringify(labels)) > MAX_LABELS_SIZE)
    return undefined
  return labels as Labels
}

function platformOf({ os, architecture, variant }: JsonObject): string | undefined {
  const parts = [os, architecture, ...(variant ? [variant] : [])]
  return parts.every((part) => typeof part === 'string' && PLATFORM_PART.test(part))
    ? parts.join('/')
    : undefined
}
