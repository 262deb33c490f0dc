import { type JsonSchema, schemaNamed } from '../../api/schema.ts'
import { MEDIA_TYPES } from '../../oci/media-type.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { formatTime } from '../../oci/time.ts'
import type { ListedManifest } from '../../registry/registry.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'
const TIME: JsonSchema = { type: 'string', format: 'date-time' }

/** The forms of manifests in lists. */
export const MANIFEST_LIST_SCHEMAS = {
  ManifestList: {
    type: 'object',
    description: 'Manifests in a repository.',
    required: ['name', 'manifests'],
    additionalProperties: false,
    properties: {
      name: schemaNamed('RepositoryName'),
      manifests: { type: 'array', items: { $ref: '#/components/schemas/ListedManifest' } },
    },
  },
  ListedManifest: {
    type: 'object',
    description: 'The descriptor of a manifest, and what the repository knows about it.',
    required: ['mediaType', 'digest', 'size', 'tags', 'pushedAt', 'totalSize'],
    additionalProperties: false,
    properties: {
      mediaType: { type: 'string' },
      digest: schemaNamed('Digest'),
      size: { type: 'integer', minimum: 0 },
      artifactType: { type: 'string' },
      annotations: { type: 'object', additionalProperties: { type: 'string' } },
      tags: {
        type: 'array',
        items: schemaNamed('Tag'),
        description:
          'The tags that point to it, in byte order. If there are more than 1,000, the manifest is repeated on the next page with the rest of them.',
      },
      parents: {
        type: 'array',
        items: schemaNamed('Digest'),
        minItems: 1,
        maxItems: 100,
        description:
          'The manifests in the repository that reference it, in byte order; at most the first 100.',
      },
      missing: {
        type: 'array',
        items: schemaNamed('Digest'),
        minItems: 1,
        maxItems: 100,
        description:
          'The manifests that it references but the repository does not have, in byte order; at most the first 100. Only the first 1,000 manifests of an index are examined.',
      },
      subject: schemaNamed('Digest'),
      platform: { $ref: '#/components/schemas/Platform' },
      pushedAt: { ...TIME, description: 'When it was first pushed.' },
      pulledAt: { ...TIME, description: 'When it was last pulled; updated within a minute.' },
      totalSize: {
        type: 'integer',
        minimum: 0,
        description:
          'The total size in bytes of the manifest and everything that it references, counting each digest once.',
      },
    },
  },
  Platform: {
    type: 'object',
    description: 'The platform of an image, according to its config.',
    required: ['os', 'architecture'],
    additionalProperties: false,
    properties: {
      os: { type: 'string' },
      architecture: { type: 'string' },
      variant: { type: 'string' },
    },
  },
  ManifestIndex: {
    type: 'object',
    description: 'The manifests in a repository as an OCI image index, with one entry for each tag.',
    required: ['schemaVersion', 'mediaType', 'manifests'],
    additionalProperties: false,
    properties: {
      schemaVersion: { const: 2 },
      mediaType: { const: MEDIA_TYPES.ociIndex },
      manifests: { type: 'array', items: { $ref: '#/components/schemas/IndexedManifest' } },
    },
  },
  IndexedManifest: {
    type: 'object',
    description: `A descriptor, with the tag in the annotation ${REF_NAME}.`,
    required: ['mediaType', 'digest', 'size'],
    additionalProperties: false,
    properties: {
      mediaType: { type: 'string' },
      digest: schemaNamed('Digest'),
      size: { type: 'integer', minimum: 0 },
      artifactType: { type: 'string' },
      annotations: { type: 'object', additionalProperties: { type: 'string' } },
      platform: { $ref: '#/components/schemas/Platform' },
    },
  },
} as const satisfies Record<string, JsonSchema>

/** A page of manifests in Stowage's own format. */
export function listOf(
  name: RepositoryName,
  manifests: readonly ListedManifest[],
  showsPulls: boolean,
): object {
  return { name, manifests: manifests.map((manifest) => entryOf(manifest, showsPulls)) }
}

/** A page of manifests as an OCI index. Each entry has at most one tag. */
export function indexOf(manifests: readonly ListedManifest[]): object {
  return { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: manifests.flatMap(indexEntriesOf) }
}

function entryOf(manifest: ListedManifest, showsPulls: boolean): object {
  const { tags, parents, missing, subject, pushed, pulled, totalSize, annotations } = manifest
  return {
    ...descriptorOf(manifest),
    ...(annotations && { annotations }),
    tags,
    ...(parents.length > 0 && { parents }),
    ...(missing.length > 0 && { missing }),
    ...(subject && { subject }),
    ...platformOf(manifest),
    pushedAt: formatTime(pushed),
    ...(showsPulls && pulled !== undefined && { pulledAt: formatTime(pulled) }),
    totalSize,
  }
}

function indexEntriesOf(manifest: ListedManifest): object[] {
  const descriptor = { ...descriptorOf(manifest), ...platformOf(manifest) }
  const annotations = { ...manifest.annotations }
  // In this place the annotation would mean that the manifest has a tag, which the pushed content can't know.
  delete annotations[REF_NAME]
  const named = manifest.tags.map((tag) => ({ ...annotations, [REF_NAME]: tag }))
  return (named.length > 0 ? named : [annotations]).map((all) => ({
    ...descriptor,
    ...(Object.keys(all).length > 0 && { annotations: all }),
  }))
}

function descriptorOf({ mediaType, digest, size, artifactType }: ListedManifest): object {
  return { mediaType, digest, size, ...(artifactType && { artifactType }) }
}

function platformOf({ platform }: ListedManifest): object {
  if (platform === undefined) return {}
  const [os, architecture, variant] = platform.split('/')
  return { platform: { os, architecture, ...(variant && { variant }) } }
}
