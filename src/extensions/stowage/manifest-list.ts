import type { Answer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import type { RequestAt } from '../../api/endpoint.ts'
import { extensionEndpoint } from '../../api/extension.ts'
import { contentIn } from '../../api/operation.ts'
import { CURSOR, limitParameter, wordParameter } from '../../api/parameters.ts'
import { MEDIA_TYPES } from '../../oci/media-type.ts'
import type { ManifestCursor, ManifestSort } from '../../registry/registry.ts'
import { formatCursor, parseCursor } from '../cursor.ts'
import { pageSection } from './documentation.ts'
import { indexOf, listOf } from './listed-manifest.ts'
import { MANIFEST_FILTERS, manifestFilters } from './manifest-filters.ts'
import { ownMediaType, ownMediaTypes } from './media-types.ts'
import { repositoryState } from './state.ts'

const MAX_MANIFESTS = 1000
/** Clients of indexes read no more than 4 MiB. */
const MAX_BYTES = 3 * 1024 * 1024

const ORDERS = [...['pushed', '-pushed', 'pulled', '-pulled'], ...['size', '-size', 'digest', '-digest']] as (
  | ManifestSort
  | `-${ManifestSort}`
)[]

const QUERY = {
  ...MANIFEST_FILTERS,
  sort: wordParameter(
    ORDERS,
    'The order: by first push (the default), last pull, `totalSize` or digest. A leading dash reverses the order.',
  ),
  fields: { ...wordParameter(['pulledAt'], 'Additional fields to return.'), repeated: true },
  n: limitParameter(MAX_MANIFESTS),
  cursor: CURSOR,
} as const

/** `GET /v2/<name>/_stowage/manifests/list`. */
export const manifestListEndpoint = extensionEndpoint({
  method: 'GET',
  route: 'repositoryExtension',
  component: 'manifests',
  module: 'list',
  action: 'pull',
  mediaTypes: [...ownMediaTypes('manifests'), MEDIA_TYPES.ociIndex],
  alias: { path: 'manifests/list', mediaType: ownMediaType('manifests') },
  id: 'listManifests',
  summary: 'List the manifests in a repository, tagged or not',
  description:
    'Also available at `/v2/{name}/manifests/list` if `Accept` is exactly the first media type. A filtered page examines at most 10,000 ' +
    'manifests. There is no `ETag` if the list is sorted or filtered by pulls, or shows them.',
  section: pageSection('Manifest list', 'manifest-list'),
  query: QUERY,
  answers: {
    200: {
      description: 'One page. It may be short or even empty although another page follows.',
      headers: ['ETag?'],
      content: {
        ...contentIn(ownMediaTypes('manifests'), { $ref: '#/components/schemas/ManifestList' }),
        ...contentIn([MEDIA_TYPES.ociIndex], { $ref: '#/components/schemas/ManifestIndex' }),
      },
    },
  },
  errors: ['NAME_UNKNOWN'],
  handle: listManifests,
})

async function listManifests(
  { registry }: Context,
  { path: { name: repository }, query, mediaType }: RequestAt<'repositoryExtension', typeof QUERY>,
): Promise<Answer> {
  const { sort: order = 'pushed', fields, n, cursor, ...filters } = query
  const list = `manifests:${order}`
  const after = cursor === undefined ? undefined : parsePosition(cursor, list)
  const sort = order.replace('-', '') as ManifestSort
  const showsPulls = fields.includes('pulledAt')
  const dependsOnPulls = showsPulls || sort === 'pulled' || filters.pulledBefore !== undefined
  return {
    type: 'json',
    ...(!dependsOnPulls && { state: () => repositoryState(registry, repository) }),
    async read() {
      const isIndex = mediaType === MEDIA_TYPES.ociIndex
      const { manifests, next } = await registry.manifests.list({
        repository,
        sort,
        descending: order !== sort,
        filters: manifestFilters(filters),
        ...(after && { after }),
        limit: n ?? MAX_MANIFESTS,
        maxBytes: MAX_BYTES,
        isPerTag: isIndex,
      })
      return {
        json: isIndex ? indexOf(manifests) : listOf(repository, manifests, showsPulls),
        next: next && { cursor: formatPosition(next, list) },
      }
    },
  }
}

/** How a page continues: after the manifest, with its other tags, or while still looking for a matching tag. */
const STAGES = ['behind', 'tags', 'looking'] as const

function formatPosition({ key, digest, tag }: ManifestCursor, list: string): string {
  const stage = tag === undefined ? 'behind' : tag.isFound ? 'tags' : 'looking'
  return formatCursor(list, [key, digest, stage, tag?.after ?? ''])
}

function parsePosition(cursor: string, list: string): ManifestCursor {
  const [key, digest, text, after] = parseCursor(cursor, list, ['number', 'string', 'string', 'string'])
  const stage = STAGES.find((one) => one === text)
  if (stage === undefined || stage === 'behind') return { key, digest }
  return { key, digest, tag: { after, isFound: stage === 'tags' } }
}
