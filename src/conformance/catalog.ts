import type { Case, Group, Version } from './case.ts'
import { clientCases } from './cases/clients.ts'
import { extensionCases } from './cases/extensions/discovery.ts'
import { stowageCases } from './cases/extensions/stowage.ts'
import { hostileCases } from './cases/hostile/requests.ts'
import { baseCases } from './cases/specification/base.ts'
import { blobCases } from './cases/specification/blobs.ts'
import { chunkCases } from './cases/specification/chunks.ts'
import { manifestCases } from './cases/specification/manifests.ts'
import { mountCases } from './cases/specification/mounts.ts'
import { rangeCases } from './cases/specification/ranges.ts'
import { readingCases } from './cases/specification/reading.ts'
import { longReferrerCases, referrerCases } from './cases/specification/referrers.ts'
import { tagCases } from './cases/specification/tags.ts'
import { uploadCases } from './cases/specification/uploads.ts'

/** All cases, in the order in which reports show them. */
export const CASES: readonly Case[] = [
  ...baseCases,
  ...blobCases,
  ...uploadCases,
  ...chunkCases,
  ...mountCases,
  ...rangeCases,
  ...manifestCases,
  ...tagCases,
  ...referrerCases,
  ...longReferrerCases,
  ...clientCases,
  ...hostileCases,
  ...extensionCases,
  ...stowageCases,
]

/** Cases that read existing content; only for registries to which nothing may be pushed. */
export const READING_CASES: readonly Case[] = readingCases

/** The selection of cases. */
export interface Selection {
  /** `1.1` leaves out unreleased cases. */
  specification: '1.1' | 'dev'
  /** Ids, or patterns of them with `*` and `?`. */
  only?: readonly string[]
  groups?: readonly Group[]
  /** Only cases that change nothing. */
  readOnly?: boolean
}

/** Cases to run, and which of them were requested. The others are only needed by those. */
export interface Selected {
  cases: readonly Case[]
  asked: ReadonlySet<string>
}

/** Chooses cases, together with the cases that they need. */
export function selectCases(selection: Selection): Selected {
  const { specification, only, groups, readOnly = false } = selection
  const versions: readonly Version[] = specification === 'dev' ? ['1.0', '1.1', 'dev'] : ['1.0', '1.1']
  const all = (readOnly ? [...CASES.filter((each) => each.readOnly), ...READING_CASES] : CASES).filter(
    ({ version }) => versions.includes(version),
  )
  const patterns = only?.map(patternOf)
  const asked = all.filter(
    ({ id, group }) =>
      (patterns === undefined || patterns.some((pattern) => pattern.test(id))) &&
      (groups === undefined || groups.includes(group)),
  )
  const wanted = new Set<string>()
  const want = ({ id, needs = [] }: Case) => {
    if (wanted.has(id)) return
    wanted.add(id)
    for (const each of all) if (needs.includes(each.id)) want(each)
  }
  for (const each of asked) want(each)
  return { cases: all.filter(({ id }) => wanted.has(id)), asked: new Set(asked.map(({ id }) => id)) }
}

function patternOf(glob: string): RegExp {
  const text = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${text}$`)
}
