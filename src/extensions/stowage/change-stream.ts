import type { Answer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import { type ExtensionEndpoint, type ExtensionRequest, extensionEndpoint } from '../../api/extension.ts'
import { parameterError } from '../../api/parameter.ts'
import type { JsonSchema } from '../../api/schema.ts'
import { RegistryError } from '../../oci/error.ts'
import { EVENT_STREAM, EVENT_STREAM_HEADERS, eventStream, type ServerSentEvent } from '../event-stream.ts'
import { pageSection } from './documentation.ts'
import {
  type FeedPage,
  formatChange,
  formatRefusal,
  parseSequence,
  readFeed,
  readOn,
  SINCE,
  waitForChange,
} from './feed.ts'
import { takePlace } from './followers.ts'
import type { Level } from './level.ts'

/** The most changes that wait for a client that reads slowly. */
const PAGE_SIZE = 100
const RESUME_HEADER = 'Last-Event-ID'
const QUERY = { since: SINCE } as const

/** The forms of the data of events. */
export const CHANGE_STREAM_SCHEMAS = {
  ChangeEvent: {
    description: 'The data of an event: a change, or why the stream ends.',
    anyOf: [{ $ref: '#/components/schemas/Change' }, { $ref: '#/components/schemas/StreamEnd' }],
  },
  StreamEnd: {
    type: 'object',
    description: 'Why a stream cannot continue.',
    required: ['code', 'message', 'detail'],
    additionalProperties: false,
    properties: {
      code: { type: 'string' },
      message: { type: 'string' },
      detail: {
        type: 'object',
        description: 'Details, as in an error.',
        required: ['reason', 'requestId'],
        properties: { reason: { type: 'string' }, requestId: { type: 'string' } },
      },
    },
  },
} as const satisfies Record<string, JsonSchema>

const shared = {
  method: 'GET',
  component: 'changes',
  module: 'stream',
  mediaTypes: [EVENT_STREAM],
  description:
    'Server-sent events: a `change` for each change, with its sequence number as `id`, and an `end` with the reason if the stream cannot continue.',
  section: pageSection('Change feed', 'change-feed'),
  query: QUERY,
  headers: [RESUME_HEADER],
  answers: {
    200: {
      description:
        'Events as they happen, and comments while nothing happens. The stream stays open until the client or the server closes it.',
      content: { [EVENT_STREAM]: { $ref: '#/components/schemas/ChangeEvent' } },
      unmeasured: 'always',
    },
  },
  errors: ['HISTORY_PRUNED', 'UNAVAILABLE'],
  handle: streamChanges,
} as const

/** `GET /v2/_stowage/changes/stream`, and the same of one repository. */
export const changeStreamEndpoints: readonly ExtensionEndpoint[] = [
  extensionEndpoint({
    ...shared,
    route: 'registryExtension',
    action: 'catalog',
    id: 'streamChanges',
    summary: 'Follow what happens in the registry',
  }),
  extensionEndpoint({
    ...shared,
    route: 'repositoryExtension',
    action: 'pull',
    id: 'streamRepositoryChanges',
    summary: 'Follow what happens in a repository',
    errors: ['NAME_UNKNOWN', ...shared.errors],
  }),
]

async function streamChanges(
  { registry, threads, requestId }: Context,
  request: ExtensionRequest<typeof QUERY>,
): Promise<Answer> {
  const level = { registry, repository: request.path.name }
  // A client that reconnects sends both, and the header is the newer one.
  const first = await readFeed(
    level,
    resumedAt(request.header(RESUME_HEADER.toLowerCase())) ?? request.query.since,
    PAGE_SIZE,
  )
  const { signal, address } = request
  const giveBack = takePlace(registry, { address, signal, threads })
  return {
    type: 'stream',
    headers: EVENT_STREAM_HEADERS,
    chunks: () => eventStream(events(level, first, { signal, giveBack, requestId })),
  }
}

/** Reads the header of a client that reconnects. @throws RegistryError PARAMETER_INVALID */
function resumedAt(id: string | undefined): number | undefined {
  // Clients that received no id send this.
  if (id === undefined || id === '') return undefined
  const sequence = parseSequence(id)
  if (sequence === undefined) throw parameterError(RESUME_HEADER, 'must be the sequence number of an event')
  return sequence
}

async function* events(
  level: Level,
  first: FeedPage,
  { signal, giveBack, requestId }: { signal: AbortSignal; giveBack(): void; requestId: string },
): AsyncGenerator<ServerSentEvent> {
  try {
    for (let page = first; ; page = await readOn(level, page, PAGE_SIZE)) {
      for (const change of page.changes) {
        if (signal.aborted) return
        yield { id: String(change.sequence), event: 'change', data: formatChange(change) }
      }
      await waitForChange(level, page, signal)
      if (signal.aborted) return
    }
  } catch (error) {
    // The head of the answer was sent long ago.
    if (!(error instanceof RegistryError)) throw error
    yield { event: 'end', data: formatRefusal(error, requestId) }
  } finally {
    giveBack()
  }
}
