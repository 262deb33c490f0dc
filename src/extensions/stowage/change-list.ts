import type { Answer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import { type ExtensionEndpoint, type ExtensionRequest, extensionEndpoint } from '../../api/extension.ts'
import { contentIn } from '../../api/operation.ts'
import type { Parameter } from '../../api/parameter.ts'
import { limitParameter } from '../../api/parameters.ts'
import { TextError } from '../../oci/text-error.ts'
import { pageSection } from './documentation.ts'
import { type FeedPage, formatChange, MAX_CHANGES, readFeed, readOn, SINCE, waitForChange } from './feed.ts'
import { takePlace } from './followers.ts'
import type { Level } from './level.ts'
import { ownMediaTypes } from './media-types.ts'

const MAX_WAIT_SECONDS = 60
const MEDIA_TYPES = ownMediaTypes('changes')

const WAIT: Parameter<number> = {
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
  handle: listChanges,
} as const

/** `GET /v2/_stowage/changes/list`, and the same of one repository. */
export const changeListEndpoints: readonly ExtensionEndpoint[] = [
  extensionEndpoint({
    ...shared,
    route: 'registryExtension',
    action: 'catalog',
    id: 'listChanges',
    summary: 'List what has happened in the registry, or wait for it',
  }),
  extensionEndpoint({
    ...shared,
    route: 'repositoryExtension',
    action: 'pull',
    id: 'listRepositoryChanges',
    summary: 'List what has happened in a repository, or wait for it',
    errors: ['NAME_UNKNOWN', ...shared.errors],
  }),
]

async function listChanges(
  { registry, threads }: Context,
  request: ExtensionRequest<typeof QUERY>,
): Promise<Answer> {
  const { since, n = MAX_CHANGES, wait = 0 } = request.query
  const level = { registry, repository: request.path.name }
  return {
    type: 'json',
    headers: { 'Cache-Control': 'no-store, no-transform' },
    async read() {
      const page = await readFeed(level, since, n)
      const isLater = page.changes.length === 0 && wait > 0
      const { changes, next, last } = isLater
        ? await waitForPage(page, { level, n, wait, threads, request })
        : page
      return { json: { changes: changes.map(formatChange), next, last } }
    },
  }
}

interface Wait {
  level: Level
  n: number
  /** In seconds. */
  wait: number
  threads: number
  request: ExtensionRequest<typeof QUERY>
}

/** Waits for changes after a page that the caller may see. Returns the last page that was read if no changes arrive in time. */
async function waitForPage(first: FeedPage, { level, n, wait, threads, request }: Wait): Promise<FeedPage> {
  const late = new AbortController()
  const signal = AbortSignal.any([request.signal, late.signal])
  const { address } = request
  const giveBack = takePlace(level.registry, { address, signal, threads })
  const timer = setTimeout(() => late.abort(), wait * 1000)
  let page = first
  try {
    while (page.changes.length === 0 && !signal.aborted) {
      await waitForChange(level, page, signal)
      if (!signal.aborted) page = await readOn(level, page, n)
    }
    return page
  } finally {
    clearTimeout(timer)
    giveBack()
  }
}
