import type { Case } from '../../case.ts'
import { parseLink, readPages } from '../../list.ts'
import {
  descriptorOf,
  makeIndex,
  manifestTarget,
  type ProbeManifest,
  pushArtifact,
  pushManifest,
} from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, wantStatus } from '../../probe.ts'
import {
  ask,
  askForJson,
  entriesOf,
  type JsonObject,
  jsonOf,
  listEntries,
  needStowage,
  pushLabelled,
  stowageTarget,
  wantField,
  wantTime,
  wantValues,
} from '../../stowage.ts'

const PATH = 'manifests/list'
const SIGNATURE = 'application/vnd.example.signature'
const EMPTY_SIZE = 2

const LIST = {
  group: 'extensions',
  level: 'MUST',
  version: '1.1',
  section: 'Stowage, "Manifest list"',
  feature: 'manifest list',
  needs: ['manifest-list'],
} as const

const entryCases: readonly Case[] = [
  {
    ...LIST,
    id: 'manifest-list',
    title: 'every manifest of a repository is listed, tagged or not, as a descriptor with its tags',
    sentence: 'This endpoint lists every manifest of a repository, tagged or not.',
    needs: ['manifest-push-by-tag', 'manifest-push-by-digest'],
    async run(probe) {
      const tagged = await pushArtifact(probe, 'v1')
      await needStowage(probe, PATH)
      await pushManifest(probe, tagged, 'latest')
      const untagged = await pushArtifact(probe)
      const body = await askForJson(probe, PATH)
      wantField(body, 'name', probe.repository)
      const entries = entriesOf(body, 'manifests')
      for (const { manifest, tags } of [
        { manifest: tagged, tags: ['latest', 'v1'] },
        { manifest: untagged, tags: [] },
      ]) {
        const entry = entries.find(({ digest }) => digest === manifest.digest)
        wantField(entry, 'mediaType', manifest.mediaType)
        wantField(entry, 'size', manifest.size)
        wantField(entry, 'tags', tags)
      }
      if (entries.length !== 2) throw new Failure('2 manifests', `${entries.length}`)
    },
  },
  {
    ...LIST,
    id: 'manifest-list-artifact',
    title: 'the artifact type, annotations and subject of each manifest are listed',
    sentence: 'This endpoint lists every manifest of a repository, tagged or not.',
    async run(probe) {
      const subject = await pushArtifact(probe, 'v1')
      const annotations = { 'org.example.by': probe.repository }
      const fields = { artifactType: SIGNATURE, subject: descriptorOf(subject), annotations }
      const entry = await entryOf(probe, await pushArtifact(probe, undefined, fields))
      wantField(entry, 'artifactType', SIGNATURE)
      wantField(entry, 'annotations', annotations)
      wantField(entry, 'subject', subject.digest)
    },
  },
  {
    ...LIST,
    id: 'manifest-list-platform',
    title: 'the platform of an image is the one in its config',
    sentence: '`platform` is the platform in the image config, which is read when the manifest is pushed.',
    async run(probe) {
      const entry = await entryOf(probe, await pushLabelled(probe, {}, { architecture: 'arm64' }))
      wantField(entry, 'platform', { os: 'linux', architecture: 'arm64' })
    },
  },
  {
    ...LIST,
    id: 'manifest-list-parents',
    title: 'a manifest is listed with the manifests that name it',
    sentence: '`parents` are the manifests of the repository that name it.',
    async run(probe) {
      const child = await pushArtifact(probe)
      const index = await makeIndex([descriptorOf(child)])
      await pushManifest(probe, index, 'v1')
      wantField(await entryOf(probe, child), 'parents', [index.digest])
    },
  },
  {
    ...LIST,
    id: 'manifest-list-pushed-at',
    title: 'the time of the first push is listed, and no other push changes it',
    sentence: '"pushedAt"',
    async run(probe) {
      const artifact = await pushArtifact(probe)
      const first = wantTime(await entryOf(probe, artifact), 'pushedAt')
      await pushManifest(probe, artifact, 'latest')
      const again = wantTime(await entryOf(probe, artifact), 'pushedAt')
      if (again !== first) throw new Failure('the time of the first push', new Date(again).toISOString())
    },
  },
  {
    ...LIST,
    id: 'manifest-list-total-size',
    title: 'the total size counts each digest once, also through an index',
    sentence:
      '`totalSize` is the size in bytes of the manifest and of everything below it, counting each digest once.',
    async run(probe) {
      const [one, two] = [await pushArtifact(probe), await pushArtifact(probe)]
      const index = await makeIndex([descriptorOf(one), descriptorOf(two)])
      await pushManifest(probe, index, 'v1')
      wantField(await entryOf(probe, one), 'totalSize', one.size + EMPTY_SIZE)
      const total = index.size + one.size + two.size + EMPTY_SIZE
      wantField(await entryOf(probe, index), 'totalSize', total)
    },
  },
]

const orderCases: readonly Case[] = [
  {
    ...LIST,
    id: 'manifest-list-order',
    title: 'manifests are listed in the order of their first pushes',
    sentence: '`pushed` sorts by first push, and is the default',
    async run(probe) {
      const pushed = [await pushArtifact(probe), await pushArtifact(probe), await pushArtifact(probe)]
      await pushManifest(probe, pushed[0] as ProbeManifest, 'latest')
      wantValues(await digests(probe), digestsOf(pushed), 'in this order')
    },
  },
  {
    ...LIST,
    id: 'manifest-list-sort',
    title: 'manifests are sorted by total size or digest, forwards and backwards',
    sentence:
      '`size` by `totalSize`, and `digest` by digest. A dash before the value reverses the order: `-size` lists the largest first.',
    async run(probe) {
      const small = await pushArtifact(probe)
      const large = await pushArtifact(probe, undefined, {
        annotations: { 'org.example.long': 'x'.repeat(400) },
      })
      const middle = await pushArtifact(probe, undefined, {
        annotations: { 'org.example.long': 'x'.repeat(200) },
      })
      const bySize = digestsOf([small, middle, large])
      const byDigest = bySize.toSorted()
      for (const [sort, wanted] of Object.entries({
        size: bySize,
        '-size': bySize.toReversed(),
        digest: byDigest,
        '-digest': byDigest.toReversed(),
      }))
        wantValues(await digests(probe, `?sort=${sort}`), wanted, `sorted by ${sort}`)
    },
  },
  {
    ...LIST,
    section: 'Stowage, "Extensions"',
    id: 'manifest-list-pages',
    title: 'pages of n manifests contain the whole list, each manifest once',
    sentence:
      '`Link` leads to the next page. It repeats the parameters of the request and adds a `cursor`, which is opaque to clients. A page without `Link` is the last one.',
    async run(probe) {
      const pushed: ProbeManifest[] = []
      for (let count = 0; count < 5; count++) pushed.push(await pushArtifact(probe))
      const target = stowageTarget(probe, PATH, { query: '?n=2' })
      const pages = await readPages(probe, target, (answer) => digestsIn(jsonOf(answer)))
      const long = pages.find(({ items }) => items.length > 2)
      if (long !== undefined) throw new Failure('pages of 2 manifests', `one of ${long.items.length}`)
      const found = pages.flatMap(({ items }) => items)
      wantValues(found, digestsOf(pushed), 'in all pages together')
    },
  },
  {
    ...LIST,
    section: 'Stowage, "Extensions"',
    id: 'manifest-list-cursor',
    title: 'a cursor stays valid while others push and delete',
    sentence:
      'A cursor stays valid while other clients push and delete. In the orders by digest, by name and by first push, an entry that is in the list the whole time is neither skipped nor repeated.',
    needs: [...LIST.needs, 'manifest-list-pages', 'manifest-delete'],
    async run(probe) {
      const pushed: ProbeManifest[] = []
      for (let count = 0; count < 4; count++) pushed.push(await pushArtifact(probe))
      const listed = await ask(probe, PATH, { query: '?n=2' })
      const page = digestsIn(jsonOf(listed))
      const next = parseLink(listed)
      if (next === undefined) throw new Failure('a Link to a second page', 'none')
      const [first = '', second = '', third = '', fourth = ''] = digestsOf(pushed)
      for (const digest of [first, third])
        wantStatus(await probe.send({ method: 'DELETE', target: manifestTarget(probe, digest) }), 202)
      const added = await pushArtifact(probe)
      const { href } = new URL(next, probe.origin)
      const pages = await readPages(probe, href, (answer) => digestsIn(jsonOf(answer)))
      const wanted = [first, second, fourth, added.digest]
      wantValues([...page, ...pages.flatMap(({ items }) => items)], wanted, 'in all pages together')
    },
  },
]

/** Cases of what is listed, and in which order. */
export const manifestListCases: readonly Case[] = [...entryCases, ...orderCases]

async function entryOf(probe: Probe, { digest }: ProbeManifest): Promise<JsonObject | undefined> {
  const entries = await listEntries(probe, PATH, { field: 'manifests' })
  return entries.find((entry) => entry.digest === digest)
}

async function digests(probe: Probe, query = ''): Promise<unknown[]> {
  return (await listEntries(probe, PATH, { field: 'manifests', query })).map(({ digest }) => digest)
}

function digestsIn(body: JsonObject): unknown[] {
  return entriesOf(body, 'manifests').map(({ digest }) => digest)
}

function digestsOf(manifests: readonly ProbeManifest[]): string[] {
  return manifests.map(({ digest }) => digest)
}
