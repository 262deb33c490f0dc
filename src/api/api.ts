import type { ErrorId } from '../oci/error.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import type { RouteId } from '../oci/route.ts'
import {
  type Answer,
  headOf,
  type Operation,
  type Parameter,
  type Section,
  WRITE_ERRORS,
} from './operation.ts'
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
      description:
        'The requested range. If several ranges were requested, one part for each, in the order of the request.',
      headers: [...CONTENT_HEADERS, 'Content-Range?'],
      content: { [mediaType]: BYTES, 'multipart/byteranges': BYTES },
    },
    304: {
      description: 'The client already has this content, according to `If-None-Match`.',
      headers: CONTENT_HEADERS,
    },
  }
}

const LIMIT: Parameter = {
  description:
    'The maximum number of entries. A page may be shorter; there is another page if `Link` is present.',
  schema: { type: 'integer', minimum: 0 },
}

const LAST: Parameter = {
  description: 'List entries after this one.',
  schema: { type: 'string' },
}

const DIGEST: Parameter = { description: 'The digest of the whole blob.', schema: schemaNamed('Digest') }

const UPLOAD_HEADERS = ['Location', 'Docker-Upload-UUID', 'Range'] as const

const BLOB_CREATED: Answer = {
  description: 'The blob is stored durably and is now part of the repository.',
  headers: ['Location', 'Docker-Content-Digest'],
}

const CHUNK = {
  description: 'The next bytes of the blob, of any length, with or without a `Content-Length`.',
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
  summary: 'Check that this is a registry',
  section: section('Determining Support'),
  answers: { 200: { description: 'This is a registry.', content: json(schemaNamed('Empty')) } },
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
  summary: 'Start an upload, push a whole blob, or mount a blob from another repository',
  description:
    'With `mount`, a blob of another repository becomes part of this one; if that is not possible for any reason, an upload is started. ' +
    'With `digest`, the body is the whole blob. Otherwise an upload is started, at the `Location` of the response.',
  section: section('Pushing blobs'),
  query: {
    digest: { ...DIGEST, description: 'The digest of the blob in the body.' },
    mount: { description: 'The digest of a blob to mount.', schema: schemaNamed('Digest') },
    from: {
      description: 'The repository to mount the blob from; any repository if absent.',
      schema: schemaNamed('RepositoryName'),
    },
    'digest-algorithm': {
      description:
        'The algorithm of the digest that the upload will be closed with, so that bytes can be hashed as they arrive.',
      schema: schemaNamed('HashAlgorithm'),
    },
  },
  body: { ...CHUNK, description: 'The whole blob if `digest` is given.' },
  answers: {
    201: BLOB_CREATED,
    202: { description: 'An upload was started. Nothing is stored yet.', headers: UPLOAD_HEADERS },
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
  summary: 'Close an upload, optionally with a last chunk',
  section: section('POST then PUT'),
  query: { digest: { ...DIGEST, description: `${DIGEST.description} It is required to close the upload.` } },
  headers: ['Content-Range'],
  body: CHUNK,
  answers: { 201: BLOB_CREATED },
  errors: [...CHUNK_ERRORS, 'DIGEST_INVALID', 'DIGEST_UNSUPPORTED', ...WRITE_ERRORS],
}

const uploadStatus: Operation = {
  id: 'uploadStatus',
  summary: 'Get the progress of an upload',
  section: section('Pushing a blob in chunks'),
  answers: { 204: { description: 'The next chunk starts after `Range`.', headers: UPLOAD_HEADERS } },
  errors: ['UPLOAD_UNKNOWN'],
}

const cancelUpload: Operation = {
  id: 'cancelUpload',
  summary: 'Cancel an upload',
  section: section('Cancel a blob upload'),
  answers: { 204: { description: 'The upload was canceled.' } },
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
    202: { description: 'The blob is no longer part of the repository.', headers: ['Docker-Content-Digest'] },
  },
  errors: ['BLOB_UNKNOWN', 'NAME_UNKNOWN', 'BLOB_NEEDED', 'PRECONDITION_FAILED', ...WRITE_ERRORS],
}

const readManifest: Operation = {
  id: 'readManifest',
  summary: 'Pull a manifest',
  description: 'The media type is the one that the manifest was pushed with, whatever `Accept` says.',
  section: section('Pulling manifests'),
  headers: CONTENT_CONDITIONS,
  answers: contentAnswers('*/*'),
  errors: ['MANIFEST_UNKNOWN', ...CONTENT_ERRORS],
}

const pushManifest: Operation = {
  id: 'pushManifest',
  summary: 'Push a manifest, and point tags to it',
  description:
    'Either all tags are set or none. All content that the manifest references must be in the repository, except for its `subject`. ' +
    '`If-Match` and `If-None-Match` are compared with the manifest that each tag currently points to.',
  section: section('Pushing Manifests'),
  query: {
    digest: { ...DIGEST, description: 'The digest of the manifest, for use with a tag in the path.' },
    tag: {
      description: 'A tag to set, in addition to a tag in the path.',
      schema: schemaNamed('Tag'),
      repeated: true,
    },
  },
  headers: ['If-Match', 'If-None-Match'],
  body: {
    description: 'The manifest. `Content-Type` must be the same as its `mediaType`, if it has one.',
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
  summary: 'Remove a tag, or delete a manifest and its tags',
  description:
    'Removing a tag does not delete its manifest. A manifest that an index references cannot be deleted before that index.',
  section: section('Deleting Manifests'),
  headers: ['If-Match', 'If-None-Match'],
  answers: {
    202: {
      description:
        'The tag was removed, or the manifest was deleted. For a manifest, `Docker-Content-Digest` is its digest.',
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
  summary: 'List the manifests that refer to a subject',
  description: 'The list is empty if there are none, and also if the repository does not exist.',
  section: section('Listing Referrers'),
  query: {
    artifactType: {
      description: 'List only referrers with this artifact type, or with one of these types.',
      schema: { type: 'string' },
      repeated: true,
    },
    n: LIMIT,
    last: {
      description: 'The position of the next page, taken from a `Link`; it is opaque to clients.',
      schema: { type: 'string' },
    },
  },
  answers: {
    200: {
      description: 'One page of referrers. It may be short or even empty although another page follows.',
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

/** What may stand in a path, and the errors of what may not. */
export const PATH_PARAMETERS = {
  name: {
    description:
      'The name of the repository. Its slashes may be percent-encoded in requests; they never are in responses.',
    schema: schemaNamed('RepositoryName'),
    errors: ['NAME_INVALID'],
  },
  digest: {
    description: 'The digest of the content.',
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
    description: 'The id of the upload, as part of the `Location` in each response.',
    schema: schemaNamed('UploadId'),
    errors: [],
  },
} as const satisfies Record<string, Parameter & { errors: readonly ErrorId[] }>
