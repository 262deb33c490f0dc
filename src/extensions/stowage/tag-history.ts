import type { Answer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import type { RequestAt } from '../../api/endpoint.ts'
import { extensionEndpoint } from '../../api/extension.ts'
import { contentIn } from '../../api/operation.ts'
import { CURSOR, limitParameter, tagParameter } from '../../api/parameters.ts'
import { type JsonSchema, schemaNamed } from '../../api/schema.ts'
import { RegistryError } from '../../oci/error.ts'
import type { RepositoryName, Tag } from '../../oci/reference.ts'
import { formatTime } from '../../oci/time.ts'
import type { Page, Registry, TagChange } from '../../registry/registry.ts'
import { formatCursor, parseCursor } from '../cursor.ts'
import { pageSection } from './documentation.ts'
import { ownMediaTypes } from './media-types.ts'
import { repositoryState } from './state.ts'

/** How many changes of a tag are listed at once. */
export const MAX_TAG_CHANGES = 1000
const LIST = 'tag-history'
const MEDIA_TYPES = ownMediaTypes('tag-history')

const QUERY = {
  tag: { ...tagParameter('The tag, which may have been removed.'), required: true },
  n: limitParameter(MAX_TAG_CHANGES),
  cursor: CURSOR,
} as const

const REVISION: JsonSchema = {
  type: 'integer',
  minimum: 1,
  description: 'The revision of the repository that this change created.',
}
const ACTOR: JsonSchema = { type: 'string', description: 'The user who made the change, if known.' }
const UPDATED: JsonSchema = {
  type: 'string',
  format: 'date-time',
  description: 'When it happened. Never decreases within a repository.',
}

/** The forms of its answers. */
export const TAG_HISTORY_SCHEMAS = {
  TagHistory: {
    type: 'object',
    description: 'The history of a tag, newest first.',
    required: ['history'],
    additionalProperties: false,
    properties: {
      history: {
        type: 'array',
        items: {
          oneOf: [{ $ref: '#/components/schemas/TagSetting' }, { $ref: '#/components/schemas/TagRemoval' }],
        },
      },
    },
  },
  TagSetting: {
    type: 'object',
    description: 'A tag was set to a manifest.',
    required: ['updateTimestamp', 'digest', 'revision', 'available'],
    additionalProperties: false,
    properties: {
      updateTimestamp: UPDATED,
      digest: schemaNamed('Digest'),
      actor: ACTOR,
      revision: REVISION,
      available: { type: 'boolean', description: 'Whether the repository still has the manifest.' },
    },
  },
  TagRemoval: {
    type: 'object',
    description: 'A tag was removed, with or without its manifest.',
    required: ['updateTimestamp', 'removed', 'revision'],
    additionalProperties: false,
    properties: { updateTimestamp: UPDATED, removed: { const: true }, actor: ACTOR, revision: REVISION },
  },
} as const satisfies Record<string, JsonSchema>

/** `GET /v2/<name>/_stowage/tags/history`. */
export const tagHistoryEndpoint = extensionEndpoint({
  method: 'GET',
  route: 'repositoryExtension',
  component: 'tags',
  module: 'history',
  action: 'pull',
  mediaTypes: MEDIA_TYPES,
  id: 'listTagHistory',
  summary: 'List the history of a tag',
  description:
    'Changes older than the kept history are not listed, except for the state of the tag at its start.',
  section: pageSection('Tag history', 'tag-history'),
  query: QUERY,
  answers: {
    200: {
      description: 'One page of changes, newest first.',
      headers: ['ETag?'],
      content: contentIn(MEDIA_TYPES, { $ref: '#/components/schemas/TagHistory' }),
    },
  },
  errors: ['NAME_UNKNOWN', 'MANIFEST_UNKNOWN'],
  handle: listTagHistory,
})

async function listTagHistory(
  { registry }: Context,
  { path, query }: RequestAt<'repositoryExtension', typeof QUERY>,
): Promise<Answer> {
  return await tagHistoryAnswer(registry, { repository: path.name, ...query }, ({ items }) => ({
    history: items.map(entryOf),
  }))
}

/** The requested part of a tag's history. */
export interface TagHistoryQuery {
  repository: RepositoryName
  tag: Tag
  n: number | undefined
  cursor: string | undefined
}

/**
 * Answers a page of a tag's history.
 *
 * @param format makes the body of a page
 * @throws RegistryError NAME_UNKNOWN, MANIFEST_UNKNOWN if the tag has no history, or PARAMETER_INVALID for the cursor
 */
export async function tagHistoryAnswer(
  registry: Registry,
  { repository, tag, n, cursor }: TagHistoryQuery,
  format: (page: Page<TagChange>) => object,
): Promise<Answer> {
  const [before] = cursor === undefined ? [Number.MAX_SAFE_INTEGER] : parseCursor(cursor, LIST, ['number'])
  const newest = await registry.history.tag(repository, tag, { before: Number.MAX_SAFE_INTEGER, limit: 1 })
  if (newest.items.length === 0) {
    const message = 'this repository has had no such tag, as far back as its history goes'
    throw new RegistryError('MANIFEST_UNKNOWN', { message, details: [{ tag }] })
  }
  return {
    type: 'json',
    state: () => historyState(registry, repository),
    async read() {
      const page = await registry.history.tag(repository, tag, { before, limit: n ?? MAX_TAG_CHANGES })
      const last = page.items.at(-1)
      return {
        json: format(page),
        next: page.more && last ? { cursor: formatCursor(LIST, [last.revision]) } : undefined,
      }
    },
  }
}

/** Old changes are forgotten without a new revision. */
async function historyState(registry: Registry, repository: RepositoryName): Promise<string> {
  const { floor } = await registry.changes.bounds()
  return `${await repositoryState(registry, repository)} ${floor}`
}

function entryOf({ revision, at, digest, actor, available }: TagChange): object {
  return {
    updateTimestamp: formatTime(at),
    ...(digest === undefined ? { removed: true } : { digest }),
    ...(actor !== undefined && { actor }),
    revision,
    ...(digest !== undefined && { available }),
  }
}
