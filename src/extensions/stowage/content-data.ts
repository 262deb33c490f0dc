import type { Digest } from '../../oci/digest.ts'
import type { ByteRange } from '../../oci/range.ts'
import type { BlobBytes } from '../../registry/registry.ts'
import type { ExtensionAnswer } from '../answer.ts'
import type { Endpoint, ExtensionContext, ExtensionRequest } from '../extension.ts'
import { digestParameter } from '../parameters.ts'
import { readQuery } from '../query.ts'
import { pageSection } from './documentation.ts'
import { contentUnknown, findHeld, type HeldContent, isAbsence, listHolders } from './held-content.ts'

const QUERY = { digest: { ...digestParameter('The digest of the content.'), required: true } } as const

/** Who may pull it differs from client to client, so only the client's own cache may keep it. */
const CACHE_CONTROL = 'private, max-age=31536000, immutable, no-transform'

const HEADERS = ['Docker-Content-Digest', 'ETag', 'Accept-Ranges', 'Content-Security-Policy'] as const
const BYTES = { type: 'string', format: 'binary' }

/** `GET /v2/_stowage/content/data`. */
export const contentDataEndpoint: Endpoint = {
  method: 'GET',
  scope: 'registry',
  component: 'content',
  module: 'data',
  action: 'pull',
  operation: {
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
    // A blob that is asked for is kept, which is a write.
    errors: ['BLOB_UNKNOWN', 'PRECONDITION_FAILED', 'RANGE_UNSATISFIABLE', 'STORAGE_FULL', 'UNAVAILABLE'],
  },
  handle: readContent,
}

async function readContent(context: ExtensionContext, { query }: ExtensionRequest): Promise<ExtensionAnswer> {
  const { digest } = readQuery(query, QUERY)
  const { mediaType, size, open } = await findPullable(context, digest)
  return {
    type: 'content',
    digest,
    mediaType,
    size,
    cacheControl: CACHE_CONTROL,
    open: (range) => openKnown(open, range, digest),
  }
}

async function findPullable(context: ExtensionContext, digest: Digest): Promise<HeldContent> {
  for (const holder of await listHolders(context, digest)) {
    const held = await findHeld(context.registry, holder, digest)
    if (held !== undefined) return held
  }
  throw contentUnknown(digest)
}

/** What was deleted since it was found is as unknown as what never was. */
async function openKnown(open: HeldContent['open'], range: ByteRange, digest: Digest): Promise<BlobBytes> {
  try {
    return await open(range)
  } catch (error) {
    throw isAbsence(error) ? contentUnknown(digest) : error
  }
}
