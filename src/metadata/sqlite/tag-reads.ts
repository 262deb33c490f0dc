import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName, Tag } from '../../oci/reference.ts'
import type { Page } from '../page.ts'
import type { PastTag, PastTagsPage, TagChange, TagReads } from '../tags.ts'
import { pageOf } from './page.ts'
import { findRepository } from './repositories.ts'
import { findLog, lastRevision, type RepositoryLog } from './revisions.ts'
import { inSnapshot } from './snapshot.ts'
import type { Row, Statements } from './statements.ts'
import { IS_LIVE } from './tags.ts'

const MAX_TAGS_LOOKED_AT = 10_000

/** Reads of tags, now and in the past. */
export function tagReads(statements: Statements): TagReads {
  return {
    list: async (repository, after, limit) => listTags(statements, repository, after, limit),
    history: async (repository, tag, page) => tagHistory(statements, repository, tag, page),
    at: async (repository, when, page) => tagsAt(statements, repository, when, page),
  }
}

function listTags(
  statements: Statements,
  repository: RepositoryName,
  after: string,
  limit: number,
): Page<Tag> | undefined {
  const id = findRepository(statements, repository)
  if (id === undefined) return undefined
  const rows = statements.all(
    `SELECT t.name FROM tags t WHERE t.repository = ? AND t.name > ? AND ${IS_LIVE} ORDER BY t.name LIMIT +?`,
    id,
    after,
    limit + 1,
  )
  return pageOf(rows, limit, (row) => row.name as Tag)
}

/** Must be written exactly as in the index, otherwise SQLite does not use the index. */
const OF_TAGS = `kind IN ('tag-set', 'tag-removed')`

const AVAILABLE = `EXISTS (SELECT 1 FROM manifests m WHERE m.repository = c.repository AND m.digest = c.new) AS available`

function tagHistory(
  statements: Statements,
  repository: RepositoryName,
  tag: Tag,
  { before, limit }: { before: number; limit: number },
): Page<TagChange> | undefined {
  const id = findRepository(statements, repository)
  if (id === undefined) return undefined
  const rows = statements.all(
    `SELECT c.revision, c.at, c.new, c.actor, ${AVAILABLE} FROM changes c
     WHERE c.repository = ? AND c.subject = ? AND c.${OF_TAGS} AND c.revision < ? ORDER BY c.revision DESC LIMIT +?`,
    id,
    tag,
    before,
    limit + 1,
  )
  return pageOf(rows, limit, tagChange)
}

function tagChange(row: Row): TagChange {
  return {
    revision: row.revision as number,
    at: row.at as number,
    ...(row.new !== null && { digest: row.new as Digest }),
    ...(row.actor !== null && { actor: row.actor as string }),
    available: row.available === 1,
  }
}

function tagsAt(
  statements: Statements,
  repository: RepositoryName,
  when: { revision?: number; time?: number },
  page: { after: string; limit: number },
): PastTagsPage | 'pruned' | undefined {
  return inSnapshot(statements, () => {
    const log = findLog(statements, repository)
    if (log === undefined) return undefined
    const revision = revisionAt(statements, log, when)
    if (revision === undefined) return 'pruned'
    const isNow = when.revision !== undefined && when.revision > log.revision
    return pastTags(statements, { repository: log.id, revision, isNow }, page)
  })
}

function revisionAt(
  statements: Statements,
  log: RepositoryLog,
  { revision, time = 0 }: { revision?: number; time?: number },
): number | undefined {
  if (revision !== undefined) return revision < log.pruned ? undefined : Math.min(revision, log.revision)
  if (log.pruned > 0 && time < log.prunedAt) return undefined
  return lastRevision(statements, log, 'at', time)
}

/** A state of a repository's tags. */
interface Moment {
  repository: number
  revision: number
  /** Tags that were removed with their manifest do not count then, even if the log does not contain each removal yet. */
  isNow: boolean
}

/** Must be the same as {@link IS_LIVE}, for a change instead of a tag. */
const IS_HIDDEN = `EXISTS (SELECT 1 FROM doomed_tags d
  WHERE d.repository = c.repository AND d.digest = c.new AND d.revision >= c.revision) AS isHidden`

/** Seeks from one tag to the next: a tag may have changed many times. */
function pastTags(
  statements: Statements,
  moment: Moment,
  { after, limit }: { after: string; limit: number },
): PastTagsPage {
  const { repository, revision } = moment
  const tags: PastTag[] = []
  let last = after
  for (let looked = 0; ; looked++) {
    const next = statements.get(
      `SELECT subject FROM changes WHERE repository = ? AND ${OF_TAGS} AND subject > ? ORDER BY subject LIMIT 1`,
      repository,
      last,
    )
    if (next === undefined) return { revision, tags }
    if (tags.length >= limit || looked >= MAX_TAGS_LOOKED_AT) return { revision, tags, next: last as Tag }
    last = next.subject as string
    const found = pastTag(statements, moment, last as Tag)
    if (found !== undefined) tags.push(found)
  }
}

function pastTag(
  statements: Statements,
  { repository, revision, isNow }: Moment,
  tag: Tag,
): PastTag | undefined {
  const row = statements.get(
    `SELECT c.revision, c.at, c.new, ${AVAILABLE}, ${IS_HIDDEN} FROM changes c
     WHERE c.repository = ? AND c.subject = ? AND c.${OF_TAGS} AND c.revision <= ? ORDER BY c.revision DESC LIMIT 1`,
    repository,
    tag,
    revision,
  )
  if (row === undefined || row.new === null || (isNow && row.isHidden === 1)) return undefined
  return {
    tag,
    digest: row.new as Digest,
    revision: row.revision as number,
    at: row.at as number,
    available: row.available === 1,
  }
}
