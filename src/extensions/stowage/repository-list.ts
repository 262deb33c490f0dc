import { type JsonSchema, schemaNamed } from '../../oci/schema.ts'
import { formatTime } from '../../oci/time.ts'
import type { RepositoryEntry } from '../../registry/registry.ts'
import type { ExtensionAnswer } from '../answer.ts'
import { formatCursor, parseCursor } from '../cursor.ts'
import type { Endpoint, ExtensionContext, ExtensionRequest } from '../extension.ts'
import { contentIn } from '../operation.ts'
import { CURSOR, flagParameter, limitParameter } from '../parameters.ts'
import { readQuery } from '../query.ts'
import { pageSection } from './documentation.ts'
import { ownMediaTypes } from './media-types.ts'
import { registryState } from './state.ts'

/** How many repositories are listed at once. */
export const MAX_REPOSITORIES = 1000
const LIST = 'repositories'
const MEDIA_TYPES = ownMediaTypes('repositories')

const QUERY = {
  recursive: flagParameter('Whether to list all repositories below the path, not only its direct children.'),
  detail: flagParameter('Whether to tell more of each than its name; counts are some seconds late.'),
  n: limitParameter(MAX_REPOSITORIES),
  cursor: CURSOR,
} as const

const TIME: JsonSchema = { type: 'string', format: 'date-time' }
const COUNT: JsonSchema = { type: 'integer', minimum: 0 }

/** The forms of what it answers. */
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
        description: 'Seen from the path. A direct child that is no repository itself has some below it.',
      },
      details: {
        type: 'array',
        items: { $ref: '#/components/schemas/RepositoryDetail' },
        description: 'One for each of `repositories`, if `detail` was asked for.',
      },
    },
  },
  RepositoryDetail: {
    type: 'object',
    description: 'A path, and what is known of the repository there, if there is one.',
    required: ['name', 'isRepository'],
    additionalProperties: false,
    properties: {
      name: { ...schemaNamed('RepositoryName'), description: 'Seen from the whole registry.' },
      isRepository: { type: 'boolean', description: 'Whether it is one itself, not only the way to others.' },
      revision: { ...COUNT, description: 'How often it has changed.' },
      createdAt: TIME,
      updatedAt: { ...TIME, description: 'When it changed last.' },
      counts: { $ref: '#/components/schemas/RepositoryCounts' },
    },
  },
  RepositoryCounts: {
    type: 'object',
    description: 'How much is in a repository, as of some revision; absent until it was counted first.',
    required: ['revision', 'countedAt', 'tags', 'manifests', 'blobs', 'size'],
    additionalProperties: false,
    properties: {
      revision: {
        ...COUNT,
        description: 'The revision that was counted: of the newest one if it is the same.',
      },
      countedAt: TIME,
      tags: COUNT,
      manifests: COUNT,
      blobs: { ...COUNT, description: 'Without manifests.' },
      size: { ...COUNT, description: 'Of all blobs and manifests, each once, in bytes.' },
    },
  },
} as const satisfies Record<string, JsonSchema>

const shared = {
  method: 'GET',
  component: 'repositories',
  module: 'list',
  mediaTypes: MEDIA_TYPES,
  handle: listRepositories,
} as const

const operation: Endpoint['operation'] = {
  id: 'listRepositoryTree',
  summary: 'List the repositories of the registry, level by level or all',
  description: 'With `detail` there is no `ETag`, since counts change later than what they count.',
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
}

/** `GET /v2/_stowage/repositories/list`, and the same below a path. */
export const repositoryListEndpoints: readonly Endpoint[] = [
  { ...shared, scope: 'registry', action: 'catalog', operation },
  {
    ...shared,
    scope: 'repository',
    action: 'pull',
    operation: {
      ...operation,
      id: 'listRepositoriesBelow',
      summary: 'List the repositories below a path, which need not be one itself',
    },
  },
]

async function listRepositories(
  context: ExtensionContext,
  { query }: ExtensionRequest,
): Promise<ExtensionAnswer> {
  const { recursive = false, detail = false, ...page } = readQuery(query, QUERY)
  return childrenAnswer(context, { recursive, detail, ...page })
}

/** Answers a page of the repositories below the path of a request. @throws RegistryError PARAMETER_INVALID for the cursor */
export function childrenAnswer(
  { registry, repository }: ExtensionContext,
  {
    recursive,
    detail,
    n,
    cursor,
  }: { recursive: boolean; detail: boolean; n: number | undefined; cursor: string | undefined },
): ExtensionAnswer {
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
        next: more && last ? formatCursor(LIST, [last.name]) : undefined,
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
