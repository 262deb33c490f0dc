import { RegistryError } from '../oci/error.ts'
import { MAX_MANIFEST_SIZE } from '../oci/manifest.ts'
import type { Reference } from '../oci/reference.ts'
import { formatRoute } from '../oci/route.ts'
import { contentResponse } from './content.ts'
import type { Handler, Methods } from './handler.ts'
import type { HttpRequest } from './message.ts'
import { digestParameter, tagParameters } from './parameters.ts'
import { requireMatch, tagCondition } from './precondition.ts'
import { emptyResponse } from './respond.ts'

const read: Handler<'manifest'> = async (registry, request, { name, reference }) => {
  const isHead = request.method === 'HEAD'
  const found = isHead ? undefined : await registry.manifests.read(name, reference)
  const manifest = found ?? (await registry.manifests.find(name, reference))
  const bytes = found?.bytes ?? new Uint8Array()
  return await contentResponse(request, {
    ...manifest,
    cacheControl: cacheControl(reference),
    open: async ({ start, end }) => ({ type: 'bytes', bytes: bytes.subarray(start, end + 1) }),
  })
}

function cacheControl({ tag }: Reference): string {
  return tag === undefined ? 'public, max-age=31536000, immutable, no-transform' : 'no-cache, no-transform'
}

const push: Handler<'manifest'> = async (registry, request, { name, reference }) => {
  const named = tagParameters(request.query)
  const { digest, subject } = await registry.manifests.push({
    repository: name,
    bytes: await readBody(request),
    contentType: request.header('content-type'),
    digest: reference.digest ?? digestParameter(request.query),
    tags: reference.tag === undefined ? named : [...new Set([reference.tag, ...named])],
    condition: tagCondition(request),
  })
  return emptyResponse(201, {
    Location: formatRoute('manifest', { name, reference: digest }),
    'Docker-Content-Digest': digest,
    ...(subject && { 'OCI-Subject': subject }),
    ...(named.length > 0 && { 'OCI-Tag': named.join(', ') }),
  })
}

/** Reads a manifest's bytes. @throws RegistryError MANIFEST_TOO_LARGE as soon as that is known */
async function readBody(request: HttpRequest): Promise<Uint8Array> {
  if (Number(request.header('content-length') ?? 0) > MAX_MANIFEST_SIZE)
    throw new RegistryError('MANIFEST_TOO_LARGE')
  request.keepBody?.()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body) {
    size += chunk.length
    if (size > MAX_MANIFEST_SIZE) throw new RegistryError('MANIFEST_TOO_LARGE')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

const remove: Handler<'manifest'> = async (registry, request, { name, reference }) => {
  if (reference.tag !== undefined) {
    await registry.manifests.deleteTag(name, reference.tag, tagCondition(request))
    return emptyResponse(202)
  }
  requireMatch(request, reference.digest)
  await registry.manifests.delete(name, reference.digest)
  return emptyResponse(202, { 'Docker-Content-Digest': reference.digest })
}

/** `/v2/<name>/manifests/<reference>`. Sections "Pulling manifests", "Pushing Manifests" and "Deleting tags" and "manifests". */
export const manifestMethods: Methods<'manifest'> = {
  GET: { action: 'pull', handle: read },
  HEAD: { action: 'pull', handle: read },
  PUT: { action: 'push', handle: push },
  DELETE: { action: 'delete', handle: remove },
}
