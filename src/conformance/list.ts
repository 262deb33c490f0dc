import { isObject } from '../client/request.ts'
import { parseNextLink } from '../oci/link.ts'
import type { ProbeAnswer } from './exchange.ts'
import type { ProbeDescriptor } from './manifest.ts'
import { Failure, NotSupported } from './outcome.ts'
import { type Probe, requireJson, wantStatus } from './probe.ts'

const MAX_PAGES = 100

/** One page of a list. */
export interface Page<T> {
  answer: ProbeAnswer
  items: readonly T[]
  /** Where the next page is, if there is one. */
  next?: string
}

/** A page of tags. */
export async function readTags(probe: Probe, query = ''): Promise<Page<string>> {
  const target = `/v2/${probe.repository}/tags/list${query}`
  return await readPage(probe, target, tagsOf)
}

/** The tags in a list's body. @throws Failure unless it has the form of the specification */
export function tagsOf(answer: ProbeAnswer): string[] {
  wantStatus(answer, 200)
  const body = requireJson(answer)
  const tags = isObject(body) ? (body.tags ?? []) : undefined
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string'))
    throw new Failure('a list of strings in "tags"', JSON.stringify(body).slice(0, 200))
  return tags
}

/** The URL of the list of referrers of a digest. */
export function referrersTarget(probe: Probe, digest: string, artifactType?: string): string {
  const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`
  return `/v2/${probe.repository}/referrers/${digest}${query}`
}

/** A page of referrers. @throws NotSupported if the registry has no such list */
export async function readReferrers(probe: Probe, target: string): Promise<Page<ProbeDescriptor>> {
  return await readPage(probe, target, referrersOf)
}

/** All referrers, over all pages. */
export async function readAllReferrers(probe: Probe, digest: string): Promise<ProbeDescriptor[]> {
  const pages = await readPages(probe, referrersTarget(probe, digest), referrersOf)
  return pages.flatMap(({ items }) => items)
}

/** The descriptors in a list's body. */
export function referrersOf(answer: ProbeAnswer): ProbeDescriptor[] {
  if (answer.status === 404) throw new NotSupported('referrers are not listed (404)')
  wantStatus(answer, 200)
  const body = requireJson(answer)
  const list = isObject(body) ? body.manifests : undefined
  if (!Array.isArray(list)) throw new Failure('a list in "manifests"', JSON.stringify(body).slice(0, 200))
  return list
}

/** All pages of a list, found through their links. @throws Failure if they don't end */
export async function readPages<T>(
  probe: Probe,
  target: string,
  itemsOf: (answer: ProbeAnswer) => T[],
): Promise<Page<T>[]> {
  const pages: Page<T>[] = []
  for (let next: string | undefined = target; next !== undefined; next = pages.at(-1)?.next) {
    if (pages.length === MAX_PAGES) throw new Failure('a last page', `a Link on each of ${MAX_PAGES} pages`)
    pages.push(await readPage(probe, next, itemsOf))
  }
  return pages
}

async function readPage<T>(
  probe: Probe,
  target: string,
  itemsOf: (answer: ProbeAnswer) => T[],
): Promise<Page<T>> {
  const answer = await probe.send({ method: 'GET', target })
  const items = itemsOf(answer)
  const link = parseLink(answer)
  if (link === undefined) return { answer, items }
  const { origin, pathname, search, href } = new URL(link, new URL(target, probe.origin))
  return { answer, items, next: origin === probe.origin ? pathname + search : href }
}

/**
 * The target of a `Link` to the next page, as it is written; undefined if there is none.
 *
 * @throws Failure if it does not have the form of RFC 8288, which replaced RFC 5988
 */
export function parseLink(answer: ProbeAnswer): string | undefined {
  const header = answer.headers.get('link')
  if (header === null) return undefined
  const target = parseNextLink(header)
  if (target === undefined) throw new Failure('Link: <target>; rel="next"', `Link: ${header}`)
  return target
}
