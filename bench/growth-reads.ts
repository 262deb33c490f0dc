import { type GrownRegistry, LISTED, MOVED_TAG, REFERRED, TAGGED, tagName } from './grown-registry.ts'

/** A read of a grown registry; the path depends on how much is in it. */
export interface GrownRead {
  name: string
  label: string
  method: 'GET' | 'HEAD'
  path(registry: GrownRegistry): string
  /** Whether it sends the ETag that it got before, and is answered that nothing is new. */
  isConditional?: true
}

const PAGE = 'n=100'
const MIDDLE_DIGEST = `sha256:8${'0'.repeat(63)}`
const LISTED_TIME = Date.UTC(2026, 0, 1)

const BEFORE_EXTENSIONS: readonly GrownRead[] = [
  read('tags-first', 'first 100 tags', () => `/v2/${TAGGED}/tags/list?n=100`),
  read('tags-middle', '100 tags from the middle', ({ size }) => {
    return `/v2/${TAGGED}/tags/list?n=100&last=${tagName(half(size.tags) - 1)}`
  }),
  read(
    'get-manifest-tag',
    'GET manifest by tag',
    ({ size }) => `/v2/${TAGGED}/manifests/${tagName(half(size.tags))}`,
  ),
  head('head-blob', 'HEAD blob', ({ blob }) => `/v2/${TAGGED}/blobs/${blob}`),
  read(
    'referrers',
    'first 10 referrers of one subject',
    ({ subject }) => `/v2/${REFERRED}/referrers/${subject}?n=10`,
  ),
  read('catalog', '50 repositories from the middle', () => '/v2/_catalog?n=50&last=bench/many-5'),
]

/** What the last manifest of the first half stands at, in each order. */
const ORDERS: Readonly<Record<string, (registry: GrownRegistry) => [number, string]>> = {
  pushed: ({ size }) => [size.listed * 0.675, ''],
  '-pushed': ({ size }) => [size.listed * 0.675, ''],
  digest: () => [0, MIDDLE_DIGEST],
  '-digest': () => [0, MIDDLE_DIGEST],
  size: ({ totalSize }) => [totalSize, MIDDLE_DIGEST],
  '-size': ({ totalSize }) => [totalSize, MIDDLE_DIGEST],
  pulled: ({ size }) => [LISTED_TIME + half(size.listed), MIDDLE_DIGEST],
  '-pulled': ({ size }) => [LISTED_TIME + half(size.listed), MIDDLE_DIGEST],
}

const MANIFESTS: readonly GrownRead[] = Object.entries(ORDERS).flatMap(([order, middle]) => {
  const list = `/v2/${LISTED}/_stowage/manifests/list?${PAGE}&sort=${order}`
  return [
    read(`manifests/${order}-first`, `first 100 manifests, ${order}`, () => list),
    read(`manifests/${order}-middle`, `100 manifests from the middle, ${order}`, (registry) => {
      return `${list}&cursor=${cursor(`manifests:${order}`, ...middle(registry), 'behind', '')}`
    }),
  ]
})

const REPOSITORIES: readonly GrownRead[] = ['root', 'below', 'root-recursive'].flatMap((kind) => {
  const path = kind === 'below' ? '/v2/bench' : '/v2'
  const recursive = kind === 'root-recursive' ? '&recursive=true' : ''
  const list = `${path}/_stowage/repositories/list?${PAGE}${recursive}`
  const first = read(`repositories/${kind}-first`, `first 100 repositories, ${kind}`, () => list)
  // At the root there is one name only.
  if (kind === 'root') return [first]
  return [
    first,
    read(`repositories/${kind}-middle`, `100 repositories from the middle, ${kind}`, () => {
      return `${list}&cursor=${cursor('repositories', 'bench/many-25')}`
    }),
  ]
})

const PAST: readonly GrownRead[] = [
  read('history/first', 'last 100 changes of a tag', () => history('')),
  read('history/middle', '100 changes of a tag, from the middle', ({ size }) => {
    return history(`&cursor=${cursor('tag-history', size.listed * 0.675)}`)
  }),
  read('tags-at/now', 'first 100 tags with digests', () => `/v2/${TAGGED}/_stowage/tags/list?${PAGE}`),
  read('tags-at/first', 'first 100 tags at a revision', ({ size }) => tagsAt(half(size.tags))),
  read('tags-at/middle', '100 tags at a revision, from the middle', ({ size }) => {
    const revision = half(size.tags)
    return `${tagsAt(revision)}&cursor=${cursor('tags:at', revision, tagName(half(revision)))}`
  }),
]

const FEED: readonly GrownRead[] = [
  read('changes/first', 'first 100 changes', () => changes('', 0)),
  read('changes/middle', '100 changes from the middle', (registry) =>
    changes('', sequenceOfListed(registry, 0)),
  ),
  read('changes/repository-first', 'first 100 changes of a repository', () => changes(`/${LISTED}`, 0)),
  read('changes/repository-middle', '100 changes of a repository, from the middle', (registry) => {
    return changes(`/${LISTED}`, sequenceOfListed(registry, 0.675))
  }),
]

const CONTENT: readonly GrownRead[] = [
  head('content/head', 'HEAD content by digest', ({ blob }) => `/v2/_stowage/content/data?digest=${blob}`),
  read('content/locations', 'locations of a blob that all repositories have', ({ blob }) => {
    return `/v2/_stowage/content/locations?digest=${blob}`
  }),
  read('content/locations-repository', 'locations of a blob that all manifests name', ({ blob }) => {
    return `/v2/${LISTED}/_stowage/content/locations?digest=${blob}`
  }),
  read('content/locations-referrers', 'locations of an image with many referrers', ({ subject }) => {
    return `/v2/${REFERRED}/_stowage/content/locations?digest=${subject}`
  }),
]

const POLLS: readonly GrownRead[] = [
  { ...head('poll/manifests', 'is the manifest list new? (304)', listedManifests), isConditional: true },
  { ...head('poll/repositories', 'is the repository list new? (304)', listedRoot), isConditional: true },
]

/** All reads of grown registries. */
export const GROWN_READS: readonly GrownRead[] = [
  ...BEFORE_EXTENSIONS,
  ...MANIFESTS,
  ...REPOSITORIES,
  ...PAST,
  ...FEED,
  ...CONTENT,
  ...POLLS,
]

function read(name: string, label: string, path: GrownRead['path']): GrownRead {
  return { name, label, method: 'GET', path }
}

function head(name: string, label: string, path: GrownRead['path']): GrownRead {
  return { name, label, method: 'HEAD', path }
}

function half(count: number): number {
  return Math.floor(count / 2)
}

/**
 * Where a page begins, as the server writes it. To walk to the middle of a million would take minutes; should the server ever write
 * cursors in another way, it refuses these, and the run says so.
 */
function cursor(list: string, ...values: (number | string)[]): string {
  const whole = values.map((value) => (typeof value === 'number' ? Math.floor(value) : value))
  return Buffer.from(JSON.stringify([1, list, ...whole])).toString('base64url')
}

function listedManifests(): string {
  return `/v2/${LISTED}/_stowage/manifests/list?${PAGE}`
}

function listedRoot(): string {
  return `/v2/_stowage/repositories/list?${PAGE}&recursive=true`
}

function history(rest: string): string {
  return `/v2/${LISTED}/_stowage/tags/history?tag=${MOVED_TAG}&${PAGE}${rest}`
}

function tagsAt(revision: number): string {
  return `/v2/${TAGGED}/_stowage/tags/list?at=${revision}&${PAGE}`
}

function changes(below: string, since: number): string {
  return `/v2${below}/_stowage/changes/list?since=${since}&${PAGE}`
}

/** About the sequence at which the listed repository has so many changes for each of its manifests: it was filled last. */
function sequenceOfListed({ size }: GrownRegistry, changesOfManifest: number): number {
  const before = size.tags + 3 * size.repositories + size.referrers
  return Math.floor(before + changesOfManifest * size.listed)
}
