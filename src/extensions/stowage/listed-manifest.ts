import { MEDIA_TYPES } from '../../oci/media-type.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { type JsonSchema, schemaNamed } from '../../oci/schema.ts'
import { formatTime } from '../../oci/time.ts'
import type { ListedManifest } from '../../registry/registry.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'
const TIME: JsonSchema = { type: 'string', format: 'date-time' }

/** The forms of manifests in lists. */
export const MANIFEST_LIST_SCHEMAS = {
  ManifestList: {
    type: 'object',
    description: 'Manifests of a repository.',
    required: ['name', 'manifests'],
    additionalProperties: false,
    properties: {
      name: schemaNamed('RepositoryName'),
      manifests: { type: 'array', items: { $ref: '#/components/schemas/ListedManifest' } },
    },
  },
  ListedManifest: {
    type: 'object',
    description: 'A manifest: its descriptor, and what the repository knows of it.',
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
          'Those that point to it, in byte order; at most 1,000, and then it comes again on the next page with the others.',
      },
      parents: {
        type: 'array',
        items: schemaNamed('Digest'),
        minItems: 1,
        maxItems: 100,
        description:
          'The manifests of the repository that name it, in byte order; the first hundred of more.',
      },
      missing: {
        type: 'array',
        items: schemaNamed('Digest'),
        minItems: 1,
        maxItems: 100,
        description:
          'The manifests that it names and the repository does not have, in byte order; the first hundred of more. Of an index that names more than 1,000, only among the first of them.',
      },
      subject: schemaNamed('Digest'),
      platform: { $ref: '#/components/schemas/Platform' },
      pushedAt: { ...TIME, description: 'When it was pushed first.' },
      pulledAt: { ...TIME, description: 'When it was pulled last, up to a minute late.' },
      totalSize: {
        type: 'integer',
        minimum: 0,
        description: 'Of all that it reaches, itself included and each digest once, in bytes.',
      },
    },
  },
  Platform: {
    type: 'object',
    description: 'What an image runs on, as its config says.',
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
    description: 'Manifests of a repository as an OCI image index, once for each of their tags.',
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
    description: `A descriptor; the annotation ${REF_NAME} is the tag.`,
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

/** A page of manifests as our own answer has it. */
export function listOf(
  name: RepositoryName,
  manifests: readonly ListedManifest[],
  showsPulls: boolean,
): object {
  return { name, manifests: manifests.map((manifest) => entryOf(manifest, showsPulls)) }
}

/** A page of manifests as an OCI index, in which each entry has one tag at most. */
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
  // Here it would say that the manifest has a tag, which what was pushed can't know.
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
