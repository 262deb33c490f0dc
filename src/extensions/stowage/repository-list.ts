import type { Answer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import { type ExtensionEndpoint, type ExtensionRequest, extensionEndpoint } from '../../api/extension.ts'
import { contentIn } from '../../api/operation.ts'
import { CURSOR, flagParameter, limitParameter } from '../../api/parameters.ts'
import { type JsonSchema, schemaNamed } from '../../api/schema.ts'
import { formatTime } from '../../oci/time.ts'
import type { RepositoryEntry } from '../../registry/registry.ts'
import { formatCursor, parseCursor } from '../cursor.ts'
import { pageSection } from './documentation.ts'
import type { Level } from './level.ts'
import { ownMediaTypes } from './media-types.ts'
import { registryState } from './state.ts'

/** How many repositories are listed at once. */
export const MAX_REPOSITORIES = 1000
const LIST = 'repositories'
const MEDIA_TYPES = ownMediaTypes('repositories')

const QUERY = {
  recursive: flagParameter(
    'Whether to list all repositories below the path instead of only its direct children.',
  ),
  detail: flagParameter('Whether to return details of each repository; its counts may be some seconds old.'),
  n: limitParameter(MAX_REPOSITORIES),
  cursor: CURSOR,
} as const

const TIME: JsonSchema = { type: 'string', format: 'date-time' }
const COUNT: JsonSchema = { type: 'integer', minimum: 0 }

/** The forms of its answers. */
export const REPOSITORY_LIST_SCHEMAS = {
  ChildRepositories: {
    type: 'object',
    description: 'Repositories below a path, in byte order.',
    required: ['name', 'repositories'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', description: 'The path; empty for the whole registry.' },
      repositories: {
        type: 'array',
        items: schemaNamed('RepositoryName'),
        description:
          'Names relative to the path. A direct child that is not a repository itself has repositories below it.',
      },
      details: {
        type: 'array',
        items: { $ref: '#/components/schemas/RepositoryDetail' },
        description: 'One entry for each of `repositories`, if `detail` is true.',
      },
    },
  },
  RepositoryDetail: {
    type: 'object',
    description: 'A path, and details of the repository at that path, if there is one.',
    required: ['name', 'isRepository'],
    additionalProperties: false,
    properties: {
      name: { ...schemaNamed('RepositoryName'), description: 'The full name, relative to the registry.' },
      isRepository: {
        type: 'boolean',
        description: 'Whether there is a repository at this path, and not only below it.',
      },
      revision: { ...COUNT, description: 'How many times it has changed.' },
      createdAt: TIME,
      updatedAt: { ...TIME, description: 'When it last changed.' },
      counts: { $ref: '#/components/schemas/RepositoryCounts' },
    },
  },
  RepositoryCounts: {
    type: 'object',
    description: 'The amount of content in a repository at some revision; absent until it has been counted.',
    required: ['revision', 'countedAt', 'tags', 'manifests', 'blobs', 'size'],
    additionalProperties: false,
    properties: {
      revision: {
        ...COUNT,
        description:
          'The revision that was counted. The counts are current if it is the revision of the repository.',
      },
      countedAt: TIME,
      tags: COUNT,
      manifests: COUNT,
      blobs: { ...COUNT, description: 'The number of blobs, not counting manifests.' },
      size: {
        ...COUNT,
        description: 'The total size of all blobs and manifests in bytes, counting each once.',
      },
    },
  },
} as const satisfies Record<string, JsonSchema>

const shared = {
  method: 'GET',
  component: 'repositories',
  module: 'list',
  mediaTypes: MEDIA_TYPES,
  description:
    'There is no `ETag` with `detail`, since counts are updated later than the content that they count.',
  section: pageSection('Repository list', 'repository-list'),
  query: QUERY,
  answers: {
    200: {
      description: 'One page of names.',
      headers: ['ETag?'],
      content: contentIn(MEDIA_TYPES, { $ref: '#/components/schemas/ChildRepositories' }),
    },
  },
  errors: [],
  handle: listRepositories,
} as const

/** `GET /v2/_stowage/repositories/list`, and the same below a path. */
export const repositoryListEndpoints: readonly ExtensionEndpoint[] = [
  extensionEndpoint({
    ...shared,
    route: 'registryExtension',
    action: 'catalog',
    id: 'listRepositoryTree',
    summary: 'List the repositories in the registry, by level or all of them',
  }),
  extensionEndpoint({
    ...shared,
    route: 'repositoryExtension',
    action: 'pull',
    id: 'listRepositoriesBelow',
    summary: 'List the repositories below a path, which need not be a repository itself',
  }),
]

async function listRepositories(
  { registry }: Context,
  { path, query }: ExtensionRequest<typeof QUERY>,
): Promise<Answer> {
  const { recursive = false, detail = false, ...page } = query
  return childrenAnswer({ registry, repository: path.name }, { recursive, detail, ...page })
}

/** Answers a page of the repositories below the path of a request. @throws RegistryError PARAMETER_INVALID for the cursor */
export function childrenAnswer(
  { registry, repository }: Level,
  {
    recursive,
    detail,
    n,
    cursor,
  }: { recursive: boolean; detail: boolean; n: number | undefined; cursor: string | undefined },
): Answer {
  const [after] = cursor === undefined ? [''] : parseCursor(cursor, LIST, ['string'])
  const parent = repository ?? ''
  return {
    type: 'json',
    ...(!detail && { state: () => registryState(registry) }),
    async read() {
      const { items, more } = await registry.repositories.children({
        parent,
        recursive,
        after,
        limit: n ?? MAX_REPOSITORIES,
      })
      const last = items.at(-1)
      return {
        json: {
          name: parent,
          repositories: items.map(({ name }) => (parent === '' ? name : name.slice(parent.length + 1))),
          ...(detail && { details: items.map(detailOf) }),
        },
        next: more && last ? { cursor: formatCursor(LIST, [last.name]) } : undefined,
      }
    },
  }
}

function detailOf({ name, state, count }: RepositoryEntry): object {
  return {
    name,
    isRepository: state !== undefined,
    ...(state && {
      revision: state.revision,
      createdAt: formatTime(state.created),
      updatedAt: formatTime(state.updated),
    }),
    ...(count && { counts: countsOf(count) }),
  }
}

function countsOf({
  revision,
  at,
  tags,
  manifests,
  blobs,
  size,
}: NonNullable<RepositoryEntry['count']>): object {
  return { revision, countedAt: formatTime(at), tags, manifests, blobs, size }
}
