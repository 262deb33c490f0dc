import { type Answer, type EmptyAnswer, emptyAnswer } from '../api/answer.ts'
import type { Context } from '../api/context.ts'
import { type EndpointRequest, endpoint } from '../api/endpoint.ts'
import type { AnswerDescription } from '../api/operation.ts'
import { contentDigestParameter, hashAlgorithmParameter, textParameter } from '../api/parameters.ts'
import type { PathValues } from '../api/path.ts'
import { schemaNamed } from '../api/schema.ts'
import { type Digest, parseDigest } from '../oci/digest.ts'
import { type ErrorId, RegistryError } from '../oci/error.ts'
import { type ByteRange, parseContentRange } from '../oci/range.ts'
import { parseRepositoryName, type RepositoryName } from '../oci/reference.ts'
import { formatRoute } from '../oci/route.ts'
import type { Chunk } from '../registry/push-blob.ts'
import { UploadOutOfOrderError } from '../registry/upload.ts'
import { BYTES } from './content.ts'
import { specification } from './specification.ts'

const UPLOAD_HEADERS = ['Location', 'Docker-Upload-UUID', 'Range'] as const

const BLOB_CREATED: AnswerDescription = {
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

/** `POST /v2/<name>/blobs/uploads/`. */
export const startUpload = endpoint({
  method: 'POST',
  route: 'uploads',
  action: 'push',
  id: 'startUpload',
  summary: 'Start an upload, push a whole blob, or mount a blob from another repository',
  description:
    'With `mount`, a blob of another repository becomes part of this one; if that is not possible for any reason, an upload is started. ' +
    'With `digest`, the body is the whole blob. Otherwise an upload is started, at the `Location` of the response.',
  section: specification('Pushing blobs'),
  query: {
    digest: contentDigestParameter('The digest of the blob in the body.'),
    mount: textParameter('The digest of a blob to mount.', schemaNamed('Digest')),
    from: textParameter(
      'The repository to mount the blob from; any repository if absent.',
      schemaNamed('RepositoryName'),
    ),
    'digest-algorithm': hashAlgorithmParameter(
      'The algorithm of the digest that the upload will be closed with, so that bytes can be hashed as they arrive.',
    ),
  },
  body: { ...CHUNK, description: 'The whole blob if `digest` is given.' },
  answers: {
    201: BLOB_CREATED,
    202: { description: 'An upload was started. Nothing is stored yet.', headers: UPLOAD_HEADERS },
  },
  errors: ['DIGEST_INVALID', 'DIGEST_UNSUPPORTED', 'UPLOAD_UNKNOWN', 'REPOSITORY_DELETING'],
  async handle(context, { path: { name }, query, body }) {
    const mounted = await mountBlob(context, name, query)
    if (mounted !== undefined) return blobCreated(name, mounted)
    const { registry, caller } = context
    const { digest } = query
    if (digest !== undefined) {
      await registry.uploads.pushWhole(name, { digest, actor: caller.actor }, body)
      return blobCreated(name, digest)
    }
    const upload = await registry.uploads.start(name, query['digest-algorithm'])
    return emptyAnswer(202, uploadHeaders(name, upload, 0))
  },
})

/** A mount is never refused, since the client can always upload instead. @returns the digest of a mounted blob */
async function mountBlob(
  { registry, caller: { actor } }: Context,
  name: RepositoryName,
  { mount = '', from: fromText = '' }: { mount: string | undefined; from: string | undefined },
): Promise<Digest | undefined> {
  const digest = parseDigest(mount)
  const from = fromText === '' ? undefined : parseRepositoryName(fromText)
  if (digest === undefined || (fromText !== '' && from === undefined)) return undefined
  return (await registry.blobs.mount(name, digest, { from, actor })) ? digest : undefined
}

/** `PATCH /v2/<name>/blobs/uploads/<upload>`. */
export const appendToUpload = endpoint({
  method: 'PATCH',
  route: 'upload',
  action: 'push',
  id: 'appendToUpload',
  summary: 'Push the next chunk',
  section: specification('Pushing a blob in chunks'),
  headers: ['Content-Range'],
  body: CHUNK,
  answers: { 202: { description: 'The bytes are stored durably.', headers: UPLOAD_HEADERS } },
  errors: CHUNK_ERRORS,
  handle: ({ registry }, request) =>
    keepingOrder(request.path, async ({ name, upload }) => {
      const { offset } = await registry.uploads.append(name, upload, chunkOf(request))
      return emptyAnswer(202, uploadHeaders(name, upload, offset))
    }),
})

/** `PUT /v2/<name>/blobs/uploads/<upload>`. */
export const finishUpload = endpoint({
  method: 'PUT',
  route: 'upload',
  action: 'push',
  id: 'finishUpload',
  summary: 'Close an upload, optionally with a last chunk',
  section: specification('POST then PUT'),
  query: {
    digest: contentDigestParameter('The digest of the whole blob. It is required to close the upload.'),
  },
  headers: ['Content-Range'],
  body: CHUNK,
  answers: { 201: BLOB_CREATED },
  errors: [...CHUNK_ERRORS, 'DIGEST_INVALID', 'DIGEST_UNSUPPORTED'],
  handle: ({ registry, caller: { actor } }, request) =>
    keepingOrder(request.path, async ({ name, upload }) => {
      const { digest } = request.query
      if (digest === undefined) {
        throw new RegistryError('DIGEST_INVALID', {
          message: 'the "digest" parameter is required to close an upload',
        })
      }
      await registry.uploads.finish(name, upload, { digest, actor }, chunkOf(request))
      return blobCreated(name, digest)
    }),
})

/** `GET /v2/<name>/blobs/uploads/<upload>`. */
export const uploadStatus = endpoint({
  method: 'GET',
  route: 'upload',
  action: 'push',
  id: 'uploadStatus',
  summary: 'Get the progress of an upload',
  section: specification('Pushing a blob in chunks'),
  answers: { 204: { description: 'The next chunk starts after `Range`.', headers: UPLOAD_HEADERS } },
  errors: ['UPLOAD_UNKNOWN', 'REPOSITORY_DELETING'],
  async handle({ registry }, { path: { name, upload } }) {
    const { offset } = await registry.uploads.status(name, upload)
    return emptyAnswer(204, uploadHeaders(name, upload, offset))
  },
})

/** `DELETE /v2/<name>/blobs/uploads/<upload>`. */
export const cancelUpload = endpoint({
  method: 'DELETE',
  route: 'upload',
  action: 'push',
  id: 'cancelUpload',
  summary: 'Cancel an upload',
  section: specification('Cancel a blob upload'),
  answers: { 204: { description: 'The upload was canceled.' } },
  errors: ['UPLOAD_UNKNOWN', 'REPOSITORY_DELETING'],
  async handle({ registry }, { path: { name, upload } }) {
    await registry.uploads.cancel(name, upload)
    return emptyAnswer(204)
  },
})

/** Headers that describe how to continue an upload. The URL has no query, since some clients overwrite it. */
function uploadHeaders(name: RepositoryName, upload: string, offset: number): Record<string, string> {
  return {
    Location: formatRoute('upload', { name, upload }),
    'Docker-Upload-UUID': upload,
    // The protocol can't express "nothing"; every client interprets this as nothing.
    Range: `0-${Math.max(0, offset - 1)}`,
  }
}

function blobCreated(name: RepositoryName, digest: Digest): EmptyAnswer {
  return emptyAnswer(201, {
    Location: formatRoute('blob', { name, digest }),
    'Docker-Content-Digest': digest,
  })
}

/** A client that sends a chunk out of order is told where the upload really ends, so that it can continue from there. */
async function keepingOrder(
  path: PathValues<'upload'>,
  work: (path: PathValues<'upload'>) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await work(path)
  } catch (error) {
    if (!(error instanceof UploadOutOfOrderError)) throw error
    return { type: 'refusal', error, headers: uploadHeaders(path.name, path.upload, error.offset) }
  }
}

function chunkOf(request: EndpointRequest<unknown, unknown>): Chunk {
  const length = request.header('content-length')
  return {
    body: request.body,
    range: contentRange(request.header('content-range')),
    length: length === undefined ? undefined : Number(length),
  }
}

function contentRange(header: string | undefined): ByteRange | undefined {
  if (header === undefined) return undefined
  const range = parseContentRange(header)
  if (range === undefined) {
    throw new RegistryError('UPLOAD_INVALID', {
      message: 'Content-Range must be <start>-<end>, both inclusive',
    })
  }
  return range
}
