import type { Answer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import type { RequestAt } from '../../api/endpoint.ts'
import { extensionEndpoint } from '../../api/extension.ts'
import { contentIn } from '../../api/operation.ts'
import { type Parameter, parameterError } from '../../api/parameter.ts'
import { CURSOR, limitParameter } from '../../api/parameters.ts'
import { type JsonSchema, schemaNamed } from '../../api/schema.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { TextError } from '../../oci/text-error.ts'
import { formatTime, parseTime } from '../../oci/time.ts'
import type { PastTagsPage, Registry, When } from '../../registry/registry.ts'
import { formatCursor, parseCursor } from '../cursor.ts'
import { pageSection } from './documentation.ts'
import { ownMediaTypes } from './media-types.ts'
import { repositoryState } from './state.ts'

const MAX_TAGS = 1000
const NOW_LIST = 'tags'
const PAST_LIST = 'tags:at'
const MEDIA_TYPES = ownMediaTypes('tags')
/** The present is the last revision before this one. */
const NOW: When = { revision: Number.MAX_SAFE_INTEGER }

const AT: Parameter<When> = {
  description: 'List the tags as of this revision of the repository, or as of this time; now if absent.',
  schema: { type: 'string', examples: ['13', '2026-01-31T12:00:00Z'] },
  parse(text) {
    if (/^\d{1,15}$/.test(text)) return { revision: Number(text) }
    if (/^\d{4}-/.test(text)) return { time: parseTime(text) }
    throw new TextError('must be a revision, such as 13, or a time, such as 2026-01-31T12:00:00Z', text, 0)
  },
}

const QUERY = { at: AT, n: limitParameter(MAX_TAGS), cursor: CURSOR } as const

/** The forms of its answers. */
export const PAST_TAGS_SCHEMAS = {
  PastTags: {
    type: 'object',
    description: 'The tags of a repository as they were at a revision, in byte order.',
    required: ['name', 'revision', 'tags'],
    additionalProperties: false,
    properties: {
      name: schemaNamed('RepositoryName'),
      revision: { type: 'integer', minimum: 0, description: 'The revision that was listed.' },
      tags: { type: 'array', items: { $ref: '#/components/schemas/PastTag' } },
    },
  },
  PastTag: {
    type: 'object',
    description: 'The state of a tag.',
    required: ['tag', 'digest', 'updateTimestamp', 'revision', 'available'],
    additionalProperties: false,
    properties: {
      tag: schemaNamed('Tag'),
      digest: schemaNamed('Digest'),
      updateTimestamp: {
        type: 'string',
        format: 'date-time',
        description: 'When the tag was set to this digest.',
      },
      revision: {
        type: 'integer',
        minimum: 1,
        description: 'The revision at which the tag was set to this digest.',
      },
      available: { type: 'boolean', description: 'Whether the repository still has the manifest.' },
    },
  },
} as const satisfies Record<string, JsonSchema>

/** `GET /v2/<name>/_stowage/tags/list`. */
export const pastTagsEndpoint = extensionEndpoint({
  method: 'GET',
  route: 'repositoryExtension',
  component: 'tags',
  module: 'list',
  action: 'pull',
  mediaTypes: MEDIA_TYPES,
  id: 'listTagsAt',
  summary: 'List tags with their digests, now or in the past',
  description: 'With `at`, all pages of a list show the same revision, whatever changes in between.',
  section: pageSection('Current and past tags', 'past-tags'),
  query: QUERY,
  answers: {
    200: {
      description: 'One page. It may be short or even empty although another page follows.',
      headers: ['ETag?'],
      content: contentIn(MEDIA_TYPES, { $ref: '#/components/schemas/PastTags' }),
    },
  },
  errors: ['NAME_UNKNOWN', 'HISTORY_PRUNED'],
  handle: listPastTags,
})

/** The repository whose tags are listed. */
interface Listed {
  registry: Registry
  repository: RepositoryName
}

async function listPastTags(
  { registry, clock }: Context,
  { path: { name: repository }, query: { at, n, cursor } }: RequestAt<'repositoryExtension', typeof QUERY>,
): Promise<Answer> {
  const listed = { registry, repository }
  const limit = n ?? MAX_TAGS
  if (at === undefined) {
    const [after] = cursor === undefined ? [''] : parseCursor(cursor, NOW_LIST, ['string'])
    return answerTags(listed, {
      read: () => registry.history.tagsAt(repository, NOW, { after, limit }),
      cursorAt: (tag) => formatCursor(NOW_LIST, [tag]),
    })
  }
  const [pinned, after] =
    cursor === undefined ? [undefined, ''] : parseCursor(cursor, PAST_LIST, ['number', 'string'])
  if (pinned === undefined) await refuseFuture(at, listed, clock())
  const when = pinned === undefined ? at : { revision: pinned }
  // This happens before the page is read, so that HEAD also reports that the history was forgotten.
  const { revision } = await registry.history.tagsAt(repository, when, { after: '', limit: 0 })
  return answerTags(listed, {
    read: () => registry.history.tagsAt(repository, { revision }, { after, limit }),
    cursorAt: (tag) => formatCursor(PAST_LIST, [revision, tag]),
  })
}

function answerTags(
  { registry, repository }: Listed,
  { read, cursorAt }: { read(): Promise<PastTagsPage>; cursorAt(tag: string): string },
): Answer {
  return {
    type: 'json',
    // Also for past states: whether their manifests exist depends on the present.
    state: () => repositoryState(registry, repository),
    async read() {
      const page = await read()
      return { json: bodyOf(repository, page), next: page.next && { cursor: cursorAt(page.next) } }
    },
  }
}

async function refuseFuture(at: When, { registry, repository }: Listed, now: number): Promise<void> {
  if (at.time === undefined) {
    const { revision } = await registry.repositories.state(repository)
    if (at.revision > revision)
      throw parameterError('at', `is a revision in the future; the newest one is ${revision}`)
  } else if (at.time > now) {
    throw parameterError('at', `is a time in the future; the time is now ${formatTime(now)}`)
  }
}

function bodyOf(name: RepositoryName, { revision, tags }: PastTagsPage): object {
  return {
    name,
    revision,
    tags: tags.map(({ tag, digest, at, revision: since, available }) => ({
      tag,
      digest,
      updateTimestamp: formatTime(at),
      revision: since,
      available,
    })),
  }
}
