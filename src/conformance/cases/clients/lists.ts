import { isObject } from '../../../client/request.ts'
import type { Case } from '../../case.ts'
import { parseLink, readPages, readTags, tagsOf } from '../../list.ts'
import { pushArtifact, pushManifest } from '../../manifest.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { type Probe, requireJson, wantStatus } from '../../probe.ts'
import { seenInRow } from './uploads.ts'

const NEEDS = ['manifest-push-by-tag']
/** Of characters that orders differ in. */
const TAGS = ['1.10', '1.9', 'B', 'a', 'a-b', 'a.b', 'a_b', 'ab']

/** What clients need of lists. */
export const clientListCases: readonly Case[] = [
  {
    ...seenInRow(82),
    id: 'client-tags-array',
    title: 'tags are an array even if there are none',
    sentence: 'skopeo and registry browsers fail on "tags": null.',
    needs: NEEDS,
    async run(probe) {
      await pushArtifact(probe)
      const answer = await probe.send({ method: 'GET', target: `/v2/${probe.repository}/tags/list` })
      // Without a tag it may not be found.
      if (answer.status === 404) return
      wantStatus(answer, 200)
      const body = requireJson(answer)
      if (!isObject(body) || !Array.isArray(body.tags)) throw new Failure('"tags": []', JSON.stringify(body))
    },
  },
  {
    ...seenInRow(82),
    id: 'client-tags-only',
    title: 'the list of tags contains only tags',
    sentence: 'A digest is not a tag: clients that copy every listed tag fail if the list contains one.',
    needs: NEEDS,
    async run(probe) {
      await pushArtifact(probe)
      await pushArtifact(probe, 'latest')
      const { items } = await readTags(probe)
      if (items.join() !== 'latest') throw new Failure('latest', items.join())
    },
  },
  {
    ...seenInRow(78),
    id: 'client-n-large',
    title: 'clients may request more tags than a registry returns per page',
    sentence:
      'Renovate requests 10,000 tags per page and crane 1,000: they fail if a registry rejects values above its maximum.',
    needs: NEEDS,
    async run(probe) {
      await pushTags(probe)
      const { items } = await readTags(probe, '?n=1000000')
      if (items.length === 0) throw new Failure('tags', 'none')
    },
  },
  {
    ...seenInRow(77),
    id: 'client-last-order',
    title: 'continuing after the last tag of each page finds every tag exactly once',
    sentence: 'If pages do not follow the order of the list, tags are skipped or listed twice.',
    needs: NEEDS,
    async run(probe) {
      await pushTags(probe)
      const found: string[] = []
      for (let last = ''; found.length <= TAGS.length; ) {
        const query = last === '' ? '?n=1' : `?n=1&last=${encodeURIComponent(last)}`
        const { items } = await readTags(probe, query)
        if (items.length === 0) break
        found.push(...items)
        last = items.at(-1) ?? ''
      }
      if (found.toSorted().join() !== TAGS.toSorted().join()) throw new Failure(TAGS.join(), found.join())
    },
  },
  {
    ...seenInRow(80),
    id: 'client-last-unknown',
    title: 'a list can continue after a tag that no longer exists',
    sentence:
      'A tag may be deleted between two pages: if it must still exist, the client cannot continue, or starts again forever.',
    needs: NEEDS,
    async run(probe) {
      await pushTags(probe)
      const { items } = await readTags(probe, '?last=aa')
      if (items.includes('a') || !items.includes('ab')) throw new Failure('tags after aa', items.join())
    },
  },
  {
    ...seenInRow(80),
    id: 'client-last-page',
    title: 'the last page has no link to another page',
    sentence: 'A client that follows links never stops if every page has one.',
    needs: NEEDS,
    async run(probe) {
      await pushTags(probe)
      await readPages(probe, `/v2/${probe.repository}/tags/list?n=3`, tagsOf)
    },
  },
  {
    ...seenInRow(81),
    id: 'client-link-here',
    title: 'links lead to the same registry',
    sentence:
      'Clients send credentials only to links in angle brackets on the same host; they follow other links without credentials, or not at all.',
    needs: NEEDS,
    async run(probe) {
      await pushTags(probe)
      const target = `/v2/${probe.repository}/tags/list?n=2`
      const link = parseLink(await probe.send({ method: 'GET', target }))
      if (link === undefined) return
      const { origin } = new URL(link, probe.origin + target)
      if (origin !== probe.origin) throw new Failure(`a link to ${probe.origin}`, link)
    },
  },
  {
    ...seenInRow(83, 'SHOULD'),
    id: 'client-catalog',
    title: 'the list of repositories is JSON if there is one',
    sentence:
      'podman search, crane and registry browsers read _catalog: they fail on another type, or on null.',
    needs: [],
    readOnly: true,
    async run(probe) {
      const answer = await probe.send({ method: 'GET', target: '/v2/_catalog?n=10' })
      if (answer.status >= 400 && answer.status < 500)
        throw new NotSupported(`repositories are not listed (${answer.status})`)
      wantStatus(answer, 200)
      const type = answer.headers.get('content-type') ?? 'none'
      if (!/^application\/json\b/.test(type)) throw new Failure('Content-Type: application/json', type)
      const body = requireJson(answer)
      if (!isObject(body) || !Array.isArray(body.repositories))
        throw new Failure('a list in "repositories"', JSON.stringify(body).slice(0, 200))
    },
  },
]

async function pushTags(probe: Probe): Promise<void> {
  const [first, ...others] = TAGS
  const artifact = await pushArtifact(probe, first)
  for (const tag of others) await pushManifest(probe, artifact, tag)
}
