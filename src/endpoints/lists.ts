import type { JsonAnswer } from '../api/answer.ts'
import { endpoint } from '../api/endpoint.ts'
import { mediaTypesParameter, specifiedLimitParameter, textParameter } from '../api/parameters.ts'
import { schemaNamed } from '../api/schema.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import { specification } from './specification.ts'

const MAX_NAMES = 10_000
const MAX_REFERRERS = 10_000
/** Clients read no more than 4 MiB of this. */
const MAX_REFERRERS_BYTES = 3 * 1024 * 1024

const NAMES_QUERY = {
  n: specifiedLimitParameter(MAX_NAMES),
  last: textParameter('List entries after this one.'),
}

/** `GET /v2/_catalog`, of the Docker Registry HTTP API v2. */
export const listRepositories = endpoint({
  method: 'GET',
  route: 'catalog',
  action: 'catalog',
  id: 'listRepositories',
  summary: 'List the repositories',
  section: {
    title: 'Listing Repositories, of the Docker Registry HTTP API V2',
    url: 'https://distribution.github.io/distribution/spec/api/#listing-repositories',
  },
  query: NAMES_QUERY,
  answers: {
    200: {
      description: 'One page of names.',
      content: { [MEDIA_TYPES.json]: schemaNamed('RepositoryList') },
    },
  },
  errors: [],
  async handle({ registry }, { query: { n = MAX_NAMES, last = '' } }) {
    const { items, more } = await registry.repositories.list(last, n)
    return namesAnswer({ repositories: items }, { items, more, limit: n })
  },
})

/** `GET /v2/<name>/tags/list`. */
export const listTags = endpoint({
  method: 'GET',
  route: 'tags',
  action: 'pull',
  id: 'listTags',
  summary: 'List the tags of a repository',
  section: specification('Listing Tags'),
  query: NAMES_QUERY,
  answers: {
    200: { description: 'One page of tags.', content: { [MEDIA_TYPES.json]: schemaNamed('TagList') } },
  },
  errors: ['NAME_UNKNOWN'],
  async handle({ registry }, { path: { name }, query: { n = MAX_NAMES, last = '' } }) {
    const { items, more } = await registry.manifests.tags(name, last, n)
    return namesAnswer({ name, tags: items }, { items, more, limit: n })
  },
})

function namesAnswer(
  json: object,
  { items, more, limit }: { items: readonly string[]; more: boolean; limit: number },
): JsonAnswer {
  const last = items.at(-1)
  const next = more && last !== undefined ? { last, n: String(limit) } : undefined
  return { type: 'json', read: async () => ({ json, next }) }
}

/** `GET /v2/<name>/referrers/<digest>`. */
export const listReferrers = endpoint({
  method: 'GET',
  route: 'referrers',
  action: 'pull',
  id: 'listReferrers',
  summary: 'List the manifests that refer to a subject',
  description: 'The list is empty if there are none, and also if the repository does not exist.',
  section: specification('Listing Referrers'),
  query: {
    artifactType: {
      ...mediaTypesParameter('List only referrers with this artifact type, or with one of these types.'),
      filter: true,
    },
    n: specifiedLimitParameter(MAX_REFERRERS),
    last: textParameter('The position of the next page, taken from a `Link`; it is opaque to clients.'),
  },
  answers: {
    200: {
      description: 'One page of referrers. It may be short or even empty although another page follows.',
      content: { [MEDIA_TYPES.ociIndex]: schemaNamed('ReferrersIndex') },
    },
  },
  errors: [],
  async handle({ registry }, { path, query: { artifactType, n = MAX_REFERRERS, last = '' } }) {
    const { descriptors, next } = await registry.manifests.referrers({
      repository: path.name,
      subject: path.digest,
      artifactTypes: artifactType,
      after: last,
      limit: Math.max(1, n),
      maxBytes: MAX_REFERRERS_BYTES,
    })
    const json = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: descriptors }
    const page = { json, next: next === undefined ? undefined : { artifactType, last: next } }
    return { type: 'json', mediaType: MEDIA_TYPES.ociIndex, read: async () => page }
  },
})
