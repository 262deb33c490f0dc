import type { Case } from '../../case.ts'
import { parseLink, readPages } from '../../list.ts'
import { type ProbeManifest, pushArtifact } from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import type { Probe } from '../../probe.ts'
import {
  ask,
  askForJson,
  deleteAt,
  entriesOf,
  type JsonObject,
  jsonOf,
  listEntries,
  needStowage,
  shown,
  stowageTarget,
  wantBadParameters,
  wantField,
  wantRefusal,
  wantState,
  wantTime,
  wantValues,
} from '../../stowage.ts'

const HISTORY = 'tags/history'
const TAGS = 'tags/list'

const CASE = { group: 'extensions', level: 'MUST', version: '1.1', feature: 'tag history' } as const
const OF_HISTORY = { ...CASE, section: 'Stowage, "Tag history"', needs: ['tag-history'] } as const
const OF_TAGS = { ...CASE, section: 'Stowage, "Current and past tags"', needs: ['past-tags'] } as const

const historyCases: readonly Case[] = [
  {
    ...OF_HISTORY,
    id: 'tag-history',
    title: 'the earlier values of a tag are listed, newest first, each with its time and revision',
    sentence: 'This endpoint lists the changes of a tag, newest first.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      const older = await pushArtifact(probe, 'v1')
      await needStowage(probe, HISTORY)
      const newer = await pushArtifact(probe, 'v1')
      await pushArtifact(probe, 'v2')
      const history = await historyOf(probe, 'v1')
      wantDigests(history, [newer, older])
      const [last, first] = history
      if (wantTime(last, 'updateTimestamp') < wantTime(first, 'updateTimestamp'))
        throw new Failure('times that do not go back', shown(history))
      if (!(Number(last?.revision) > Number(first?.revision)))
        throw new Failure('a higher revision of what came later', shown(history))
      wantField(first, 'available', true)
    },
  },
  {
    ...OF_HISTORY,
    id: 'tag-history-removed',
    title: 'the removal of a tag is part of its history',
    sentence:
      'A removal has no `digest`, whether the tag was removed alone or with its manifest. The next entry has the digest that the tag pointed to until then.',
    needs: [...OF_HISTORY.needs, 'tag-delete'],
    async run(probe) {
      const artifact = await pushArtifact(probe, 'v1')
      await deleteAt(probe, 'manifests/v1')
      const [removal, setting] = await historyOf(probe, 'v1')
      wantField(removal, 'removed', true)
      wantField(removal, 'digest', undefined)
      wantField(setting, 'digest', artifact.digest)
    },
  },
  {
    ...OF_HISTORY,
    id: 'tag-history-available',
    title: 'the history says which manifests still exist',
    sentence: '`available` says whether the repository has the manifest now',
    needs: [...OF_HISTORY.needs, 'manifest-delete'],
    async run(probe) {
      const older = await pushArtifact(probe, 'v1')
      await pushArtifact(probe, 'v1')
      await deleteAt(probe, `manifests/${older.digest}`)
      const [last, first] = await historyOf(probe, 'v1')
      wantField(last, 'available', true)
      wantField(first, 'available', false)
    },
  },
  {
    ...OF_HISTORY,
    id: 'tag-history-pages',
    title: 'pages of n changes contain the whole history, each change once',
    sentence:
      '`Link` leads to the next page, which has earlier changes. Nothing is therefore skipped or repeated, even if the tag changes in between.',
    async run(probe) {
      const pushed: ProbeManifest[] = []
      for (let count = 0; count < 3; count++) pushed.push(await pushArtifact(probe, 'v1'))
      const target = stowageTarget(probe, HISTORY, { query: '?tag=v1&n=1' })
      const pages = await readPages(probe, target, (answer) => entriesOf(jsonOf(answer), 'history'))
      const long = pages.find(({ items }) => items.length > 1)
      if (long !== undefined) throw new Failure('pages of 1 change', `one of ${long.items.length}`)
      wantDigests(
        pages.flatMap(({ items }) => items),
        pushed.toReversed(),
      )
    },
  },
  {
    ...OF_HISTORY,
    section: 'Stowage, "Extensions"',
    id: 'tag-history-etag',
    title: 'an unchanged history returns 304 for its ETag, and a push changes the ETag',
    sentence: 'A list has an `ETag` that stays the same until the listed content changes.',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      const first = await wantState(probe, HISTORY, '?tag=v1')
      await pushArtifact(probe, 'v1')
      const second = await wantState(probe, HISTORY, '?tag=v1')
      if (first === second) throw new Failure('another ETag', second)
    },
  },
  {
    ...OF_HISTORY,
    id: 'tag-history-unknown',
    title: 'a tag that never existed has no history',
    sentence: 'The repository has had no such tag, as far back as history is kept',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      wantRefusal(await ask(probe, HISTORY, { query: '?tag=v2' }), 404, 'MANIFEST_UNKNOWN')
      const elsewhere = { query: '?tag=v1', repository: probe.otherRepository }
      wantRefusal(await ask(probe, HISTORY, elsewhere), 404, 'NAME_UNKNOWN')
    },
  },
  {
    ...OF_HISTORY,
    id: 'tag-history-bad-parameter',
    title: 'a wrong parameter of a history is rejected, and the error names it',
    sentence: 'A parameter is wrong or `tag` is missing; `detail.parameter` names it',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      await wantBadParameters(probe, HISTORY, { tag: '', n: '?tag=v1&n=-1', cursor: '?tag=v1&cursor=x' })
      await wantBadParameters(probe, HISTORY, { tag: '?tag=-v' })
    },
  },
]

const pastCases: readonly Case[] = [
  {
    ...OF_TAGS,
    id: 'past-tags',
    title: 'tags can be listed with their digests as of a revision',
    sentence:
      'This endpoint lists the tags of a repository with their digests, in byte order, as they are now or as they were at an earlier time.',
    needs: ['tag-history'],
    async run(probe) {
      const older = await pushArtifact(probe, 'v1')
      await needStowage(probe, TAGS)
      const [{ revision } = {}] = await historyOf(probe, 'v1')
      const newer = await pushArtifact(probe, 'v1')
      const other = await pushArtifact(probe, 'v2')
      wantTags(await tagsAt(probe, `?at=${revision}`), { v1: older.digest })
      wantTags(await tagsAt(probe), { v1: newer.digest, v2: other.digest })
    },
  },
  {
    ...OF_TAGS,
    id: 'past-tags-time',
    title: 'tags can be listed as of a time',
    sentence:
      'Lists the tags as of this revision of the repository, or as of this time, in the format of RFC 3339',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      const newer = await pushArtifact(probe, 'v1')
      const [{ updateTimestamp, revision } = {}] = await historyOf(probe, 'v1')
      const body = await askForJson(probe, TAGS, { query: `?at=${updateTimestamp}` })
      wantField(body, 'revision', revision)
      wantTags(entriesOf(body, 'tags'), { v1: newer.digest })
    },
  },
  {
    ...OF_TAGS,
    id: 'past-tags-removed',
    title: 'a removed tag is listed as of a time when it existed, but not later',
    sentence:
      'This endpoint lists the tags of a repository with their digests, in byte order, as they are now or as they were at an earlier time.',
    needs: [...OF_TAGS.needs, 'tag-delete'],
    async run(probe) {
      const artifact = await pushArtifact(probe, 'v1')
      const [{ revision } = {}] = await historyOf(probe, 'v1')
      await deleteAt(probe, 'manifests/v1')
      wantTags(await tagsAt(probe), {})
      wantTags(await tagsAt(probe, `?at=${revision}`), { v1: artifact.digest })
    },
  },
  {
    ...OF_TAGS,
    id: 'past-tags-available',
    title: 'a list of past tags says which manifests still exist',
    sentence: '`available` says whether the repository has the manifest now.',
    needs: [...OF_TAGS.needs, 'manifest-delete'],
    async run(probe) {
      const { digest } = await pushArtifact(probe, 'v1')
      const [{ revision } = {}] = await historyOf(probe, 'v1')
      wantField((await tagsAt(probe, `?at=${revision}`))[0], 'available', true)
      await deleteAt(probe, `manifests/${digest}`)
      wantField((await tagsAt(probe, `?at=${revision}`))[0], 'available', false)
    },
  },
  {
    ...OF_TAGS,
    id: 'past-tags-pages',
    title: 'all pages of past tags show the same revision, whatever happens in between',
    sentence:
      'All pages of a list with `at` show the same revision, even if the repository changes in between.',
    async run(probe) {
      const one = await pushArtifact(probe, 'v1')
      const two = await pushArtifact(probe, 'v2')
      const [{ updateTimestamp } = {}] = await historyOf(probe, 'v2')
      const first = await ask(probe, TAGS, { query: `?at=${updateTimestamp}&n=1` })
      wantTags(entriesOf(jsonOf(first), 'tags'), { v1: one.digest })
      const next = parseLink(first)
      if (next === undefined) throw new Failure('a Link to a second page', 'none')
      await pushArtifact(probe, 'v2')
      const { href } = new URL(next, probe.origin)
      wantTags(entriesOf(jsonOf(await probe.send({ method: 'GET', target: href })), 'tags'), {
        v2: two.digest,
      })
    },
  },
  {
    ...OF_TAGS,
    id: 'past-tags-bad-parameter',
    title: 'a value that is neither a revision nor a time in the past is rejected',
    sentence: 'A parameter is wrong, or `at` is in the future; `detail.parameter` names it',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      for (const at of ['yesterday', '-1', '999999', '2999-01-01T00:00:00Z'])
        await wantBadParameters(probe, TAGS, { at: `?at=${at}` })
      await wantBadParameters(probe, TAGS, { n: '?n=-1', cursor: '?cursor=x' })
      wantRefusal(await ask(probe, TAGS, { repository: probe.otherRepository }), 404, 'NAME_UNKNOWN')
    },
  },
]

/** Cases of what tags were. */
export const pastTagCases: readonly Case[] = [...historyCases, ...pastCases]

async function historyOf(probe: Probe, tag: string): Promise<JsonObject[]> {
  return await listEntries(probe, HISTORY, { field: 'history', query: `?tag=${tag}` })
}

async function tagsAt(probe: Probe, query = ''): Promise<JsonObject[]> {
  return await listEntries(probe, TAGS, { field: 'tags', query })
}

function wantDigests(entries: readonly JsonObject[], wanted: readonly ProbeManifest[]): void {
  wantValues(
    entries.map(({ digest }) => digest),
    wanted.map(({ digest }) => digest),
    'newest first',
  )
}

function wantTags(entries: readonly JsonObject[], wanted: Readonly<Record<string, string>>): void {
  const found = entries.map(({ tag, digest }) => `${tag} ${digest}`)
  const texts = Object.entries(wanted).map(([tag, digest]) => `${tag} ${digest}`)
  wantValues(found, texts, 'as tags')
}
