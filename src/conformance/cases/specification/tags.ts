import { isObject } from '../../../client/request.ts'
import type { Case } from '../../case.ts'
import { parseLink, readPages, readTags, tagsOf } from '../../list.ts'
import { pushArtifact, pushManifest } from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, requireJson, wantStatus } from '../../probe.ts'

const LISTING = {
  group: 'specification',
  level: 'MUST',
  version: '1.0',
  section: 'Listing Tags',
  needs: ['manifest-push-by-tag'],
} as const
const LISTED = ['tags-list', 'tags-list-form']
const ORDERED =
  'the tags MUST be in lexical (i.e. case-insensitive alphanumeric order) or "ASCIIbetical" order.'

/** Pushed in this order, which is no order. */
const TAGS = ['v1.10', 'latest', 'Alpha', 'v1.9', 'b_2', 'beta', '0']

/** Cases of listing tags. */
export const tagCases: readonly Case[] = [
  {
    ...LISTING,
    id: 'tags-list',
    title: 'the tags of a repository can be listed',
    sentence: 'Assuming a repository is found, this request MUST return a `200 OK` response code.',
    async run(probe) {
      await pushArtifact(probe, 'latest')
      wantStatus(await probe.send({ method: 'GET', target: `/v2/${probe.repository}/tags/list` }), 200)
    },
  },
  {
    ...LISTING,
    id: 'tags-list-form',
    title: 'the list of tags is JSON and has the name of the repository',
    sentence: 'Upon success, the response MUST be a json body in the following format',
    needs: ['tags-list'],
    async run(probe) {
      await pushArtifact(probe, 'latest')
      const answer = await probe.send({ method: 'GET', target: `/v2/${probe.repository}/tags/list` })
      const body = requireJson(answer)
      if (!isObject(body) || body.name !== probe.repository || !Array.isArray(body.tags))
        throw new Failure(`{"name":"${probe.repository}","tags":[...]}`, JSON.stringify(body).slice(0, 200))
      tagsOf(answer)
    },
  },
  {
    ...LISTING,
    id: 'tags-list-whole',
    title: 'the list has every tag and nothing else',
    sentence: '`<tag1>`, `<tag2>`, and `<tag3>` are each tags on the repository.',
    needs: LISTED,
    async run(probe) {
      await pushTags(probe)
      wantTags(await allTags(probe), TAGS)
    },
  },
  {
    ...LISTING,
    id: 'tags-list-empty',
    title: 'a repository without tags has an empty list',
    sentence:
      'Assuming a repository is found, this request MUST return a `200 OK` response code. The list of tags MAY be empty if there are no tags on the repository.',
    needs: LISTED,
    async run(probe) {
      await pushArtifact(probe)
      wantTags((await readTags(probe)).items, [])
    },
  },
  {
    ...LISTING,
    id: 'tags-list-order',
    title: 'tags are in one of two orders',
    sentence: `If the list is not empty, ${ORDERED}`,
    needs: [...LISTED, 'tags-list-whole'],
    async run(probe) {
      await pushTags(probe)
      wantOrder(await allTags(probe))
    },
  },
  {
    ...LISTING,
    id: 'tags-list-n',
    title: 'a page has no more tags than requested',
    sentence: 'Otherwise, the response MUST include `<int>` results.',
    needs: LISTED,
    async run(probe) {
      await pushTags(probe)
      const { items } = await readTags(probe, '?n=3')
      if (items.length > 3) throw new Failure('3 tags', `${items.length}`)
    },
  },
  {
    ...LISTING,
    id: 'tags-list-n-fewer',
    title: 'if a page has fewer tags than requested, a link leads to the others',
    sentence:
      'The response to such a request MAY return fewer than `<int>` results, but only when the total number of tags attached to the repository is less than `<int>` or a `Link` header is provided. Otherwise, the response MUST include `<int>` results.',
    needs: LISTED,
    async run(probe) {
      await pushTags(probe)
      for (const n of [1, 3, TAGS.length, TAGS.length + 1]) {
        const { items, next } = await readTags(probe, `?n=${n}`)
        if (items.length < Math.min(n, TAGS.length) && next === undefined)
          throw new Failure(`${Math.min(n, TAGS.length)} tags or a Link`, `${items.length} tags and no Link`)
      }
    },
  },
  {
    ...LISTING,
    id: 'tags-list-n-start',
    title: 'the first page starts at the beginning of the list',
    sentence:
      'Without the `last` query parameter (described next), the list returned will start at the beginning of the list and include `<int>` results.',
    needs: [...LISTED, 'tags-list-whole', 'tags-list-n'],
    async run(probe) {
      await pushTags(probe)
      const all = await allTags(probe)
      const { items } = await readTags(probe, '?n=3')
      wantList(items, all.slice(0, items.length))
    },
  },
  {
    ...LISTING,
    id: 'tags-list-n-order',
    title: 'tags in a page are in the same order',
    sentence: 'As above, the tags MUST be in lexical or "ASCIIbetical" order.',
    needs: [...LISTED, 'tags-list-whole', 'tags-list-order', 'tags-list-n'],
    async run(probe) {
      await pushTags(probe)
      wantOrder((await readTags(probe, '?n=4')).items)
    },
  },
  {
    ...LISTING,
    id: 'tags-list-n-zero',
    title: 'n=0 returns no tags',
    sentence: 'When `n` is zero, this endpoint MUST return an empty list',
    needs: LISTED,
    async run(probe) {
      await pushTags(probe)
      wantTags((await readTags(probe, '?n=0')).items, [])
    },
  },
  {
    ...LISTING,
    id: 'tags-list-n-zero-link',
    title: 'n=0 returns no link',
    sentence: 'When `n` is zero, this endpoint [...] MUST NOT include a `Link` header.',
    needs: LISTED,
    async run(probe) {
      await pushTags(probe)
      const { next } = await readTags(probe, '?n=0')
      if (next !== undefined) throw new Failure('no Link', next)
    },
  },
  {
    ...LISTING,
    id: 'tags-list-link',
    version: '1.1',
    title: 'the link to the next page follows RFC 5988',
    sentence:
      'If included, the `Link` header MUST be set according to RFC 5988 with the Relation Type `rel="next"`.',
    needs: LISTED,
    async run(probe) {
      await pushTags(probe)
      const target = `/v2/${probe.repository}/tags/list?n=2`
      parseLink(await probe.send({ method: 'GET', target }))
    },
  },
  {
    ...LISTING,
    id: 'tags-list-pages',
    version: '1.1',
    title: 'the pages contain each tag exactly once',
    sentence: 'A `Link` header MAY be included in the response when additional tags are available.',
    needs: [...LISTED, 'tags-list-link'],
    async run(probe) {
      await pushTags(probe)
      const pages = await readPages(probe, `/v2/${probe.repository}/tags/list?n=2`, tagsOf)
      if (pages.length > 1)
        wantTags(
          pages.flatMap(({ items }) => items),
          TAGS,
        )
    },
  },
  {
    ...LISTING,
    id: 'tags-list-last',
    title: 'a list continues after the last known tag',
    sentence:
      'That is to say, `<tagname>` will not be included in the results, but up to `<int>` tags *after* `<tagname>` will be returned.',
    needs: [...LISTED, 'tags-list-whole', 'tags-list-n'],
    async run(probe) {
      await pushTags(probe)
      const all = await allTags(probe)
      const { items, next } = await readTags(probe, `?n=3&last=${all[1]}`)
      wantList(items, all.slice(2, 2 + (next === undefined ? 3 : items.length)))
    },
  },
  {
    ...LISTING,
    id: 'tags-list-last-alone',
    title: 'a list can continue after a tag without n',
    sentence: 'When using the `last` query parameter, the `n` parameter is OPTIONAL.',
    needs: [...LISTED, 'tags-list-whole', 'tags-list-last'],
    async run(probe) {
      await pushTags(probe)
      const all = await allTags(probe)
      const { items, next } = await readTags(probe, `?last=${all[3]}`)
      wantList(items, all.slice(4, next === undefined ? undefined : 4 + items.length))
    },
  },
  {
    ...LISTING,
    id: 'tags-list-last-order',
    title: 'tags after the last known tag are in the same order',
    sentence: 'The tags MUST be in lexical or "ASCIIbetical" order.',
    needs: [...LISTED, 'tags-list-order', 'tags-list-last'],
    async run(probe) {
      await pushTags(probe)
      const [first] = await allTags(probe)
      wantOrder((await readTags(probe, `?n=5&last=${first}`)).items)
    },
  },
]

async function pushTags(probe: Probe): Promise<void> {
  const [first = '', ...others] = TAGS
  const artifact = await pushArtifact(probe, first)
  for (const tag of others) await pushManifest(probe, artifact, tag)
}

async function allTags(probe: Probe): Promise<string[]> {
  const pages = await readPages(probe, `/v2/${probe.repository}/tags/list`, tagsOf)
  return pages.flatMap(({ items }) => items)
}

/** The same tags in any order. */
function wantTags(found: readonly string[], wanted: readonly string[]): void {
  wantList([...found].sort(), [...wanted].sort())
}

function wantList(found: readonly string[], wanted: readonly string[]): void {
  if (found.join() !== wanted.join())
    throw new Failure(`tags ${wanted.join() || '(none)'}`, found.join() || 'none')
}

function wantOrder(tags: readonly string[]): void {
  const lower = tags.map((tag) => tag.toLowerCase())
  if (!isSorted(tags) && !isSorted(lower)) throw new Failure('tags in order', tags.join())
}

function isSorted(texts: readonly string[]): boolean {
  return texts.every((text, at) => at === 0 || (texts[at - 1] ?? '') <= text)
}
