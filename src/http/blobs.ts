import { MEDIA_TYPES } from '../oci/media-type.ts'
import { contentResponse } from './content.ts'
import type { Handler, Methods } from './handler.ts'
import { requireMatch } from './precondition.ts'
import { emptyResponse } from './respond.ts'

const IMMUTABLE = 'public, max-age=31536000, immutable, no-transform'

const read: Handler<'blob'> = async (registry, request, { name, digest }) => {
  const blob = await registry.blobs.find(name, digest)
  return await contentResponse(request, {
    digest,
    mediaType: MEDIA_TYPES.blob,
    size: blob.size,
    cacheControl: IMMUTABLE,
    open: (range) => registry.blobs.open(name, digest, { blob, range }),
  })
}

const remove: Handler<'blob'> = async (registry, request, { name, digest }) => {
  requireMatch(request, digest)
  await registry.blobs.delete(name, digest)
  return emptyResponse(202, { 'Docker-Content-Digest': digest })
}

/** `/v2/<name>/blobs/<digest>`. Sections "Pulling blobs" and "Deleting Blobs". */
export const blobMethods: Methods<'blob'> = {
  GET: { action: 'pull', handle: read },
  HEAD: { action: 'pull', handle: read },
  DELETE: { action: 'delete', handle: remove },
}
