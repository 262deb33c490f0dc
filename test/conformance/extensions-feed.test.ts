import { feedCases } from '../../src/conformance/cases/extensions/feed.ts'
import type { HttpRequest } from '../../src/http/message.ts'
import { changed, type Fault } from './faulty-registry.ts'
import { answering, asking, at, json, type KnownBad, refusing, status, testCases } from './known-bad.ts'

interface Change {
  sequence: number
  kind: string
  [field: string]: unknown
}
type Matches = (request: HttpRequest) => boolean

/** Feeds that one case asks for, of its repository. */
function of(id: string, endpoint = 'changes/list'): Matches {
  return at('GET repositoryExtension', new RegExp(`/test-${id}/_stowage/${endpoint}\\?`))
}

/** Tells changes otherwise. */
function telling(matches: Matches, change: (changes: Change[], request: HttpRequest) => unknown): Fault {
  return json(matches, (body, request) =>
    'changes' in body ? { ...body, changes: change(body.changes as Change[], request) } : body,
  )
}

function setting(request: HttpRequest, name: string, value: string): Partial<HttpRequest> {
  const query = new URLSearchParams(request.query)
  query.set(name, value)
  return { query }
}

/** Changes each chunk of a stream as text. */
function streaming(matches: Matches, change: (text: string) => string): Fault {
  return answering(matches, (response) => {
    const { body } = response
    if (body?.type !== 'stream') return response
    const { chunks } = body
    async function* changed() {
      for await (const chunk of chunks) yield Buffer.from(change(Buffer.from(chunk).toString()))
    }
    return { ...response, body: { ...body, chunks: changed() } }
  })
}

const TABLE: readonly KnownBad[] = [
  {
    id: 'change-feed',
    does: 'tells no tags',
    fault: telling(of('change-feed'), (changes) => changes.filter(({ kind }) => kind !== 'tag-set')),
  },
  {
    id: 'change-feed-kinds',
    does: 'does not tell what a tag was before',
    fault: telling(of('change-feed-kinds'), (changes) => changes.map(({ old: _, ...change }) => change)),
  },
  {
    id: 'change-feed-kinds',
    does: 'does not tell of deletions',
    fault: telling(of('change-feed-kinds'), (changes) =>
      changes.filter(({ kind }) => kind !== 'manifest-deleted'),
    ),
  },
  {
    id: 'change-feed-revisions',
    does: 'leaves out a change',
    fault: telling(of('change-feed-revisions'), (changes) => changes.filter((_, index) => index !== 2)),
  },
  {
    id: 'change-feed-resumes',
    does: 'tells the last change again',
    fault: asking(of('change-feed-resumes'), (request) =>
      setting(request, 'since', `${Math.max(0, Number(request.query.get('since')) - 1)}`),
    ),
  },
  {
    id: 'change-feed-begin',
    does: 'begins at the beginning where it was not asked to',
    fault: asking(of('change-feed-begin'), (request) =>
      request.query.has('since') ? {} : setting(request, 'since', '0'),
    ),
  },
  {
    id: 'change-feed-wait',
    does: 'does not wait',
    fault: telling(at('GET', /change-feed-wait\/_stowage\/.*wait=/), () => []),
  },
  {
    id: 'change-feed-registry',
    does: 'begins one change late in the whole registry',
    fault: telling(at('GET registryExtension', /since=/), (changes) => changes.slice(1)),
  },
  {
    id: 'change-feed-gap',
    does: 'has an empty answer to who has the numbers of another log',
    fault: (app) => async (request) =>
      of('change-feed-gap')(request) && Number(request.query.get('since')) > 1_000_000
        ? await app(changed(request, { query: new URLSearchParams() }))
        : await app(request),
  },
  {
    id: 'change-feed-bad-parameter',
    does: 'does not wait where it does not know how long',
    fault: asking(of('change-feed-bad-parameter'), (request) =>
      request.query.has('wait') ? { query: new URLSearchParams() } : {},
    ),
  },
  {
    id: 'change-feed-repository-deleted',
    does: 'does not tell that a repository was deleted',
    fault: telling(at('GET registryExtension', /changes\/list/), (changes) =>
      changes.filter(({ kind }) => kind !== 'repository-deleted'),
    ),
  },
  {
    id: 'change-stream',
    does: 'gives all events of a stream one name that nobody listens to',
    fault: streaming(of('change-stream', 'changes/stream'), (text) =>
      text.replaceAll('event: change', 'event: message'),
    ),
  },
  {
    id: 'change-stream-resumes',
    does: 'begins a stream anew for who comes back',
    fault: asking(of('change-stream-resumes', 'changes/stream'), (request) => ({
      header: (name) => (name === 'last-event-id' ? undefined : request.header(name)),
    })),
  },
  {
    id: 'change-stream-live',
    does: 'ends a stream when it has told all',
    fault: refusing(of('change-stream-live', 'changes/stream'), () => ({
      status: 200,
      headers: { 'Content-Type': 'text/event-stream' },
      body: { type: 'bytes', bytes: Buffer.from(': nothing\n\n') },
    })),
  },
  {
    id: 'change-stream-refused',
    does: 'opens a stream that tells nothing to who can not go on',
    fault: status(of('change-stream-refused', 'changes/stream'), 200, 410),
  },
]

testCases('the feed', feedCases, TABLE)
