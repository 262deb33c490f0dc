import type { Digest } from '../../oci/digest.ts'
import type { Tag } from '../../oci/reference.ts'
import type { DeleteTag, Outcome, SetTag, TagCondition } from '../command.ts'
import { findRepository, recordChange } from './repositories.ts'
import type { Statements } from './statements.ts'

/** The digest that a tag points to. */
export function tagDigest(
  statements: Statements,
  repository: number | undefined,
  tag: Tag,
): Digest | undefined {
  if (repository === undefined) return undefined
  const row = statements.get('SELECT digest FROM tags WHERE repository = ? AND name = ?', repository, tag)
  return row?.digest as Digest | undefined
}

/** Whether a tag that points to this digest is what a command asks for. */
export function conditionHolds(current: Digest | undefined, { ifMatch, ifNoneMatch }: TagCondition): boolean {
  const matches = (list: '*' | readonly string[]) =>
    current !== undefined && (list === '*' || list.includes(current))
  if (ifMatch !== undefined && !matches(ifMatch)) return false
  return ifNoneMatch === undefined || !matches(ifNoneMatch)
}

/** Points a tag to a manifest. */
export function pointTag(
  statements: Statements,
  repository: number,
  tag: Tag,
  { digest, at }: { digest: Digest; at: number },
): void {
  const old = tagDigest(statements, repository, tag)
  if (old === digest) return
  statements.run(
    `INSERT INTO tags (repository, name, digest, updated) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET digest = excluded.digest, updated = excluded.updated`,
    repository,
    tag,
    digest,
    at,
  )
  recordChange(statements, repository, { kind: 'tag-set', subject: tag, old, new: digest, at })
}

/** @see SetTag */
export function setTag(statements: Statements, command: SetTag): Outcome<SetTag> {
  const { tag, digest, at } = command
  const repository = findRepository(statements, command.repository)
  if (repository === undefined) return { result: 'unknown' }
  if (!hasRow(statements, 'manifests', repository, digest)) {
    return { result: hasRow(statements, 'graves', repository, digest) ? 'deleted' : 'unknown' }
  }
  const old = tagDigest(statements, repository, tag)
  if (!conditionHolds(old, command.condition)) return { result: 'precondition-failed' }
  pointTag(statements, repository, tag, { digest, at })
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
export function deleteTag(statements: Statements, command: DeleteTag): Outcome<DeleteTag> {
  const repository = findRepository(statements, command.repository)
  const digest = tagDigest(statements, repository, command.tag)
  if (repository === undefined || digest === undefined) return { result: 'unknown' }
  if (!conditionHolds(digest, command.condition)) return { result: 'precondition-failed' }
  removeTag(statements, repository, command.tag, { digest, at: command.at })
  return { result: 'deleted' }
}

function removeTag(
  statements: Statements,
  repository: number,
  tag: Tag,
  { digest, at }: { digest: Digest; at: number },
): void {
  statements.run('DELETE FROM tags WHERE repository = ? AND name = ?', repository, tag)
  recordChange(statements, repository, { kind: 'tag-removed', subject: tag, old: digest, at })
}

/** Removes all tags of a manifest. @returns which they were */
export function removeTagsOf(statements: Statements, repository: number, digest: Digest, at: number): Tag[] {
  const rows = statements.all(
    'SELECT name FROM tags WHERE repository = ? AND digest = ? ORDER BY name',
    repository,
    digest,
  )
  const tags = rows.map((row) => row.name as Tag)
  for (const tag of tags) removeTag(statements, repository, tag, { digest, at })
  return tags
}
