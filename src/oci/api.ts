import type { ErrorId } from './error.ts'
import { MEDIA_TYPES } from './media-type.ts'
import {
  type Answer,
  headOf,
  type Operation,
  type Parameter,
  type Section,
  WRITE_ERRORS,
} from './operation.ts'
import type { RouteId } from './route.ts'
import { type JsonSchema, schemaNamed } from './schema.ts'

/** The operations of an endpoint by method, in the order in which `Allow` names them. */
export type Operations = Readonly<
  Partial<Record<'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE', Operation>>
>

const SPECIFICATION = 'https://github.com/opencontainers/distribution-spec/blob/main/spec.md'

/** A section of the OCI Distribution Specification. */
function section(title: string): Section {
  return { title, url: `${SPECIFICATION}#${title.toLowerCase().replaceAll(' ', '-')}` }
}

function json(schema: JsonSchema, mediaType: string = MEDIA_TYPES.json): Record<string, JsonSchema> {
  return { [mediaType]: schema }
}

/** Bytes of a form that the description doesn't tell. */
const BYTES: JsonSchema = {}

const CONTENT_HEADERS = ['Docker-Content-Digest', 'ETag', 'Accept-Ranges', 'Content-Security-Policy'] as const

const CONTENT_CONDITIONS = ['If-Match', 'If-None-Match', 'Range', 'If-Range'] as const
const CONTENT_ERRORS = ['NAME_UNKNOWN', 'PRECONDITION_FAILED', 'RANGE_UNSATISFIABLE'] as const

/** What reading content answers, whole, in part or not at all. */
function contentAnswers(mediaType: string): Readonly<Record<number, Answer>> {
  return {
    200: {
      description: 'All of the content, byte for byte as it was pushed.',
      headers: CONTENT_HEADERS,
      content: { [mediaType]: BYTES },
    },
    206: {
      description: 'The range that was asked for; of several ranges, each as a part, in their order.',
      headers: [...CONTENT_HEADERS, 'Content-Range?'],
      content: { [mediaType]: BYTES, 'multipart/byteranges': BYTES },
    },
    304: { description: 'The client has this content, as `If-None-Match` says.', headers: CONTENT_HEADERS },
  }
}

const LIMIT: Parameter = {
  description: 'How many to list at most. A page may be shorter; whether another follows, `Link` says.',
  schema: { type: 'integer', minimum: 0 },
}

const LAST: Parameter = {
  description: 'List what comes behind this.',
  schema: { type: 'string' },
}

const DIGEST: Parameter = { description: 'The digest of the whole blob.', schema: schemaNamed('Digest') }

const UPLOAD_HEADERS = ['Location', 'Docker-Upload-UUID', 'Range'] as const

const BLOB_CREATED: Answer = {
  description: 'The blob is stored durably and part of the repository.',
  headers: ['Location', 'Docker-Content-Digest'],
}

const CHUNK = {
  description: 'Bytes of the blob, of any length, with a `Content-Length` or without.',
  required: false,
  content: { '*/*': BYTES },
}

const CHUNK_ERRORS = [
  'UPLOAD_UNKNOWN',
  'UPLOAD_INVALID',
  'UPLOAD_OUT_OF_ORDER',
  'UPLOAD_TAKEN_OVER',
  'SIZE_INVALID',
  'REPOSITORY_DELETING',
] as const satisfies ErrorId[]

const base: Operation = {
  id: 'base',
  summary: 'Tell that this is a registry',
  section: section('Determining Support'),
  answers: { 200: { description: 'It is.', content: json(schemaNamed('Empty')) } },
  errors: [],
}

const catalog: Operation = {
  id: 'listRepositories',
  summary: 'List the repositories',
  section: {
    title: 'Listing Repositories, of the Docker Registry HTTP API V2',
    url: 'https://distribution.github.io/distribution/spec/api/#listing-repositories',
  },
  query: { n: LIMIT, last: LAST },
  answers: {
    200: {
      description: 'One page of names.',
      headers: ['Link?'],
      content: json(schemaNamed('RepositoryList')),
    },
  },
  errors: ['PARAMETER_INVALID'],
}

const startUpload: Operation = {
  id: 'startUpload',
  summary: 'Begin an upload, push a small blob whole, or mount a blob of another repository',
  description:
    'With `mount` the blob becomes part of this repository if another has it; whatever stands in the way of that, an upload begins. ' +
    'With `digest` the body is the whole blob. Else an upload begins, at the `Location` of the answer.',
  section: section('Pushing blobs'),
  query: {
    digest: { ...DIGEST, description: 'The digest of the blob that is the body.' },
    mount: { description: 'The digest of a blob to mount.', schema: schemaNamed('Digest') },
    from: {
      description: 'The repository to mount it from; any if absent.',
      schema: schemaNamed('RepositoryName'),
    },
    'digest-algorithm': {
      description: 'What the upload will be closed with, so that it can be hashed as it comes.',
      schema: schemaNamed('HashAlgorithm'),
    },
  },
  body: { ...CHUNK, description: 'The whole blob, if `digest` is given.' },
  answers: {
    201: BLOB_CREATED,
    202: { description: 'An upload has begun, and nothing is stored yet.', headers: UPLOAD_HEADERS },
  },
  errors: ['DIGEST_INVALID', 'DIGEST_UNSUPPORTED', 'UPLOAD_UNKNOWN', 'REPOSITORY_DELETING', ...WRITE_ERRORS],
}

const appendToUpload: Operation = {
  id: 'appendToUpload',
  summary: 'Push the next chunk',
  section: section('Pushing a blob in chunks'),
  headers: ['Content-Range'],
  body: CHUNK,
  answers: { 202: { description: 'The bytes are stored durably.', headers: UPLOAD_HEADERS } },
  errors: [...CHUNK_ERRORS, ...WRITE_ERRORS],
}

const finishUpload: Operation = {
  id: 'finishUpload',
  summary: 'Push the last chunk, or nothing more, and close the upload',
  section: section('POST then PUT'),
  query: { digest: { ...DIGEST, description: `${DIGEST.description} Without it the upload is not closed.` } },
  headers: ['Content-Range'],
  body: CHUNK,
  answers: { 201: BLOB_CREATED },
  errors: [...CHUNK_ERRORS, 'DIGEST_INVALID', 'DIGEST_UNSUPPORTED', ...WRITE_ERRORS],
}

const uploadStatus: Operation = {
  id: 'uploadStatus',
  summary: 'Ask where an upload stands',
  section: section('Pushing a blob in chunks'),
  answers: { 204: { description: 'It goes on behind `Range`.', headers: UPLOAD_HEADERS } },
  errors: ['UPLOAD_UNKNOWN'],
}

const cancelUpload: Operation = {
  id: 'cancelUpload',
  summary: 'Cancel an upload',
  section: section('Cancel a blob upload'),
  answers: { 204: { description: 'The upload is gone.' } },
  errors: ['UPLOAD_UNKNOWN', ...WRITE_ERRORS],
}

const readBlob: Operation = {
  id: 'readBlob',
  summary: 'Pull a blob',
  section: section('Pulling blobs'),
  headers: CONTENT_CONDITIONS,
  answers: contentAnswers(MEDIA_TYPES.blob),
  // A blob that is asked for is kept, which is a write.
  errors: ['BLOB_UNKNOWN', ...CONTENT_ERRORS, 'STORAGE_FULL', 'UNAVAILABLE'],
}

const deleteBlob: Operation = {
  id: 'deleteBlob',
  summary: 'Delete a blob from a repository',
  section: section('Deleting Blobs'),
  headers: ['If-Match'],
  answers: {
    202: { description: 'The repository no longer has it.', headers: ['Docker-Content-Digest'] },
  },
  errors: ['BLOB_UNKNOWN', 'NAME_UNKNOWN', 'BLOB_NEEDED', 'PRECONDITION_FAILED', ...WRITE_ERRORS],
}

const readManifest: Operation = {
  id: 'readManifest',
  summary: 'Pull a manifest',
  description: 'The media type is that of the push, whatever `Accept` says.',
  section: section('Pulling manifests'),
  headers: CONTENT_CONDITIONS,
  answers: contentAnswers('*/*'),
  errors: ['MANIFEST_UNKNOWN', ...CONTENT_ERRORS],
}

const pushManifest: Operation = {
  id: 'pushManifest',
  summary: 'Push a manifest and set tags to it',
  description:
    'All tags are set or none. What the manifest names must be in the repository, but its `subject` need not be. ' +
    '`If-Match` and `If-None-Match` are held against what each tag points to now.',
  section: section('Pushing Manifests'),
  query: {
    digest: { ...DIGEST, description: 'The digest of the manifest, where the path names a tag.' },
    tag: { description: 'A tag to set, beside one in the path.', schema: schemaNamed('Tag'), repeated: true },
  },
  headers: ['If-Match', 'If-None-Match'],
  body: {
    description: 'The manifest. Its media type is its own `mediaType`, and `Content-Type` must not differ.',
    required: true,
    content: { '*/*': schemaNamed('Manifest') },
  },
  answers: {
    201: {
      description: 'The manifest is stored durably, and the tags point to it.',
      headers: ['Location', 'Docker-Content-Digest', 'OCI-Subject?', 'OCI-Tag?'],
    },
  },
  errors: [
    'MANIFEST_INVALID',
    'MANIFEST_TOO_LARGE',
    'MANIFEST_BLOB_UNKNOWN',
    'DIGEST_INVALID',
    'DIGEST_UNSUPPORTED',
    'TAG_INVALID',
    'PRECONDITION_FAILED',
    'REPOSITORY_DELETING',
    ...WRITE_ERRORS,
  ],
}

const deleteManifest: Operation = {
  id: 'deleteManifest',
  summary: 'Remove a tag, or delete a manifest with its tags',
  description:
    'A tag goes alone, and its manifest stays. A manifest that an index names can be deleted after that.',
  section: section('Deleting Manifests'),
  headers: ['If-Match', 'If-None-Match'],
  answers: {
    202: {
      description: 'It is gone. Of a manifest, `Docker-Content-Digest` says which.',
      headers: ['Docker-Content-Digest?'],
    },
  },
  errors: [
    'TAG_INVALID',
    'MANIFEST_UNKNOWN',
    'NAME_UNKNOWN',
    'MANIFEST_NEEDED',
    'PRECONDITION_FAILED',
    ...WRITE_ERRORS,
  ],
}

const listTags: Operation = {
  id: 'listTags',
  summary: 'List the tags of a repository',
  section: section('Listing Tags'),
  query: { n: LIMIT, last: LAST },
  answers: {
    200: { description: 'One page of tags.', headers: ['Link?'], content: json(schemaNamed('TagList')) },
  },
  errors: ['NAME_UNKNOWN', 'PARAMETER_INVALID'],
}

const listReferrers: Operation = {
  id: 'listReferrers',
  summary: 'List the manifests that refer to one',
  description: 'Empty where there are none, also in a repository that does not exist.',
  section: section('Listing Referrers'),
  query: {
    artifactType: {
      description: 'List only those of this type, or of one of these.',
      schema: { type: 'string' },
      repeated: true,
    },
    n: LIMIT,
    last: {
      description: 'Where a `Link` goes on; it means nothing to a client.',
      schema: { type: 'string' },
    },
  },
  answers: {
    200: {
      description: 'One page of referrers, which may be short or empty with another behind it.',
      headers: ['Link?', 'OCI-Filters-Applied?'],
      content: json(schemaNamed('ReferrersIndex'), MEDIA_TYPES.ociIndex),
    },
  },
  errors: ['PARAMETER_INVALID'],
}

/** What the registry does at each endpoint; extensions describe their own. */
export const OPERATIONS = {
  base: { GET: base, HEAD: headOf(base) },
  catalog: { GET: catalog, HEAD: headOf(catalog) },
  uploads: { POST: startUpload },
  upload: {
    PATCH: appendToUpload,
    PUT: finishUpload,
    GET: uploadStatus,
    HEAD: headOf(uploadStatus),
    DELETE: cancelUpload,
  },
  blob: { GET: readBlob, HEAD: headOf(readBlob), DELETE: deleteBlob },
  manifest: {
    GET: readManifest,
    HEAD: headOf(readManifest),
    PUT: pushManifest,
    DELETE: deleteManifest,
  },
  tags: { GET: listTags, HEAD: headOf(listTags) },
  referrers: { GET: listReferrers, HEAD: headOf(listReferrers) },
} as const satisfies Record<Exclude<RouteId, 'registryExtension' | 'repositoryExtension'>, Operations>

const ready: Operation = {
  id: 'ready',
  summary: 'Tell whether requests can be answered',
  description:
    'Without a parameter, whether reads can be answered: 503 while the server shuts down, while the metadata or the blobs cannot be read, ' +
    'and when the disk has not answered for 10 seconds. With `for=write` also while writes cannot be done: the disk is full or ' +
    'read-only, or the database cannot be written. What is told may be a second old. The log has the cause.',
  query: {
    for: {
      description: 'Ask for writes as well: a transaction is committed, and a file is written.',
      schema: { type: 'string', enum: ['write'] },
    },
  },
  answers: { 200: { description: 'They can.' } },
  errors: ['PARAMETER_INVALID'],
}

const live: Operation = {
  id: 'live',
  summary: 'Tell that the process runs',
  answers: { 200: { description: 'It does.' } },
  errors: [],
}

const root: Operation = {
  id: 'root',
  summary: 'Tell what this is',
  answers: {
    200: { description: 'It is a registry.', content: { 'text/plain': { type: 'string' } } },
  },
  errors: [],
}

/** What supervisors and load balancers ask, outside the API. Any other method is answered as these are. */
export const PROBES = {
  '/': { GET: root, HEAD: headOf(root) },
  '/livez': { GET: live, HEAD: headOf(live) },
  '/readyz': { GET: ready, HEAD: headOf(ready) },
} as const satisfies Record<string, Operations>

/** What may stand in a path, and the errors of what may not. */
export const PATH_PARAMETERS = {
  name: {
    description:
      'The repository. Its slashes stand in the path as they are, or percent-encoded; answers have them as they are.',
    schema: schemaNamed('RepositoryName'),
    errors: ['NAME_INVALID'],
  },
  digest: {
    description: 'What is asked for.',
    schema: schemaNamed('Digest'),
    errors: ['DIGEST_INVALID'],
  },
  reference: {
    description: 'The tag or the digest of the manifest.',
    schema: schemaNamed('Reference'),
    errors: ['DIGEST_INVALID'],
  },
  tag: {
    description: 'The tag.',
    schema: schemaNamed('Tag'),
    errors: ['TAG_INVALID'],
  },
  upload: {
    description: 'The upload, as the `Location` of each answer has it.',
    schema: schemaNamed('UploadId'),
    errors: [],
  },
} as const satisfies Record<string, Parameter & { errors: readonly ErrorId[] }>
