import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { type Actor, nameOfActor } from '../actor.ts'
import type { ChangeKind } from '../changes.ts'
import type { Row, Statements } from './statements.ts'

/** When a change is made, and by whom. */
export interface Authorship {
  at: number
  actor: Actor
}

/** The id of a repository, or undefined if none has this name. */
export function findRepository(statements: Statements, name: RepositoryName): number | undefined {
  return statements.get('SELECT id FROM repositories WHERE name = ?', name)?.id as number | undefined
}

/**
 * The id of a repository, which is created if none has this name; undefined while one of this name is being deleted.
 */
export function ensureRepository(
  statements: Statements,
  name: RepositoryName,
  by: Authorship,
): number | undefined {
  const found = findRepository(statements, name)
  if (found !== undefined) return found
  return isBeingDeleted(statements, name) ? undefined : createRepository(statements, name, by)
}

/** Creates a repository. No repository may have this name, not even one that is being deleted. @returns its id */
export function createRepository(
  statements: Statements,
  name: RepositoryName,
  { at, actor }: Authorship,
): number {
  const row = statements.get(
    'INSERT INTO repositories (name, revision, created, updated) VALUES (?, 0, ?, ?) RETURNING id',
    name,
    at,
    at,
  )
  const id = row?.id as number
  recordChange(statements, id, { kind: 'repository-created', subject: '', at, actor })
  return id
}

/** The names of the repositories in rows that have them as `name`; a deleted repository whose rows are not removed yet has no name. */
export function namesIn(rows: readonly Row[]): RepositoryName[] {
  const names = new Set(rows.map(({ name }) => name))
  names.delete(null)
  return [...names] as RepositoryName[]
}

/** Whether a deleted repository of this name still has rows. While it has, no other repository has this name. */
export function isBeingDeleted(statements: Statements, name: RepositoryName): boolean {
  const row = statements.get(
    'SELECT finished FROM deleted_repositories WHERE name = ? ORDER BY id DESC LIMIT 1',
    name,
  )
  return row !== undefined && row.finished === null
}

/**
 * Appends to the change log and raises the repository's revision; its time never goes back.
 *
 * @returns the new revision
 */
export function recordChange(
  statements: Statements,
  repository: number,
  change: Authorship & { kind: ChangeKind; subject: string; old?: Digest | undefined; new?: Digest },
): number {
  const row = statements.get(
    'UPDATE repositories SET revision = revision + 1, updated = max(updated, ?) WHERE id = ? RETURNING revision, updated',
    change.at,
    repository,
  )
  const revision = row?.revision as number
  statements.run(
    'INSERT INTO changes (repository, revision, at, kind, subject, old, new, actor) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    repository,
    revision,
    row?.updated as number,
    change.kind,
    change.subject,
    change.old ?? null,
    change.new ?? null,
    nameOfActor(change.actor),
  )
  return revision
}
