import type { Digest } from '../../oci/digest.ts'
import { parseGlob } from '../../oci/glob.ts'
import { type Labels, matchesLabels } from '../../oci/label-selector.ts'
import { matchesPlatform } from '../../oci/platform.ts'
import type { Tag } from '../../oci/reference.ts'
import type {
  ListedManifest,
  ManifestCursor,
  ManifestFilters,
  ManifestPage,
  ManifestQuery,
} from '../metadata-store.ts'
import { manifestRows } from './manifest-order.ts'
import { TagReach } from './reach.ts'
import { findRepository } from './repositories.ts'
import { inSnapshot } from './snapshot.ts'
import type { Row, Statements } from './statements.ts'

const MAX_MANIFESTS_LOOKED_AT = 10_000
/** Of annotations and labels, whose length whoever pushes has chosen. */
const MAX_BYTES_LOOKED_AT = 16 * 1024 * 1024

/** One page of the manifests of a repository; undefined if there is no such repository. */
export function listManifests(statements: Statements, query: ManifestQuery): ManifestPage | undefined {
  return inSnapshot(statements, () => {
    const repository = findRepository(statements, query.repository)
    if (repository === undefined) return undefined
    return gatherManifests(new Listing(statements, repository, query.filters), statements, query)
  })
}

function gatherManifests(listing: Listing, statements: Statements, query: ManifestQuery): ManifestPage {
  const manifests: ListedManifest[] = []
  let last: ManifestCursor | undefined
  let looked = 0
  let lookedBytes = 0
  let bytes = 0
  for (const { row, cursor } of manifestRows(statements, listing.repository, query)) {
    const isSpent = looked >= MAX_MANIFESTS_LOOKED_AT || lookedBytes >= MAX_BYTES_LOOKED_AT || listing.isSpent
    if (last !== undefined && (isSpent || manifests.length >= query.limit)) return { manifests, next: last }
    looked++
    lookedBytes += textLength(row.annotations) + textLength(row.labels)
    const found = listing.read(row)
    if (found !== undefined) {
      bytes += Buffer.byteLength(JSON.stringify(found))
      if (manifests.length > 0 && bytes > query.maxBytes && last) return { manifests, next: last }
      manifests.push(found)
    }
    last = cursor
  }
  return { manifests }
}

function textLength(value: unknown): number {
  return typeof value === 'string' ? value.length : 0
}

/** Reads the manifests of one page, and says which its filters take. */
class Listing {
  readonly repository: number
  readonly #statements: Statements
  readonly #filters: ManifestFilters
  readonly #matchesTag: (tag: string) => boolean
  readonly #reach: TagReach

  constructor(statements: Statements, repository: number, filters: ManifestFilters) {
    this.#statements = statements
    this.repository = repository
    this.#filters = filters
    this.#matchesTag = filters.tag === undefined ? () => true : parseGlob(filters.tag)
    this.#reach = new TagReach(statements, repository)
  }

  /** Whether the page must end here. */
  get isSpent(): boolean {
    return this.#reach.isSpent
  }

  /** The manifest of a row, unless a filter leaves it out. What costs least is asked first. */
  read(row: Row): ListedManifest | undefined {
    if (!matchesRow(row, this.#filters) || !matchesTexts(row, this.#filters)) return undefined
    const digest = row.digest as Digest
    const pulled = (row.pulled as number | null) ?? undefined
    const { pulledBefore, tag, untagged } = this.#filters
    if (pulledBefore !== undefined && (pulled ?? (row.pushed as number)) >= pulledBefore) return undefined
    const tags = this.#tagsOf(digest)
    if (tag !== undefined && !tags.some(this.#matchesTag)) return undefined
    if (untagged !== undefined && this.#reach.reaches(digest) === untagged) return undefined
    return listed(row, { tags, parents: this.#parentsOf(digest), pulled })
  }

  #tagsOf(digest: Digest): Tag[] {
    const rows = this.#statements.all(
      'SELECT name FROM tags WHERE repository = ? AND digest = ? ORDER BY name',
      this.repository,
      digest,
    )
    return rows.map((row) => row.name as Tag)
  }

  #parentsOf(digest: Digest): Digest[] {
    const rows = this.#statements.all(
      'SELECT DISTINCT parent FROM edges WHERE repository = ? AND child = ? ORDER BY parent',
      this.repository,
      digest,
    )
    return rows.map((row) => row.parent as Digest)
  }
}

function matchesRow(row: Row, filters: ManifestFilters): boolean {
  const { artifactTypes, mediaTypes, subject, platform, pushedBefore, pushedAfter } = filters
  const pushed = row.pushed as number
  if (artifactTypes !== undefined && !artifactTypes.includes(row.artifactType as string)) return false
  if (mediaTypes !== undefined && !mediaTypes.includes(row.mediaType as string)) return false
  if (subject !== undefined && row.subject !== subject) return false
  if (platform !== undefined && !matchesPlatform(platform, (row.platform as string | null) ?? ''))
    return false
  if (pushedBefore !== undefined && pushed >= pushedBefore) return false
  return pushedAfter === undefined || pushed > pushedAfter
}

function matchesTexts(row: Row, { annotations: wanted, labels }: ManifestFilters): boolean {
  if (wanted !== undefined) {
    const found = row.annotations === null ? {} : (JSON.parse(row.annotations as string) as Labels)
    const holds = wanted.every(
      ({ key, value }) => Object.hasOwn(found, key) && (value === undefined || found[key] === value),
    )
    if (!holds) return false
  }
  if (labels === undefined) return true
  return matchesLabels(labels, row.labels === null ? {} : (JSON.parse(row.labels as string) as Labels))
}

function listed(
  row: Row,
  { tags, parents, pulled }: { tags: Tag[]; parents: Digest[]; pulled: number | undefined },
): ListedManifest {
  return {
    digest: row.digest as Digest,
    mediaType: row.mediaType as string,
    size: row.size as number,
    ...(row.artifactType !== null && { artifactType: row.artifactType as string }),
    ...(row.annotations !== null && { annotations: JSON.parse(row.annotations as string) }),
    tags,
    parents,
    ...(row.subject !== null && { subject: row.subject as Digest }),
    ...(row.platform !== null && { platform: row.platform as string }),
    pushed: row.pushed as number,
    ...(pulled !== undefined && { pulled }),
    totalSize: row.totalSize as number,
  }
}
