import type { Digest } from '../../oci/digest.ts'
import { parseTagGlob } from '../../oci/glob.ts'
import { type Labels, matchesLabels } from '../../oci/label-selector.ts'
import { matchesPlatform } from '../../oci/platform.ts'
import type { Tag } from '../../oci/reference.ts'
import type {
  ListedManifest,
  ManifestCursor,
  ManifestFilters,
  ManifestPage,
  ManifestQuery,
} from '../manifests.ts'
import { manifestRow, manifestRows } from './manifest-order.ts'
import { PageBudget } from './page-budget.ts'
import { IS_OF_LIVE } from './parents.ts'
import { TagReach } from './reach.ts'
import { findRepository } from './repositories.ts'
import { inSnapshot } from './snapshot.ts'
import type { Row, Statements } from './statements.ts'
import { IS_LIVE } from './tags.ts'

/** A manifest with more tags appears again on the next page. */
const MAX_TAGS_OF_AN_ENTRY = 1_000
const MAX_PARENTS_SHOWN = 100
const MAX_MISSING_SHOWN = 100
const MAX_CHILDREN_LOOKED_AT = 1_000
/** How many tags are read at once when searching for one. */
const TAGS_OF_A_LOOK = 1_000
const LONG_TEXTS = ['annotations', 'labels']
/** The number of bytes around the fields of an entry, and around one tag. */
const ENTRY_BYTES = 200
const TAG_BYTES = 3
const REPEATED_TAG_BYTES = 64

/** One page of the manifests of a repository; undefined if the repository does not exist. */
export async function listManifests(
  statements: Statements,
  query: ManifestQuery,
): Promise<ManifestPage | undefined> {
  const budget = new PageBudget(query)
  const page: ManifestPage = { manifests: [] }
  let listing: Listing | undefined
  for (let after = query.after; ; ) {
    const isThere = inSnapshot(statements, () => {
      const repository = findRepository(statements, query.repository)
      if (repository === undefined) return false
      // A repository of the same name may be a different one.
      if (listing?.repository !== repository) listing = new Listing(statements, repository, query, budget)
      after = listing.readSlice(after, page.manifests)
      return true
    })
    if (!isThere) return page.manifests.length === 0 ? undefined : page
    if (after === undefined) return page
    if (listing?.isPageOver) return { ...page, next: after }
    await budget.nextSlice()
  }
}

/** A row whose manifest may be included, and where its tags begin. */
interface Candidate {
  row: Row
  cursor: ManifestCursor
  tags: NonNullable<ManifestCursor['tag']>
}

/** Reads the manifests of one page, and decides which of them match its filters. */
class Listing {
  readonly repository: number
  readonly #statements: Statements
  readonly #query: ManifestQuery
  readonly #budget: PageBudget
  readonly #matchesTag: ((tag: string) => boolean) | undefined
  readonly #reach: TagReach
  /** Whether the page must end here. */
  isPageOver = false

  constructor(statements: Statements, repository: number, query: ManifestQuery, budget: PageBudget) {
    this.#statements = statements
    this.repository = repository
    this.#query = query
    this.#budget = budget
    const { tag } = query.filters
    this.#matchesTag = tag === undefined ? undefined : parseTagGlob(tag)
    this.#reach = new TagReach(statements, repository)
  }

  /** Adds manifests from one state of the store. @returns where the list continues; undefined at its end */
  readSlice(after: ManifestCursor | undefined, found: ListedManifest[]): ManifestCursor | undefined {
    let last = after
    for (const candidate of this.#candidates(after)) {
      this.isPageOver = this.#budget.isSpent
      if (last !== undefined && last !== after && (this.isPageOver || this.#budget.isSliceOver)) return last
      const goesOn = this.#take(candidate, found)
      if (goesOn !== undefined) return goesOn === 'full' ? last : goesOn
      last = candidate.cursor
    }
    return undefined
  }

  *#candidates(after: ManifestCursor | undefined): Generator<Candidate> {
    const { repository } = this
    if (after?.tag !== undefined) {
      const row = manifestRow(this.#statements, repository, after.digest)
      const { tag, ...cursor } = after
      if (row !== undefined) yield { row, cursor, tags: tag }
    }
    for (const { row, cursor } of manifestRows(this.#statements, repository, {
      ...this.#query,
      ...(after && { after }),
    })) {
      yield { row, cursor, tags: { after: '', isFound: this.#matchesTag === undefined } }
    }
  }

  /** @returns where the list continues if it can't continue after this manifest; `full` if the manifest does not fit */
  #take({ row, cursor, tags }: Candidate, found: ListedManifest[]): ManifestCursor | 'full' | undefined {
    this.#budget.countRow(row, LONG_TEXTS)
    if (tags.after === '' && !this.#matches(row)) return undefined
    if (tags.isFound) return this.#add(row, cursor, { tagsAfter: tags.after, found })
    const looked = this.#lookForTag(row.digest as Digest, tags.after)
    if (looked === 'none') return undefined
    if (looked === 'found') return this.#add(row, cursor, { tagsAfter: '', found })
    this.isPageOver = this.#budget.isSpent
    return { ...cursor, tag: { after: looked.after, isFound: false } }
  }

  /** The cheapest conditions are checked first. */
  #matches(row: Row): boolean {
    const { filters } = this.#query
    if (!matchesRow(row, filters) || !matchesTexts(row, filters)) return false
    const { pulledBefore, untagged } = filters
    const seen = (row.pulled as number | null) ?? (row.pushed as number)
    if (pulledBefore !== undefined && seen >= pulledBefore) return false
    if (untagged === undefined) return true
    const before = this.#reach.steps
    const isReached = this.#reach.reaches(row.digest as Digest)
    this.#budget.countSteps(this.#reach.steps - before)
    return isReached !== untagged
  }

  /** Looks for a matching tag, for as long as one slice may take. */
  #lookForTag(digest: Digest, start: string): 'found' | 'none' | { after: string } {
    for (let after = start; ; ) {
      const tags = this.#tagsOf(digest, after, TAGS_OF_A_LOOK)
      if (tags.some((tag) => this.#matchesTag?.(tag))) return 'found'
      const last = tags.at(-1)
      if (last === undefined || tags.length < TAGS_OF_A_LOOK) return 'none'
      if (this.#budget.isSliceOver) return { after: last }
      after = last
    }
  }

  #add(
    row: Row,
    cursor: ManifestCursor,
    { tagsAfter, found }: { tagsAfter: string; found: ListedManifest[] },
  ): ManifestCursor | 'full' | undefined {
    const digest = row.digest as Digest
    const parents = this.#query.isPerTag ? [] : this.#parentsOf(digest)
    const missing = this.#query.isPerTag ? [] : this.#missingOf(digest)
    const bytes = entryBytes(row, [...parents, ...missing])
    if (!this.#budget.fits(bytes)) {
      this.isPageOver = true
      return tagsAfter === '' ? 'full' : { ...cursor, tag: { after: tagsAfter, isFound: true } }
    }
    const tags = this.#tagsOf(digest, tagsAfter, MAX_TAGS_OF_AN_ENTRY + 1)
    // All of them were removed while the list was read.
    if (tags.length === 0 && tagsAfter !== '') return undefined
    // If each tag repeats the manifest, only these tags are sent.
    const [once, each] = this.#query.isPerTag ? [0, bytes + REPEATED_TAG_BYTES] : [bytes, TAG_BYTES]
    const shown = fittingTags(tags, this.#budget.bytesLeft - once, each)
    found.push(listed(row, { tags: shown.tags, parents, missing }))
    this.#budget.countItem(Math.max(bytes, once + shown.bytes))
    const last = shown.tags.at(-1)
    if (last === undefined || shown.tags.length === tags.length) return undefined
    this.isPageOver = true
    return { ...cursor, tag: { after: last, isFound: true } }
  }

  #tagsOf(digest: Digest, after: string, limit: number): Tag[] {
    const rows = this.#statements.all(
      `SELECT t.name FROM tags t WHERE t.repository = ? AND t.digest = ? AND t.name > ? AND ${IS_LIVE}
       ORDER BY t.name LIMIT +?`,
      this.repository,
      digest,
      after,
      limit,
    )
    this.#budget.countSteps(rows.length)
    return rows.map((row) => row.name as Tag)
  }

  #parentsOf(digest: Digest): Digest[] {
    const rows = this.#statements.all(
      `SELECT DISTINCT parent FROM edges e WHERE repository = ? AND child = ? AND ${IS_OF_LIVE} ORDER BY parent LIMIT +?`,
      this.repository,
      digest,
      MAX_PARENTS_SHOWN,
    )
    this.#budget.countSteps(rows.length)
    return rows.map((row) => row.parent as Digest)
  }

  /** Only possible if sparse indexes are allowed. Children of a build cache are blobs. */
  #missingOf(digest: Digest): Digest[] {
    const rows = this.#statements.all(
      `SELECT child,
         EXISTS (SELECT 1 FROM manifests m WHERE m.repository = e.repository AND m.digest = e.child)
         OR EXISTS (SELECT 1 FROM links l WHERE l.repository = e.repository AND l.digest = e.child) AS here
       FROM edges e WHERE repository = ? AND parent = ? AND kind = 'manifest' ORDER BY child LIMIT +?`,
      this.repository,
      digest,
      MAX_CHILDREN_LOOKED_AT,
    )
    this.#budget.countSteps(rows.length)
    const missing = rows.filter(({ here }) => here === 0).map(({ child }) => child as Digest)
    return missing.slice(0, MAX_MISSING_SHOWN)
  }
}

/** As many tags as fit into a number of bytes, but at least one and at most as many as one entry may have. */
function fittingTags(
  tags: readonly Tag[],
  bytesLeft: number,
  bytesOfEach: number,
): { tags: Tag[]; bytes: number } {
  let bytes = 0
  let count = 0
  for (const tag of tags.slice(0, MAX_TAGS_OF_AN_ENTRY)) {
    const size = bytesOfEach + tag.length
    if (count > 0 && bytes + size > bytesLeft) break
    bytes += size
    count++
  }
  return { tags: tags.slice(0, count), bytes }
}

/** About how many bytes of JSON a manifest takes without its tags. */
function entryBytes({ annotations, labels: _, ...row }: Row, others: readonly Digest[]): number {
  const texts = Object.values(row).reduce<number>((sum, value) => sum + String(value ?? '').length, 0)
  const otherBytes = others.reduce((sum, digest) => sum + digest.length + TAG_BYTES, 0)
  return ENTRY_BYTES + texts + otherBytes + Buffer.byteLength((annotations as string | null) ?? '')
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
  { tags, parents, missing }: Pick<ListedManifest, 'tags' | 'parents' | 'missing'>,
): ListedManifest {
  return {
    digest: row.digest as Digest,
    mediaType: row.mediaType as string,
    size: row.size as number,
    ...(row.artifactType !== null && { artifactType: row.artifactType as string }),
    ...(row.annotations !== null && { annotations: JSON.parse(row.annotations as string) }),
    tags,
    parents,
    missing,
    ...(row.subject !== null && { subject: row.subject as Digest }),
    ...(row.platform !== null && { platform: row.platform as string }),
    pushed: row.pushed as number,
    ...(row.pulled !== null && { pulled: row.pulled as number }),
    totalSize: row.totalSize as number,
  }
}
