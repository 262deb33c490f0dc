import type { JsonSchema } from '../../api/schema.ts'
import { RegistryError } from '../../oci/error.ts'
import type { ExtensionAnswer } from '../answer.ts'
import { EVENT_STREAM, EVENT_STREAM_HEADERS, eventStream, type ServerSentEvent } from '../event-stream.ts'
import type { Endpoint, ExtensionContext, ExtensionRequest } from '../extension.ts'
import { parameterError, readQuery } from '../query.ts'
import { pageSection } from './documentation.ts'
import {
  type FeedPage,
  formatChange,
  formatRefusal,
  parseSequence,
  readFeed,
  readOn,
  SINCE,
  waitBehind,
} from './feed.ts'
import { takePlace } from './followers.ts'

/** Whoever reads slowly has no more than this waiting for it. */
const PAGE_SIZE = 100
const RESUME_HEADER = 'Last-Event-ID'
const QUERY = { since: SINCE } as const

/** The forms of what events say. */
export const CHANGE_STREAM_SCHEMAS = {
  ChangeEvent: {
    description: 'The data of an event: a change, or why the stream ends.',
    anyOf: [{ $ref: '#/components/schemas/Change' }, { $ref: '#/components/schemas/StreamEnd' }],
  },
  StreamEnd: {
    type: 'object',
    description: 'Why a stream cannot continue.',
    required: ['code', 'message'],
    additionalProperties: false,
    properties: {
      code: { type: 'string' },
      message: { type: 'string' },
      detail: { description: 'Details, as in an error.' },
    },
  },
} as const satisfies Record<string, JsonSchema>

const shared = {
  method: 'GET',
  component: 'changes',
  module: 'stream',
  mediaTypes: [EVENT_STREAM],
  handle: streamChanges,
} as const satisfies Partial<Endpoint>

const operation: Endpoint['operation'] = {
  id: 'streamChanges',
  summary: 'Follow what happens in the registry',
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
}

/** `GET /v2/_stowage/changes/stream`, and the same of one repository. */
export const changeStreamEndpoints: readonly Endpoint[] = [
  { ...shared, scope: 'registry', action: 'catalog', operation },
  {
    ...shared,
    scope: 'repository',
    action: 'pull',
    operation: {
      ...operation,
      id: 'streamRepositoryChanges',
      summary: 'Follow what happens in a repository',
      errors: ['NAME_UNKNOWN', ...operation.errors],
    },
  },
]

async function streamChanges(context: ExtensionContext, request: ExtensionRequest): Promise<ExtensionAnswer> {
  const { since } = readQuery(request.query, QUERY)
  // A client that comes back sends both, and the header is the newer one.
  const first = await readFeed(context, resumedAt(request) ?? since, PAGE_SIZE)
  const { signal, address } = request
  const giveBack = takePlace(context.registry, { address, signal, threads: context.threads ?? 1 })
  return {
    type: 'stream',
    headers: EVENT_STREAM_HEADERS,
    chunks: () => eventStream(events(context, first, { signal, giveBack })),
  }
}

function resumedAt(request: ExtensionRequest): number | undefined {
  const id = request.header(RESUME_HEADER.toLowerCase())
  // What clients send that were given none.
  if (id === undefined || id === '') return undefined
  const sequence = parseSequence(id)
  if (sequence === undefined) throw parameterError(RESUME_HEADER, 'must be the sequence number of an event')
  return sequence
}

async function* events(
  context: ExtensionContext,
  first: FeedPage,
  { signal, giveBack }: { signal: AbortSignal; giveBack(): void },
): AsyncGenerator<ServerSentEvent> {
  try {
    for (let page = first; ; page = await readOn(context, page, PAGE_SIZE)) {
      for (const change of page.changes) {
        if (signal.aborted) return
        yield { id: String(change.sequence), event: 'change', data: formatChange(change) }
      }
      await waitBehind(context, page, signal)
      if (signal.aborted) return
    }
  } catch (error) {
    // The head of the answer has gone long ago.
    if (!(error instanceof RegistryError)) throw error
    yield { event: 'end', data: formatRefusal(error) }
  } finally {
    giveBack()
  }
}
