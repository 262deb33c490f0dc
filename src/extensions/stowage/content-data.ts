import type { Answer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import type { RequestAt } from '../../api/endpoint.ts'
import { extensionEndpoint } from '../../api/extension.ts'
import { digestParameter } from '../../api/parameters.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ByteRange } from '../../oci/range.ts'
import type { Registry } from '../../registry/registry.ts'
import { pageSection } from './documentation.ts'
import { contentUnknown, findHeld, type HeldContent, isAbsence, listHolders } from './held-content.ts'

const QUERY = { digest: { ...digestParameter('The digest of the content.'), required: true } } as const

/** Who may pull it differs from client to client, so only the client's own cache may keep it. */
const CACHE_CONTROL = 'private, max-age=31536000, immutable, no-transform'

const HEADERS = ['Docker-Content-Digest', 'ETag', 'Accept-Ranges', 'Content-Security-Policy'] as const
const BYTES = { type: 'string', format: 'binary' }

/** `GET /v2/_stowage/content/data`. */
export const contentDataEndpoint = extensionEndpoint({
  method: 'GET',
  route: 'registryExtension',
  component: 'content',
  module: 'data',
  action: 'pull',
  id: 'readContent',
  summary: 'Pull content by digest, from any repository that has it',
  description:
    'A manifest has the media type that it was pushed with; anything else is `application/octet-stream`.',
  section: pageSection('Content by digest', 'content'),
  query: QUERY,
  headers: ['If-Match', 'If-None-Match', 'Range', 'If-Range'],
  answers: {
    200: {
      description: 'All of the content, byte for byte as it was pushed.',
      headers: HEADERS,
      content: { '*/*': BYTES },
    },
    206: {
      description:
        'The requested range. If several ranges were requested, one part for each, in the order of the request.',
      headers: [...HEADERS, 'Content-Range?'],
      content: { '*/*': BYTES },
    },
    304: {
      description: 'The client already has this content, according to `If-None-Match`.',
      headers: HEADERS,
    },
  },
  // A request for a blob extends how long it is kept, which is a write.
  errors: ['BLOB_UNKNOWN', 'PRECONDITION_FAILED', 'RANGE_UNSATISFIABLE', 'STORAGE_FULL', 'UNAVAILABLE'],
  handle: readContent,
})

async function readContent(
  { registry }: Context,
  { query: { digest } }: RequestAt<'registryExtension', typeof QUERY>,
): Promise<Answer> {
  const { mediaType, size, open } = await findPullable(registry, digest)
  return {
    type: 'content',
    digest,
    mediaType,
    size,
    cacheControl: CACHE_CONTROL,
    open: (range) => openKnown(open, range, digest),
  }
}

async function findPullable(registry: Registry, digest: Digest): Promise<HeldContent> {
  for (const holder of await listHolders(registry, digest)) {
    const held = await findHeld(registry, holder, digest)
    if (held !== undefined) return held
  }
  throw contentUnknown(digest)
}

/** Content that was deleted after it was found is as unknown as content that never existed. */
async function openKnown(
  open: HeldContent['open'],
  range: ByteRange,
  digest: Digest,
): ReturnType<HeldContent['open']> {
  try {
    return await open(range)
  } catch (error) {
    throw isAbsence(error) ? contentUnknown(digest) : error
  }
}
