import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName, Tag } from '../../oci/reference.ts'
import type { Page, PastTag, PastTagsPage, TagChange, TagReads } from '../metadata-store.ts'
import { pageOf } from './page.ts'
import { findRepository } from './repositories.ts'
import { findLog, lastRevision, type RepositoryLog } from './revisions.ts'
import { inSnapshot } from './snapshot.ts'
import type { Row, Statements } from './statements.ts'

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
    'SELECT name FROM tags WHERE repository = ? AND name > ? ORDER BY name LIMIT ?',
    id,
    after,
    limit + 1,
  )
  return pageOf(rows, limit, (row) => row.name as Tag)
}

/** Must be written as the index has it, or that is not used. */
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
     WHERE c.repository = ? AND c.subject = ? AND c.${OF_TAGS} AND c.revision < ? ORDER BY c.revision DESC LIMIT ?`,
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
    return revision === undefined ? 'pruned' : pastTags(statements, log.id, revision, page)
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

/** Seeks from one tag to the next: a tag may have changed many times. */
function pastTags(
  statements: Statements,
  repository: number,
  revision: number,
  { after, limit }: { after: string; limit: number },
): PastTagsPage {
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
    const found = pastTag(statements, repository, revision, last as Tag)
    if (found !== undefined) tags.push(found)
  }
}

function pastTag(
  statements: Statements,
  repository: number,
  revision: number,
  tag: Tag,
): PastTag | undefined {
  const row = statements.get(
    `SELECT c.revision, c.at, c.new, ${AVAILABLE} FROM changes c
     WHERE c.repository = ? AND c.subject = ? AND c.${OF_TAGS} AND c.revision <= ? ORDER BY c.revision DESC LIMIT 1`,
    repository,
    tag,
    revision,
  )
  if (row === undefined || row.new === null) return undefined
  return {
    tag,
    digest: row.new as Digest,
    revision: row.revision as number,
    at: row.at as number,
    available: row.available === 1,
  }
}
