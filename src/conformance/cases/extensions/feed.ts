import { isObject } from '../../../client/request.ts'
import type { Case } from '../../case.ts'
import { needEndpoint } from '../../discovery.ts'
import { pushArtifact, pushManifest } from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, wantHeader, wantStatus } from '../../probe.ts'
import {
  type Asking,
  ask,
  askForJson,
  deleteAt,
  entriesOf,
  type JsonObject,
  needStowage,
  shown,
  wantBadParameters,
  wantField,
  wantRefusal,
  wantTime,
  wantValues,
} from '../../stowage.ts'

const LIST = 'changes/list'
const STREAM = 'changes/stream'
const BEYOND = 999_999_999_999

const CASE = {
  group: 'extensions',
  level: 'MUST',
  version: '1.1',
  section: 'Stowage, "Change feed"',
  feature: 'change feed',
} as const
const OF_LIST = { ...CASE, needs: ['change-feed'] } as const
const OF_STREAM = { ...CASE, needs: ['change-stream'] } as const

const listCases: readonly Case[] = [
  {
    ...OF_LIST,
    id: 'change-feed',
    title: 'the feed has the changes of a repository in the order in which they happened',
    sentence: 'These endpoints report every change in the registry or in a repository.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      const artifact = await pushArtifact(probe, 'v1')
      await needStowage(probe, LIST)
      const changes = await changesOf(probe)
      const pushed = changes.find(({ kind }) => kind === 'manifest-pushed')
      wantField(pushed, 'subject', artifact.digest)
      wantField(pushed, 'repository', probe.repository)
      wantTime(pushed, 'at')
      const set = changes.find(({ kind }) => kind === 'tag-set')
      wantField(set, 'subject', 'v1')
      wantField(set, 'new', artifact.digest)
      wantField(set, 'old', undefined)
    },
  },
  {
    ...OF_LIST,
    id: 'change-feed-kinds',
    title: 'moved and removed tags and deleted manifests are reported with their previous values',
    sentence:
      'The tag now points to `new`; if it existed before, it pointed to `old` [...] the tag was removed; it pointed to `old`',
    needs: [...OF_LIST.needs, 'manifest-delete', 'tag-delete'],
    async run(probe) {
      const older = await pushArtifact(probe, 'v1')
      const newer = await pushArtifact(probe, 'v1')
      await deleteAt(probe, 'manifests/v1')
      await deleteAt(probe, `manifests/${older.digest}`)
      const changes = await changesOf(probe)
      const moved = changes.filter(({ kind }) => kind === 'tag-set').at(-1)
      wantField(moved, 'old', older.digest)
      wantField(moved, 'new', newer.digest)
      const [removed, deleted] = changes.slice(-2)
      wantField(removed, 'kind', 'tag-removed')
      wantField(removed, 'old', newer.digest)
      wantField(deleted, 'kind', 'manifest-deleted')
      wantField(deleted, 'subject', older.digest)
    },
  },
  {
    ...OF_LIST,
    id: 'change-feed-revisions',
    title: 'sequence numbers rise, and revisions rise by one',
    sentence:
      'Each change has a `sequence`, a number that rises through the whole registry, and a `revision`, which rises by one through its repository.',
    async run(probe) {
      for (const tag of ['v1', 'v2', 'v3']) await pushArtifact(probe, tag)
      const changes = await changesOf(probe)
      for (const [index, change] of changes.entries()) {
        const before = changes[index - 1]
        if (before === undefined) continue
        wantField(change, 'revision', Number(before.revision) + 1)
        if (!(Number(change.sequence) > Number(before.sequence)))
          throw new Failure(`a sequence above ${before.sequence}`, shown(change.sequence))
      }
    },
  },
  {
    ...OF_LIST,
    id: 'change-feed-resumes',
    title: 'a client that continues after the last number it received gets every change exactly once',
    sentence:
      'A client that continues after the last number that it received therefore misses no change and gets none twice.',
    async run(probe) {
      for (const tag of ['v1', 'v2']) await pushArtifact(probe, tag)
      const whole = await changesOf(probe)
      const found: JsonObject[] = []
      let since = 0
      for (let count = 0; count <= whole.length; count++) {
        const page = await askForJson(probe, LIST, { query: `?since=${since}&n=1` })
        const changes = entriesOf(page, 'changes')
        if (changes.length > 1) throw new Failure('one change', shown(changes))
        found.push(...changes)
        since = sequenceIn(page, 'next')
      }
      wantValues(sequencesOf(found), sequencesOf(whole), 'one by one')
    },
  },
  {
    ...OF_LIST,
    id: 'change-feed-begin',
    title: 'a feed without a number begins with the next change',
    sentence:
      'Without it, the list begins after the newest change: it is empty, and `next` is the number to begin with.',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      const now = await askForJson(probe, LIST)
      wantValues(entriesOf(now, 'changes'), [], 'as changes')
      const artifact = await pushArtifact(probe)
      const changes = await changesOf(probe, sequenceIn(now, 'next'))
      wantValues(
        changes.map(({ subject }) => subject),
        [artifact.digest],
        'as the next change',
      )
    },
  },
  {
    ...OF_LIST,
    id: 'change-feed-wait',
    title: 'a waiting client gets a response as soon as something happens',
    sentence:
      'How many seconds to wait if there are no changes yet; 60 at most. The answer is sent as soon as there is a change.',
    async run(probe) {
      const artifact = await pushArtifact(probe, 'v1')
      const since = sequenceIn(await askForJson(probe, LIST), 'next')
      const [waited] = await Promise.all([
        askForJson(probe, LIST, { query: `?since=${since}&wait=30` }),
        pushManifest(probe, artifact, 'v2'),
      ])
      wantField(entriesOf(waited, 'changes')[0], 'subject', 'v2')
    },
  },
  {
    ...OF_LIST,
    id: 'change-feed-registry',
    title: 'the feed of the registry has the changes of all repositories',
    sentence: '`GET /v2/_stowage/changes/list`',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      await needEndpoint(probe, '/v2', `_stowage/${LIST}`)
      const [first] = await changesOf(probe)
      const whole = await askForJson(probe, LIST, {
        scope: 'registry',
        query: `?since=${Number(first?.sequence) - 1}`,
      })
      wantField(entriesOf(whole, 'changes')[0], 'sequence', first?.sequence)
      wantField(entriesOf(whole, 'changes')[0], 'repository', probe.repository)
    },
  },
  {
    ...OF_LIST,
    id: 'change-feed-gap',
    title: 'the response to a client that has missed changes says so, and where to start again',
    sentence:
      '`410`, with `floor`, the number after which all changes are kept, and `last`, the newest number. A number greater than the newest one belongs to another log [...] It is refused in the same way',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      const { detail } = wantRefusal(await ask(probe, LIST, { query: `?since=${BEYOND}` }), 410)
      if (!isObject(detail)) throw new Failure('a detail', shown(detail))
      if (sequenceIn(detail, 'floor') > sequenceIn(detail, 'last'))
        throw new Failure('a floor below the last number', shown(detail))
    },
  },
  {
    ...OF_LIST,
    id: 'change-feed-bad-parameter',
    title: 'a wrong parameter of the feed is rejected, and the error names it',
    sentence: 'A parameter or `Last-Event-ID` is wrong; `detail.parameter` names it.',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      await wantBadParameters(probe, LIST, { since: '?since=now', n: '?n=-1', wait: '?wait=long' })
      const elsewhere = { query: '?since=0', repository: probe.otherRepository }
      wantRefusal(await ask(probe, LIST, elsewhere), 404, 'NAME_UNKNOWN')
    },
  },
  {
    ...OF_LIST,
    id: 'change-feed-repository-deleted',
    title: 'the feed of the registry reports that a repository was deleted',
    sentence: 'The repository and all of its content are gone',
    needs: ['change-feed-registry', 'repository-delete'],
    async run(probe) {
      await pushArtifact(probe, 'v1')
      const since = sequenceIn(await askForJson(probe, LIST), 'next')
      wantStatus(await ask(probe, 'repository/self', { method: 'DELETE' }), 202)
      const whole = await askForJson(probe, LIST, { scope: 'registry', query: `?since=${since}` })
      const own = entriesOf(whole, 'changes').filter(({ repository }) => repository === probe.repository)
      wantField(own[0], 'kind', 'repository-deleted')
    },
  },
]

const streamCases: readonly Case[] = [
  {
    ...OF_STREAM,
    id: 'change-stream',
    title: 'the stream has the same changes as the list',
    sentence:
      'Each change is an event `change` whose `id` is its sequence number and whose data is the change.',
    needs: ['change-feed'],
    async run(probe) {
      await pushArtifact(probe, 'v1')
      await needStowage(probe, STREAM)
      const changes = await changesOf(probe)
      const events = await follow(probe, '?since=0', changes.at(-1))
      wantValues(events, changes.map(eventOf), 'as events')
    },
  },
  {
    ...OF_STREAM,
    id: 'change-stream-resumes',
    title: 'a client that reconnects to the stream receives the changes it has missed',
    sentence:
      'A client that reconnects sends the last `id` as `Last-Event-ID` and gets all later changes [...] This header takes precedence over `since`.',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      const [first, ...more] = await changesOf(probe)
      const events = await follow(probe, '?since=0', more.at(-1), { 'Last-Event-ID': `${first?.sequence}` })
      wantValues(events, more.map(eventOf), 'as events')
    },
  },
  {
    ...OF_STREAM,
    id: 'change-stream-live',
    title: 'the stream reports changes while it is open',
    sentence: 'A client can read the changes [...] as a stream of events.',
    async run(probe) {
      const artifact = await pushArtifact(probe, 'v1')
      const since = sequenceIn(await askForJson(probe, LIST), 'next')
      const [answer] = await Promise.all([
        ask(probe, STREAM, { query: `?since=${since}`, until: '"v2"' }),
        pushManifest(probe, artifact, 'v2'),
      ])
      const text = new TextDecoder().decode(answer.body)
      if (!text.includes('"v2"')) throw new Failure('an event of the push', text.slice(0, 200))
    },
  },
  {
    ...OF_STREAM,
    id: 'change-stream-refused',
    title: 'a stream that cannot start at a number is rejected like the list',
    sentence:
      'A parameter or `Last-Event-ID` is wrong; `detail.parameter` names it [...] the list or stream cannot continue from that number',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      wantRefusal(await ask(probe, STREAM, { headers: { 'Last-Event-ID': 'latest' } }), 400)
      wantRefusal(await ask(probe, STREAM, { query: '?since=now' }), 400)
      wantRefusal(await ask(probe, STREAM, { query: `?since=${BEYOND}` }), 410)
    },
  },
]

/** Cases of what has happened, as a list and as a stream. */
export const feedCases: readonly Case[] = [...listCases, ...streamCases]

async function changesOf(probe: Probe, since = 0): Promise<JsonObject[]> {
  return entriesOf(await askForJson(probe, LIST, { query: `?since=${since}` }), 'changes')
}

function sequencesOf(changes: readonly JsonObject[]): unknown[] {
  return changes.map(({ sequence }) => sequence)
}

function sequenceIn(body: JsonObject, field: string): number {
  const found = body[field]
  if (typeof found === 'number' && Number.isInteger(found)) return found
  throw new Failure(`a number in "${field}"`, shown(body))
}

/** Reads a stream until the event of a change is in it. @returns each event as `id event data` */
async function follow(
  probe: Probe,
  query: string,
  last: JsonObject | undefined,
  headers: Asking['headers'] = {},
): Promise<string[]> {
  const { revision } = last ?? {}
  const answer = await ask(probe, STREAM, { query, headers, until: `"revision":${revision},` })
  wantStatus(answer, 200)
  wantHeader(answer, 'Content-Type', 'text/event-stream')
  const events = new TextDecoder().decode(answer.body).split('\n\n')
  return events.filter((event) => event.startsWith('id:')).map(normalEvent)
}

/** An event in one line, with its data as JSON writes it. */
function normalEvent(event: string): string {
  const fields = Object.fromEntries(event.split('\n').map((line) => line.split(/: ?(.*)/s, 2)))
  return `${fields.id} ${fields.event} ${subjectOf(fields.data ?? '')}`
}

function eventOf({ sequence, kind, subject }: JsonObject): string {
  return `${sequence} change ${kind} ${subject}`
}

function subjectOf(data: string): string {
  try {
    const { kind, subject } = JSON.parse(data) as JsonObject
    return `${kind} ${subject}`
  } catch {
    throw new Failure('JSON as the data of an event', data.slice(0, 200))
  }
}
