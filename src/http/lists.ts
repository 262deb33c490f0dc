import { RegistryError } from '../oci/error.ts'
import { formatNextLink } from '../oci/link.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import { formatRoute } from '../oci/route.ts'
import type { Handler, Methods } from './handler.ts'
import type { HttpRequest, HttpResponse } from './message.ts'
import { limitParameter } from './parameters.ts'
import { jsonResponse } from './respond.ts'

const MAX_NAMES = 10_000
const MAX_REFERRERS = 10_000
const MAX_ARTIFACT_TYPES = 100
/** Clients read no more than 4 MiB of this. */
const MAX_REFERRERS_BYTES = 3 * 1024 * 1024

const tags: Handler<'tags'> = async (registry, request, { name }) =>
  await namesResponse(request, formatRoute('tags', { name }), async (after, limit) => {
    const page = await registry.manifests.tags(name, after, limit)
    return { ...page, body: { name, tags: page.items } }
  })

const catalog: Handler<'catalog'> = async (registry, request) =>
  await namesResponse(request, formatRoute('catalog', {}), async (after, limit) => {
    const page = await registry.repositories.list(after, limit)
    return { ...page, body: { repositories: page.items } }
  })

type NamesPage = { items: readonly string[]; more: boolean; body: object }

async function namesResponse(
  request: HttpRequest,
  path: string,
  read: (after: string, limit: number) => Promise<NamesPage>,
): Promise<HttpResponse> {
  const limit = limitParameter(request.query, MAX_NAMES)
  const { items, more, body } = await read(request.query.get('last') ?? '', limit)
  const last = items.at(-1)
  if (!more || last === undefined) return jsonResponse(200, body)
  const next = formatNextLink(path, [
    ['last', last],
    ['n', String(limit)],
  ])
  return jsonResponse(200, body, { Link: next })
}

const referrers: Handler<'referrers'> = async (registry, request, { name, digest }) => {
  const { query } = request
  // An unencoded plus, as in "+json", arrives as a space.
  const artifactTypes = query
    .getAll('artifactType')
    .filter((type) => type !== '')
    .map((type) => type.replaceAll(' ', '+'))
  if (artifactTypes.length > MAX_ARTIFACT_TYPES) {
    throw new RegistryError('PARAMETER_INVALID', {
      message: `"artifactType" is given ${artifactTypes.length} times; the maximum is ${MAX_ARTIFACT_TYPES}`,
      details: [{ parameter: 'artifactType' }],
    })
  }
  const limit = Math.max(1, limitParameter(query, MAX_REFERRERS))
  const { descriptors, next } = await registry.manifests.referrers({
    repository: name,
    subject: digest,
    artifactTypes,
    after: query.get('last') ?? '',
    limit,
    maxBytes: MAX_REFERRERS_BYTES,
  })
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: descriptors }
  const link =
    next &&
    formatNextLink(formatRoute('referrers', { name, digest }), [
      ...artifactTypes.map((type): [string, string] => ['artifactType', type]),
      ['last', next],
      ['n', query.get('n') ? String(limit) : undefined],
    ])
  const headers = {
    ...(artifactTypes.length > 0 && { 'OCI-Filters-Applied': 'artifactType' }),
    ...(link && { Link: link }),
  }
  return jsonResponse(200, index, headers, MEDIA_TYPES.ociIndex)
}

/** `/v2/<name>/tags/list`. Section "Listing Tags". */
export const tagsMethods: Methods<'tags'> = {
  GET: { action: 'pull', handle: tags },
  HEAD: { action: 'pull', handle: tags },
}

/** `/v2/_catalog`, of the Docker Registry HTTP API v2. */
export const catalogMethods: Methods<'catalog'> = {
  GET: { action: 'catalog', handle: catalog },
  HEAD: { action: 'catalog', handle: catalog },
}

/** `/v2/<name>/referrers/<digest>`. Section "Listing Referrers". */
export const referrersMethods: Methods<'referrers'> = {
  GET: { action: 'pull', handle: referrers },
  HEAD: { action: 'pull', handle: referrers },
}
