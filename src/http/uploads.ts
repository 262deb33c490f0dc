import { type Digest, type HashAlgorithm, parseDigest, parseHashAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { type ByteRange, parseContentRange } from '../oci/range.ts'
import { parseRepositoryName, type RepositoryName } from '../oci/reference.ts'
import { formatRoute } from '../oci/route.ts'
import type { Chunk } from '../registry/push-blob.ts'
import { UploadOutOfOrderError } from '../registry/upload.ts'
import type { Handler, HandlerParams, Methods } from './handler.ts'
import type { HttpRequest, HttpResponse } from './message.ts'
import { digestParameter } from './parameters.ts'
import { emptyResponse, errorResponse } from './respond.ts'

/** Headers that lead on with an upload. Without a query, since some clients overwrite that. */
function uploadHeaders(name: RepositoryName, upload: string, offset: number): Record<string, string> {
  return {
    Location: formatRoute('upload', { name, upload }),
    'Docker-Upload-UUID': upload,
    // The protocol can't say "nothing"; every client takes this for it.
    Range: `0-${Math.max(0, offset - 1)}`,
  }
}

function blobCreated(name: RepositoryName, digest: Digest): HttpResponse {
  return emptyResponse(201, {
    Location: formatRoute('blob', { name, digest }),
    'Docker-Content-Digest': digest,
  })
}

const start: Handler<'uploads'> = async (registry, request, { name }) => {
  const mounted = await mount(registry, request, name)
  if (mounted !== undefined) return mounted
  const digest = digestParameter(request.query)
  if (digest !== undefined) {
    await registry.uploads.pushWhole(name, digest, request.body)
    return blobCreated(name, digest)
  }
  const upload = await registry.uploads.start(name, algorithmParameter(request.query))
  return emptyResponse(202, uploadHeaders(name, upload, 0))
}

/** Whatever stands in the way of a mount, the client can always upload instead: it is told so, never refused. */
const mount = async (
  registry: Parameters<Handler<'uploads'>>[0],
  { query }: HttpRequest,
  name: RepositoryName,
): Promise<HttpResponse | undefined> => {
  const digest = parseDigest(query.get('mount') ?? '')
  const fromText = query.get('from') || undefined
  const from = fromText === undefined ? undefined : parseRepositoryName(fromText)
  if (digest === undefined || (fromText !== undefined && from === undefined)) return undefined
  return (await registry.blobs.mount(name, digest, from)) ? blobCreated(name, digest) : undefined
}

function algorithmParameter(query: URLSearchParams): HashAlgorithm | undefined {
  const text = query.get('digest-algorithm')
  if (text === null) return undefined
  const algorithm = parseHashAlgorithm(text)
  if (algorithm === undefined) throw new RegistryError('DIGEST_UNSUPPORTED')
  return algorithm
}

const append: Handler<'upload'> = (registry, request, params) =>
  keepingOrder(params, async () => {
    const { offset } = await registry.uploads.append(params.name, params.upload, chunkOf(request))
    return emptyResponse(202, uploadHeaders(params.name, params.upload, offset))
  })

const finish: Handler<'upload'> = (registry, request, params) =>
  keepingOrder(params, async () => {
    const digest = digestParameter(request.query)
    if (digest === undefined) {
      throw new RegistryError('DIGEST_INVALID', {
        message: 'the "digest" parameter is required to close an upload',
      })
    }
    await registry.uploads.finish(params.name, params.upload, digest, chunkOf(request))
    return blobCreated(params.name, digest)
  })

/** A chunk out of order is told where the upload really ends, so that the client can go on from there. */
async function keepingOrder(
  { name, upload }: HandlerParams<'upload'>,
  work: () => Promise<HttpResponse>,
): Promise<HttpResponse> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof UploadOutOfOrderError)) throw error
    return errorResponse(error, uploadHeaders(name, upload, error.offset))
  }
}

function chunkOf(request: HttpRequest): Chunk {
  const length = request.header('content-length')
  return {
    body: request.body,
    range: contentRange(request),
    length: length === undefined ? undefined : Number(length),
  }
}

function contentRange(request: HttpRequest): ByteRange | undefined {
  const header = request.header('content-range')
  if (header === undefined) return undefined
  const range = parseContentRange(header)
  if (range === undefined) {
    throw new RegistryError('UPLOAD_INVALID', {
      message: 'Content-Range must be <start>-<end>, both inclusive',
    })
  }
  return range
}

const status: Handler<'upload'> = async (registry, _request, { name, upload }) => {
  const { offset } = await registry.uploads.status(name, upload)
  return emptyResponse(204, uploadHeaders(name, upload, offset))
}

const cancel: Handler<'upload'> = async (registry, _request, { name, upload }) => {
  await registry.uploads.cancel(name, upload)
  return emptyResponse(204)
}

/** `/v2/<name>/blobs/uploads/`. Sections "Pushing blobs" and "Mounting a blob from another repository". */
export const uploadsMethods: Methods<'uploads'> = { POST: { action: 'push', handle: start } }

/** `/v2/<name>/blobs/uploads/<upload>`. Sections "Pushing a blob in chunks" and "Cancel a blob upload". */
export const uploadMethods: Methods<'upload'> = {
  PATCH: { action: 'push', handle: append },
  PUT: { action: 'push', handle: finish },
  GET: { action: 'push', handle: status },
  HEAD: { action: 'push', handle: status },
  DELETE: { action: 'push', handle: cancel },
}
