import type { Answer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import { type ExtensionEndpoint, type ExtensionRequest, extensionEndpoint } from '../../api/extension.ts'
import { contentIn } from '../../api/operation.ts'
import { digestParameter } from '../../api/parameters.ts'
import { type JsonSchema, schemaNamed } from '../../api/schema.ts'
import type { Digest } from '../../oci/digest.ts'
import { formatRoute } from '../../oci/route.ts'
import type { ContentHolder } from '../../registry/registry.ts'
import { type DescribedLocations, describedLocations, type ReadBudget } from './described-locations.ts'
import { pageSection } from './documentation.ts'
import { contentUnknown, findHeld, type HeldContent, listHolders } from './held-content.ts'
import type { Level } from './level.ts'
import { ownMediaTypes } from './media-types.ts'

const MAX_REPOSITORIES = 20
const MAX_LOCATIONS = 100
const MAX_MANIFESTS = 32
const MAX_MANIFEST_BYTES = 8 * 1024 * 1024
const MAX_REGISTERED_BYTES = 4 * 1024 * 1024
const MEDIA_TYPES = ownMediaTypes('content-locations')

const QUERY = { digest: { ...digestParameter('The digest of the content.'), required: true } } as const

/** The forms of locations. */
export const LOCATION_SCHEMAS = {
  ContentLocations: {
    type: 'object',
    description: 'Where to get some content. Clients must verify the digest of what they fetch.',
    required: ['digest', 'locations'],
    additionalProperties: false,
    properties: {
      digest: schemaNamed('Digest'),
      size: {
        type: 'integer',
        minimum: 0,
        description: 'The size in bytes; absent if the registry does not know it.',
      },
      locations: {
        type: 'array',
        minItems: 1,
        maxItems: MAX_LOCATIONS,
        items: { $ref: '#/components/schemas/ContentLocation' },
      },
    },
  },
  ContentLocation: {
    type: 'object',
    description: 'A place where the content is said to be.',
    required: ['type', 'url', 'priority'],
    additionalProperties: false,
    properties: {
      type: {
        type: 'string',
        enum: ['registry', 'descriptor', 'referrer'],
        description:
          'Where the location comes from: this registry itself, a descriptor, or a referrer that registers it.',
      },
      url: {
        type: 'string',
        description: 'An absolute URL; for this registry, a path on the host of the response.',
      },
      priority: {
        type: 'integer',
        minimum: 0,
        description: 'The order in which this registry would try the locations, lowest first.',
      },
    },
  },
} as const satisfies Record<string, JsonSchema>

interface Location {
  type: 'registry' | 'descriptor' | 'referrer'
  url: string
  priority: number
}

const shared = {
  method: 'GET',
  component: 'content',
  module: 'locations',
  action: 'pull',
  mediaTypes: MEDIA_TYPES,
  description:
    'The registry does not contact other locations, and does not check that they have the content.',
  section: pageSection('Content by digest', 'content'),
  query: QUERY,
  answers: {
    200: {
      description: 'At least one location, in order of priority.',
      content: contentIn(MEDIA_TYPES, { $ref: '#/components/schemas/ContentLocations' }),
    },
  },
  errors: ['BLOB_UNKNOWN', 'STORAGE_FULL', 'UNAVAILABLE'],
  handle: listLocations,
} as const

/** `GET /v2/_stowage/content/locations`, and the same as seen from a repository. */
export const contentLocationsEndpoints: readonly ExtensionEndpoint[] = [
  extensionEndpoint({
    ...shared,
    route: 'registryExtension',
    id: 'listContentLocations',
    summary: 'List where to get content, in this registry and elsewhere',
  }),
  extensionEndpoint({
    ...shared,
    route: 'repositoryExtension',
    id: 'listRepositoryContentLocations',
    summary: 'List where to get content, as known to a repository',
    errors: ['NAME_UNKNOWN', ...shared.errors],
  }),
]

async function listLocations(
  { registry }: Context,
  { path, query: { digest }, pathPrefix }: ExtensionRequest<typeof QUERY>,
): Promise<Answer> {
  const level = { registry, repository: path.name }
  return {
    type: 'json',
    async read() {
      const { held, size: heldSize } = await findAllHeld(level, digest)
      const { descriptors, referrers, size = heldSize } = await describe(level, digest, held)
      const own = [
        ...(level.repository === undefined && held.length > 0 ? [anywhere(digest)] : []),
        ...held.map((one) => inRepository(one, digest, level)),
      ]
      const locations = [
        ...own.map((location) => ({ ...location, url: pathPrefix + location.url })),
        ...descriptors.map((url) => ({ type: 'descriptor' as const, url, priority: 2 })),
        ...referrers.map((url) => ({ type: 'referrer' as const, url, priority: 3 })),
      ]
      if (locations.length === 0) throw contentUnknown(digest)
      return { json: { digest, ...(size !== undefined && { size }), locations: distinct(locations) } }
    },
  }
}

/** The repositories that have it, beginning with the one in the path. */
async function findAllHeld(
  { registry, repository }: Level,
  digest: Digest,
): Promise<{ held: HeldContent[]; size?: number }> {
  const holders: Pick<ContentHolder, 'repository' | 'as'>[] = await listHolders(registry, digest)
  if (repository !== undefined) {
    // Throws if the repository does not exist.
    await registry.repositories.state(repository)
    const own = (['manifest', 'blob'] as const).map((as) => ({ repository, as }))
    const others = holders.filter((holder) => holder.repository !== repository)
    holders.splice(0, holders.length, ...own, ...others)
  }
  const held: HeldContent[] = []
  for (const holder of holders) {
    if (held.length === MAX_REPOSITORIES) break
    const found = await findHeld(registry, holder, digest)
    if (found !== undefined && !held.some((one) => one.repository === found.repository)) held.push(found)
  }
  const [first] = held
  return first === undefined ? { held } : { held, size: first.size }
}

/** The locations from manifests: of the repository in the path, or otherwise of all repositories that have the content. */
async function describe(
  { registry, repository }: Level,
  digest: Digest,
  held: readonly HeldContent[],
): Promise<DescribedLocations> {
  const budget: ReadBudget = {
    manifests: MAX_MANIFESTS,
    bytes: MAX_MANIFEST_BYTES,
    registeredBytes: MAX_REGISTERED_BYTES,
    locations: MAX_LOCATIONS,
  }
  const repositories = repository === undefined ? held.map((one) => one.repository) : [repository]
  const found: DescribedLocations = { descriptors: [], referrers: [] }
  for (const one of repositories) {
    const { descriptors, referrers, size } = await describedLocations(
      registry,
      { repository: one, digest },
      budget,
    )
    found.descriptors.push(...descriptors)
    found.referrers.push(...referrers)
    if (held.length === 0 && size !== undefined) found.size = size
  }
  return found
}

function anywhere(digest: Digest): Location {
  return { type: 'registry', url: `/v2/_stowage/content/data?digest=${digest}`, priority: 0 }
}

function inRepository({ repository, as }: HeldContent, digest: Digest, level: Level): Location {
  const name = repository
  const url =
    as === 'blob'
      ? formatRoute('blob', { name, digest })
      : formatRoute('manifest', { name, reference: digest })
  return { type: 'registry', url, priority: repository === level.repository ? 0 : 1 }
}

function distinct(locations: readonly Location[]): Location[] {
  const byUrl = new Map(locations.toReversed().map((location) => [location.url, location]))
  return locations.filter((location) => byUrl.get(location.url) === location).slice(0, MAX_LOCATIONS)
}
