import type { Digest } from '../../oci/digest.ts'
import type { Tag } from '../../oci/reference.ts'
import { type Actor, actorNamed } from '../actor.ts'
import type { Outcome, Stamped } from '../command.ts'
import { MAX_REMEMBERED_TAGS, removeTags } from '../manifest-removal.ts'
import { conditionHolds } from '../tag-condition.ts'
import { currentDigest, type FoundTag, moveTag, type TagMove } from '../tag-move.ts'
import type { DeleteTag, DropHiddenTags, SetTag } from '../tags.ts'
import { type Authorship, findRepository, recordChange } from './repositories.ts'
import type { Statements } from './statements.ts'

/**
 * Whether a row of `tags t` is a tag. The manifest of a hidden tag was deleted with more tags than one transaction removes. Pushing the
 * manifest again does not restore any of them.
 */
export const IS_LIVE = `NOT EXISTS (SELECT 1 FROM doomed_tags d
  WHERE d.repository = t.repository AND d.digest = t.digest AND d.revision >= t.revision)`

/** The row of a tag, hidden or not. */
function findTag(statements: Statements, repository: number, tag: Tag): FoundTag | undefined {
  const row = statements.get(
    `SELECT t.digest, ${IS_LIVE} AS isLive FROM tags t WHERE t.repository = ? AND t.name = ?`,
    repository,
    tag,
  )
  return row && { digest: row.digest as Digest, isHidden: row.isLive !== 1 }
}

/** The rows of those of some tags that exist. */
export function findTags(
  statements: Statements,
  repository: number,
  tags: readonly Tag[],
): Map<Tag, FoundTag> {
  const found = new Map<Tag, FoundTag>()
  for (const tag of tags) {
    const row = findTag(statements, repository, tag)
    if (row !== undefined) found.set(tag, row)
  }
  return found
}

/** Points a tag to a manifest. */
export function pointTag(
  statements: Statements,
  repository: number,
  tag: Tag,
  command: Authorship & { digest: Digest },
): void {
  const move = moveTag(findTag(statements, repository, tag), command.digest)
  if (move !== undefined) writeMove(statements, repository, { tag, move }, command)
}

/** Records that a tag moves to a manifest, and points it there. */
export function writeMove(
  statements: Statements,
  repository: number,
  { tag, move: { removed, old } }: { tag: Tag; move: TagMove },
  { digest, at, actor }: Authorship & { digest: Digest },
): void {
  if (removed !== undefined) {
    const hidden = { digest: removed, at, actor: hiddenBy(statements, repository, removed) }
    removeTag(statements, repository, tag, hidden)
  }
  const revision = recordChange(statements, repository, {
    kind: 'tag-set',
    subject: tag,
    old,
    new: digest,
    at,
    actor,
  })
  statements.run(
    `INSERT INTO tags (repository, name, digest, updated, revision) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET digest = excluded.digest, updated = excluded.updated, revision = excluded.revision`,
    repository,
    tag,
    digest,
    at,
    revision,
  )
}

/** @see SetTag */
export function setTag(statements: Statements, command: Stamped<SetTag>): Outcome<SetTag> {
  const { tag, digest } = command
  const repository = findRepository(statements, command.repository)
  if (repository === undefined) return { result: 'unknown' }
  if (!hasRow(statements, 'manifests', repository, digest)) {
    return { result: hasRow(statements, 'graves', repository, digest) ? 'deleted' : 'unknown' }
  }
  const found = findTag(statements, repository, tag)
  const old = currentDigest(found)
  if (!conditionHolds(old, command.condition)) return { result: 'precondition-failed' }
  const move = moveTag(found, digest)
  if (move !== undefined) writeMove(statements, repository, { tag, move }, command)
  const row = statements.get('SELECT revision FROM repositories WHERE id = ?', repository)
  return { result: 'set', old, revision: row?.revision as number }
}

/** Whether a repository has a manifest, a deleted one, or a blob of a digest. */
export function hasRow(
  statements: Statements,
  table: 'manifests' | 'graves' | 'links',
  repository: number,
  digest: Digest,
): boolean {
  const row = statements.get(`SELECT 1 FROM ${table} WHERE repository = ? AND digest = ?`, repository, digest)
  return row !== undefined
}

/** @see DeleteTag */
export function deleteTag(statements: Statements, command: Stamped<DeleteTag>): Outcome<DeleteTag> {
  const repository = findRepository(statements, command.repository)
  if (repository === undefined) return { result: 'unknown' }
  const digest = currentDigest(findTag(statements, repository, command.tag))
  if (digest === undefined) return { result: 'unknown' }
  if (!conditionHolds(digest, command.condition)) return { result: 'precondition-failed' }
  removeTag(statements, repository, command.tag, { digest, at: command.at, actor: command.actor })
  return { result: 'deleted' }
}

function removeTag(
  statements: Statements,
  repository: number,
  tag: Tag,
  { digest, at, actor }: Authorship & { digest: Digest },
): void {
  statements.run('DELETE FROM tags WHERE repository = ? AND name = ?', repository, tag)
  recordChange(statements, repository, { kind: 'tag-removed', subject: tag, old: digest, at, actor })
}

/** What happened to the tags of a manifest that is being deleted. */
export interface RemovedTags {
  /** The first thousand of them, in byte order. */
  tags: Tag[]
  /** Whether they are still to be removed: {@link doomTags} makes them invisible. */
  areLeft: boolean
}

/** Removes the tags of a manifest if they are few. */
export function removeTagsOf(
  statements: Statements,
  repository: number,
  digest: Digest,
  { at, actor }: Authorship,
): RemovedTags {
  const rows = statements.all(
    `SELECT t.name FROM tags t WHERE t.repository = ? AND t.digest = ? AND ${IS_LIVE} ORDER BY t.name LIMIT +?`,
    repository,
    digest,
    MAX_REMEMBERED_TAGS,
  )
  const tags = rows.map((row) => row.name as Tag)
  const removed = removeTags(tags)
  if (removed === 'hide') return { tags, areLeft: true }
  for (const tag of removed) removeTag(statements, repository, tag, { digest, at, actor })
  return { tags, areLeft: false }
}

/** Who deleted the manifest of a row of `doomed_tags d`, unless that change is forgotten. */
const HIDDEN_BY =
  '(SELECT actor FROM changes c WHERE c.repository = d.repository AND c.revision = d.revision)'

/** Who deleted the manifest whose tags are hidden. Their removal is recorded later, perhaps by a command of someone else. */
function hiddenBy(statements: Statements, repository: number, digest: Digest): Actor {
  const row = statements.get(
    `SELECT ${HIDDEN_BY} AS actor FROM doomed_tags d WHERE d.repository = ? AND d.digest = ?`,
    repository,
    digest,
  )
  return actorNamed((row?.actor ?? null) as string | null)
}

/** Makes the tags that a manifest has up to a revision invisible. {@link dropHiddenTags} removes their rows. */
export function doomTags(
  statements: Statements,
  repository: number,
  { digest, revision }: { digest: Digest; revision: number },
): void {
  statements.run(
    `INSERT INTO doomed_tags (repository, digest, revision, removed_to) VALUES (?, ?, ?, '')
     ON CONFLICT DO UPDATE SET revision = excluded.revision, removed_to = ''`,
    repository,
    digest,
    revision,
  )
}

/** @see DropHiddenTags */
export function dropHiddenTags(
  statements: Statements,
  { limit, at }: Stamped<DropHiddenTags>,
): Outcome<DropHiddenTags> {
  // Tags of a deleted repository are removed with it.
  const hidden = statements.get(
    `SELECT d.repository, d.digest, d.revision, d.removed_to AS removedTo, ${HIDDEN_BY} AS actor
     FROM doomed_tags d CROSS JOIN repositories r ON r.id = d.repository LIMIT 1`,
  )
  if (hidden === undefined) return { result: 'done', count: 0, more: false }
  const [repository, digest] = [hidden.repository as number, hidden.digest as Digest]
  const actor = actorNamed(hidden.actor as string | null)
  const rows = statements.all(
    'SELECT name, revision FROM tags WHERE repository = ? AND digest = ? AND name > ? ORDER BY name LIMIT +?',
    repository,
    digest,
    hidden.removedTo as string,
    limit,
  )
  for (const { name, revision } of rows) {
    // A tag that was set after the manifest had been pushed again stays.
    if ((revision as number) > (hidden.revision as number)) continue
    removeTag(statements, repository, name as Tag, { digest, at, actor })
  }
  const last = rows.at(-1)
  if (last === undefined || rows.length < limit) {
    statements.run('DELETE FROM doomed_tags WHERE repository = ? AND digest = ?', repository, digest)
  } else {
    statements.run(
      'UPDATE doomed_tags SET removed_to = ? WHERE repository = ? AND digest = ?',
      last.name as string,
      repository,
      digest,
    )
  }
  return { result: 'done', count: rows.length, more: true }
}
