import { digestOf } from '../../../client/hasher.ts'
import { MEDIA_TYPES } from '../../../oci/media-type.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { type Page, readPages, referrersOf, referrersTarget } from '../../list.ts'
import { makeIndex, type ProbeDescriptor, pushManifest } from '../../manifest.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { type Probe, randomContent } from '../../probe.ts'

const FILTER = {
  group: 'specification',
  level: 'MUST',
  version: '1.1',
  section: 'Listing Referrers',
  feature: 'referrers filter',
  needs: ['subject-missing', 'referrers-list', 'referrers-form', 'referrers-artifact-type-of-index'],
} as const
const TYPE = 'application/vnd.example.wanted+json'

/** Cases of listing only referrers of one type. */
export const referrersFilterCases: readonly Case[] = [
  {
    ...FILTER,
    id: 'referrers-filter',
    level: 'SHOULD',
    title: 'referrers can be filtered by type',
    sentence: 'The registry SHOULD support filtering on `artifactType`.',
    async run(probe) {
      const { pages } = await listFiltered(probe)
      if (!isFiltered(pages)) throw new Failure('only referrers of that type', 'others, too')
    },
  },
  {
    ...FILTER,
    id: 'referrers-filter-whole',
    title: 'a filtered list has all referrers of the type',
    sentence:
      'To fetch the list of referrers with a filter, perform a `GET` request to a path in the following format: `/v2/<name>/referrers/<digest>?artifactType=<artifactType>`.',
    async run(probe) {
      const { pages, wanted } = await listFiltered(probe)
      const found = pages.flatMap(({ items }) => items.map(({ digest }) => digest))
      const missing = wanted.find((digest) => !found.includes(digest))
      if (missing !== undefined) throw new Failure(`the referrer ${missing}`, `${found.length} others`)
    },
  },
  {
    ...FILTER,
    id: 'referrers-filter-header',
    title: 'a filtered list says that it is filtered',
    sentence:
      'If filtering is requested and applied, the response MUST include a header `OCI-Filters-Applied: artifactType` denoting that an `artifactType` filter was applied.',
    needs: [...FILTER.needs, 'referrers-filter'],
    async run(probe) {
      const { pages } = await listFiltered(probe)
      if (!isFiltered(pages)) throw new NotSupported('referrers are not filtered')
      const silent = pages.find(({ answer }) => !filtersOf(answer).includes('artifactType'))
      if (silent !== undefined) throw new Failure('OCI-Filters-Applied: artifactType', 'none')
    },
  },
  {
    ...FILTER,
    id: 'referrers-filter-header-right',
    title: 'an unfiltered list does not say that it is filtered',
    sentence: 'If filtering is requested and applied, the response MUST include a header',
    async run(probe) {
      const { pages, subject } = await listFiltered(probe)
      const says = pages.some(({ answer }) => filtersOf(answer).includes('artifactType'))
      if (says && !isFiltered(pages)) throw new Failure('only referrers of that type', 'others, too')
      const all = await probe.send({ method: 'GET', target: referrersTarget(probe, subject) })
      if (filtersOf(all).includes('artifactType')) throw new Failure('no OCI-Filters-Applied', 'one')
    },
  },
]

interface Filtered {
  subject: string
  wanted: string[]
  pages: Page<ProbeDescriptor>[]
}

/** Pushes two referrers of the type and one of another, and asks for the type. */
async function listFiltered(probe: Probe): Promise<Filtered> {
  const subject = { mediaType: MEDIA_TYPES.ociManifest, digest: await digestOf(randomContent(32)), size: 1 }
  const wanted: string[] = []
  for (const artifactType of [TYPE, `${TYPE}s`, TYPE]) {
    const annotations = { random: crypto.randomUUID() }
    const referrer = await makeIndex([], { subject, artifactType, annotations })
    await pushManifest(probe, referrer)
    if (artifactType === TYPE) wanted.push(referrer.digest)
  }
  const target = referrersTarget(probe, subject.digest, TYPE)
  return { subject: subject.digest, wanted, pages: await readPages(probe, target, referrersOf) }
}

function isFiltered(pages: readonly Page<ProbeDescriptor>[]): boolean {
  return pages.every(({ items }) => items.every(({ artifactType }) => artifactType === TYPE))
}

function filtersOf({ headers }: ProbeAnswer): string[] {
  return (headers.get('oci-filters-applied') ?? '').split(',').map((name) => name.trim())
}
