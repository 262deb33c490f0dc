import { HASH_ALGORITHMS } from '../oci/digest.ts'
import { ERRORS } from '../oci/error.ts'

/** A JSON Schema of the 2020-12 edition, which OpenAPI 3.1 uses. */
export type JsonSchema = Readonly<Record<string, unknown>>

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const ALGORITHMS = Object.entries(HASH_ALGORITHMS)
const KNOWN_DIGESTS = ALGORITHMS.map(([name, length]) => `${name}:[0-9a-f]{${length}}`)
const OTHER_ALGORITHM = `(?!(?:${Object.keys(HASH_ALGORITHMS).join('|')}):)[a-z0-9]+(?:[+._-][a-z0-9]+)*`

/** A schema of {@link SCHEMAS} by its name. */
export function schemaNamed(name: keyof typeof SCHEMAS): JsonSchema {
  return { $ref: `#/components/schemas/${name}` }
}

/** The form of the API's input and output. The grammars repeat those of the parsers in `src/oci`; a test keeps them consistent. */
export const SCHEMAS = {
  RepositoryName: {
    type: 'string',
    description: 'The name of a repository, which may contain slashes.',
    maxLength: 255,
    pattern: `^${COMPONENT}(?:/${COMPONENT})*$`,
    examples: ['library/alpine'],
  },
  Tag: {
    type: 'string',
    description: 'A name for a manifest in a repository.',
    pattern: '^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$',
    examples: ['latest'],
  },
  Digest: {
    type: 'string',
    description: `The hash of some content, which identifies it. Pushed content must use one of ${ALGORITHMS.map(([name]) => name).join(', ')}.`,
    maxLength: 255,
    pattern: `^(?:${[...KNOWN_DIGESTS, `${OTHER_ALGORITHM}:[a-zA-Z0-9=_-]+`].join('|')})$`,
    examples: [`sha256:${'0'.repeat(64)}`],
  },
  HashAlgorithm: {
    type: 'string',
    description: 'A hash algorithm that this registry supports.',
    enum: Object.keys(HASH_ALGORITHMS),
  },
  Reference: {
    description: 'A tag or a digest. Only a digest contains a colon.',
    anyOf: [{ $ref: '#/components/schemas/Tag' }, { $ref: '#/components/schemas/Digest' }],
  },
  UploadId: {
    type: 'string',
    description: 'The id of an upload, which is opaque to clients.',
    pattern: '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9a-f]{32}$',
  },
  Empty: { type: 'object', description: 'An empty object.', additionalProperties: false },
  RepositoryList: {
    type: 'object',
    description: 'Names of repositories, in byte order.',
    required: ['repositories'],
    additionalProperties: false,
    properties: { repositories: { type: 'array', items: { $ref: '#/components/schemas/RepositoryName' } } },
  },
  TagList: {
    type: 'object',
    description: 'Tags of a repository, in byte order.',
    required: ['name', 'tags'],
    additionalProperties: false,
    properties: {
      name: { $ref: '#/components/schemas/RepositoryName' },
      tags: { type: 'array', items: { $ref: '#/components/schemas/Tag' } },
    },
  },
  Descriptor: {
    type: 'object',
    description: 'A reference to a manifest in a list.',
    required: ['mediaType', 'digest', 'size'],
    additionalProperties: false,
    properties: {
      mediaType: { type: 'string' },
      digest: { $ref: '#/components/schemas/Digest' },
      size: { type: 'integer', minimum: 0 },
      artifactType: { type: 'string' },
      annotations: { type: 'object', additionalProperties: { type: 'string' } },
    },
  },
  ReferrersIndex: {
    type: 'object',
    description: 'An OCI image index of the manifests that refer to a subject.',
    required: ['schemaVersion', 'mediaType', 'manifests'],
    additionalProperties: false,
    properties: {
      schemaVersion: { const: 2 },
      mediaType: { const: 'application/vnd.oci.image.index.v1+json' },
      manifests: { type: 'array', items: { $ref: '#/components/schemas/Descriptor' } },
    },
  },
  ExtensionList: {
    type: 'object',
    description: 'The extensions that have endpoints at the requested level: the registry, or a repository.',
    required: ['extensions'],
    additionalProperties: false,
    properties: {
      extensions: {
        type: 'array',
        items: {
          type: 'object',
          required: ['name', 'url', 'description', 'endpoints'],
          additionalProperties: false,
          properties: {
            name: { type: 'string', pattern: '^_[a-z0-9]+(?:[._-][a-z0-9]+)*$' },
            url: { type: 'string', pattern: '^https?://' },
            description: { type: 'string' },
            endpoints: { type: 'array', minItems: 1, uniqueItems: true, items: { type: 'string' } },
          },
        },
      },
    },
  },
  Manifest: {
    type: 'object',
    description:
      'A JSON object of at most 4 MiB. It is interpreted by its structure, whatever its media type.',
  },
  Errors: {
    type: 'object',
    description: 'Why a request was refused.',
    required: ['errors'],
    additionalProperties: false,
    properties: {
      errors: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          required: ['code', 'message', 'detail'],
          additionalProperties: false,
          properties: {
            code: {
              type: 'string',
              enum: [...new Set(Object.values(ERRORS).map(({ code }) => code))].sort(),
            },
            message: { type: 'string', minLength: 1 },
            detail: {
              type: 'object',
              description: 'The error, and details whose structure depends on it.',
              required: ['reason', 'requestId'],
              properties: {
                reason: {
                  type: 'string',
                  description: 'Which error it is. Several errors have the same `code`.',
                  enum: Object.keys(ERRORS).sort(),
                },
                requestId: { type: 'string', description: 'The id of the request, as in `X-Request-Id`.' },
              },
            },
          },
        },
      },
    },
  },
} as const satisfies Record<string, JsonSchema>
