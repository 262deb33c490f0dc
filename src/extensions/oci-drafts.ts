import type { Answer } from '../api/answer.ts'
import type { Context } from '../api/context.ts'
import type { RequestAt } from '../api/endpoint.ts'
import {
  type ExtensionEndpoint,
  type ExtensionRequest,
  extensionEndpoint,
  TAG_MODULE,
} from '../api/extension.ts'
import type { Section } from '../api/operation.ts'
import { CURSOR, limitParameter } from '../api/parameters.ts'
import { requireTag } from '../api/path.ts'
import { type JsonSchema, schemaNamed } from '../api/schema.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import { formatTime } from '../oci/time.ts'
import { childrenAnswer, MAX_REPOSITORIES } from './stowage/repository-list.ts'
import { MAX_TAG_CHANGES, tagHistoryAnswer } from './stowage/tag-history.ts'

const PULL_REQUESTS = 'https://github.com/opencontainers/distribution-spec/pull'

function draftSection(title: string, pullRequest: number): Section {
  return { title: `${title}, a draft`, url: `${PULL_REQUESTS}/${pullRequest}` }
}

/** The forms of the answers of drafts. */
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

const repositoryList = {
  method: 'GET',
  component: 'repository',
  module: 'list',
  draft: true,
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
  handle: listRepositories,
} as const

/** The endpoints that drafts of the specification would add to its own namespace, in the form of the drafts. */
export const draftEndpoints: readonly ExtensionEndpoint[] = [
  extensionEndpoint({
    method: 'GET',
    route: 'repositoryExtension',
    component: 'tag-history',
    module: TAG_MODULE,
    draft: true,
    action: 'pull',
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
    handle: listTagHistory,
  }),
  extensionEndpoint({
    ...repositoryList,
    route: 'registryExtension',
    action: 'catalog',
    id: 'listDraftRepositories',
    summary: 'List the repositories below the root, as in a draft of the specification',
  }),
  extensionEndpoint({
    ...repositoryList,
    route: 'repositoryExtension',
    action: 'pull',
    id: 'listDraftRepositoriesBelow',
    summary: 'List the repositories below a path, as in a draft of the specification',
  }),
]

async function listTagHistory(
  { registry }: Context,
  { path, query }: RequestAt<'repositoryExtension', typeof HISTORY_QUERY>,
): Promise<Answer> {
  const tag = requireTag(path.module)
  return await tagHistoryAnswer(registry, { repository: path.name, tag, ...query }, ({ items }) => ({
    // The draft has no form for a removal.
    history: items.flatMap(({ at, digest }) =>
      digest === undefined ? [] : [{ updateTimestamp: formatTime(at), digest }],
    ),
  }))
}

async function listRepositories(
  { registry }: Context,
  { path, query }: ExtensionRequest<typeof REPOSITORIES_QUERY>,
): Promise<Answer> {
  const level = { registry, repository: path.name }
  return childrenAnswer(level, { ...query, recursive: false, detail: false })
}
