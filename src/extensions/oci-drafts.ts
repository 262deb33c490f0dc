import type { Operation, Section } from '../api/operation.ts'
import { type JsonSchema, schemaNamed } from '../api/schema.ts'
import { RegistryError } from '../oci/error.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import { parseTag } from '../oci/reference.ts'
import { formatTime } from '../oci/time.ts'
import type { ExtensionAnswer } from './answer.ts'
import {
  type Endpoint,
  type ExtensionContext,
  type ExtensionRequest,
  type RepositoryContext,
  TAG_MODULE,
} from './extension.ts'
import { CURSOR, limitParameter } from './parameters.ts'
import { readQuery } from './query.ts'
import { childrenAnswer, MAX_REPOSITORIES } from './stowage/repository-list.ts'
import { MAX_TAG_CHANGES, tagHistoryAnswer } from './stowage/tag-history.ts'

const PULL_REQUESTS = 'https://github.com/opencontainers/distribution-spec/pull'

function draftSection(title: string, pullRequest: number): Section {
  return { title: `${title}, a draft`, url: `${PULL_REQUESTS}/${pullRequest}` }
}

/** The forms of what drafts answer. */
export const DRAFT_SCHEMAS = {
  DraftTagHistory: {
    type: 'object',
    description: 'The manifests that a tag has pointed to, newest first.',
    required: ['history'],
    additionalProperties: false,
    properties: {
      history: {
        type: 'array',
        items: {
          type: 'object',
          required: ['updateTimestamp', 'digest'],
          additionalProperties: false,
          properties: {
            updateTimestamp: { type: 'string', format: 'date-time' },
            digest: schemaNamed('Digest'),
          },
        },
      },
    },
  },
  DraftRepositoryList: {
    type: 'object',
    description: 'Direct children of a path, in byte order.',
    required: ['name', 'repositories'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', description: 'The path; empty for the whole registry.' },
      repositories: { type: 'array', items: schemaNamed('RepositoryName') },
    },
  },
} as const satisfies Record<string, JsonSchema>

const HISTORY_QUERY = { n: limitParameter(MAX_TAG_CHANGES), cursor: CURSOR } as const
const REPOSITORIES_QUERY = { n: limitParameter(MAX_REPOSITORIES), cursor: CURSOR } as const

const listRepositoriesOperation: Operation = {
  id: 'listDraftRepositories',
  summary: 'List the repositories below the root, as in a draft of the specification',
  section: draftSection('Repository list', 611),
  query: REPOSITORIES_QUERY,
  answers: {
    200: {
      description: 'One page of names.',
      headers: ['ETag?'],
      content: { [MEDIA_TYPES.json]: { $ref: '#/components/schemas/DraftRepositoryList' } },
    },
  },
  errors: [],
}

const repositoryList = {
  method: 'GET',
  component: 'repository',
  module: 'list',
  draft: true,
  handle: listRepositories,
} as const

/** What drafts of the specification would add to its own namespace, in their shape. */
export const draftEndpoints: readonly Endpoint[] = [
  {
    method: 'GET',
    scope: 'repository',
    component: 'tag-history',
    module: TAG_MODULE,
    draft: true,
    action: 'pull',
    operation: {
      id: 'listDraftTagHistory',
      summary: 'List the manifests that a tag has pointed to, as in a draft of the specification',
      section: draftSection('Tag history', 606),
      query: HISTORY_QUERY,
      answers: {
        200: {
          description: 'One page, newest first. It may be short or even empty although another page follows.',
          headers: ['ETag?'],
          content: { [MEDIA_TYPES.json]: { $ref: '#/components/schemas/DraftTagHistory' } },
        },
      },
      errors: ['NAME_UNKNOWN', 'MANIFEST_UNKNOWN'],
    },
    handle: listTagHistory,
  },
  { ...repositoryList, scope: 'registry', action: 'catalog', operation: listRepositoriesOperation },
  {
    ...repositoryList,
    scope: 'repository',
    action: 'pull',
    operation: {
      ...listRepositoriesOperation,
      id: 'listDraftRepositoriesBelow',
      summary: 'List the repositories below a path, as in a draft of the specification',
    },
  },
]

async function listTagHistory(
  { registry, repository }: RepositoryContext,
  { query, module }: ExtensionRequest,
): Promise<ExtensionAnswer> {
  const tag = parseTag(module)
  if (tag === undefined) throw new RegistryError('TAG_INVALID', { details: [{ tag: module.slice(0, 100) }] })
  const page = readQuery(query, HISTORY_QUERY)
  return await tagHistoryAnswer(registry, { repository, tag, ...page }, ({ items }) => ({
    // The draft has no form for a removal.
    history: items.flatMap(({ at, digest }) =>
      digest === undefined ? [] : [{ updateTimestamp: formatTime(at), digest }],
    ),
  }))
}

async function listRepositories(
  context: ExtensionContext,
  { query }: ExtensionRequest,
): Promise<ExtensionAnswer> {
  return childrenAnswer(context, { ...readQuery(query, REPOSITORIES_QUERY), recursive: false, detail: false })
}
