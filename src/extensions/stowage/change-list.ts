import { TextError } from '../../oci/text-error.ts'
import type { ExtensionAnswer } from '../answer.ts'
import type { Endpoint, ExtensionContext, ExtensionRequest } from '../extension.ts'
import { contentIn } from '../operation.ts'
import { limitParameter } from '../parameters.ts'
import { type QueryParameter, readQuery } from '../query.ts'
import { pageSection } from './documentation.ts'
import { type FeedPage, formatChange, MAX_CHANGES, readFeed, readOn, SINCE, waitBehind } from './feed.ts'
import { takePlace } from './followers.ts'
import { ownMediaTypes } from './media-types.ts'

const MAX_WAIT_SECONDS = 60
const MEDIA_TYPES = ownMediaTypes('changes')

const WAIT: QueryParameter<number> = {
  description: `How many seconds to wait if nothing has happened yet, up to ${MAX_WAIT_SECONDS}.`,
  schema: { type: 'integer', minimum: 0 },
  parse(text) {
    if (/^\d{1,15}$/.test(text)) return Math.min(Number(text), MAX_WAIT_SECONDS)
    throw new TextError('must be a whole number of seconds', text, 0)
  },
}

const QUERY = { since: SINCE, n: limitParameter(MAX_CHANGES), wait: WAIT } as const

const shared = {
  method: 'GET',
  component: 'changes',
  module: 'list',
  mediaTypes: MEDIA_TYPES,
  handle: listChanges,
} as const

const operation: Endpoint['operation'] = {
  id: 'listChanges',
  summary: 'List what has happened in the registry, or wait for it',
  description:
    'A client that continues after `next` each time receives every change exactly once, in the order in which they happened.',
  section: pageSection('Change feed', 'change-feed'),
  query: QUERY,
  answers: {
    200: {
      description: 'The changes; none if nothing happened during the wait.',
      content: contentIn(MEDIA_TYPES, { $ref: '#/components/schemas/ChangeList' }),
    },
  },
  errors: ['HISTORY_PRUNED', 'UNAVAILABLE'],
}

/** `GET /v2/_stowage/changes/list`, and the same of one repository. */
export const changeListEndpoints: readonly Endpoint[] = [
  { ...shared, scope: 'registry', action: 'catalog', operation },
  {
    ...shared,
    scope: 'repository',
    action: 'pull',
    operation: {
      ...operation,
      id: 'listRepositoryChanges',
      summary: 'List what has happened in a repository, or wait for it',
      errors: ['NAME_UNKNOWN', ...operation.errors],
    },
  },
]

async function listChanges(context: ExtensionContext, request: ExtensionRequest): Promise<ExtensionAnswer> {
  const { since, n = MAX_CHANGES, wait = 0 } = readQuery(request.query, QUERY)
  return {
    type: 'json',
    headers: { 'Cache-Control': 'no-store, no-transform' },
    async read() {
      const page = await readFeed(context, since, n)
      const isLater = page.changes.length === 0 && wait > 0
      const { changes, next, last } = isLater ? await waitForPage(context, request, { page, n, wait }) : page
      return { json: { changes: changes.map(formatChange), next, last } }
    },
  }
}

/** Waits for changes behind a page that the caller may see; the last page that was read, if none come in time. */
async function waitForPage(
  context: ExtensionContext,
  request: ExtensionRequest,
  { page: first, n, wait }: { page: FeedPage; n: number; wait: number },
): Promise<FeedPage> {
  const late = new AbortController()
  const signal = AbortSignal.any([request.signal, late.signal])
  const { address } = request
  const giveBack = takePlace(context.registry, { address, signal, threads: context.threads ?? 1 })
  const timer = setTimeout(() => late.abort(), wait * 1000)
  let page = first
  try {
    while (page.changes.length === 0 && !signal.aborted) {
      await waitBehind(context, page, signal)
      if (!signal.aborted) page = await readOn(context, page, n)
    }
    return page
  } finally {
    clearTimeout(timer)
    giveBack()
  }
}
