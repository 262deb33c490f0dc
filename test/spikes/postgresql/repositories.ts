import type { ChangeKind } from '../../../src/metadata/changes.ts'
import type { RepositoryName } from '../../../src/oci/reference.ts'
import type { Session } from './session.ts'

/** A change as the log has it, but for its revision and time. */
export interface NewChange {
  kind: ChangeKind
  subject: string
  old?: string | undefined
  new?: string | undefined
}

/** Commands of a repository, which may not exist yet, are done one after the other. Must be the first statement that looks at it. */
export async function lockRepository(session: Session, name: RepositoryName): Promise<void> {
  await session.all('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', name)
}

export async function findRepository(session: Session, name: RepositoryName): Promise<number | undefined> {
  const row = await session.get('SELECT id FROM repositories WHERE name = $1', name)
  return row && Number(row.id)
}

/** The id of a repository, which is made if there is none. */
export async function ensureRepository(session: Session, name: RepositoryName, at: number): Promise<number> {
  const found = await findRepository(session, name)
  if (found !== undefined) return found
  const row = await session.get(
    'INSERT INTO repositories (name, revision, updated) VALUES ($1, 0, $2) RETURNING id',
    name,
    at,
  )
  await recordChanges(session, Number(row?.id), [{ kind: 'repository-created', subject: '' }], at)
  return Number(row?.id)
}

/** Appends changes to the log by one statement. @returns the revision of the first */
export async function recordChanges(
  session: Session,
  repository: number,
  changes: readonly NewChange[],
  at: number,
): Promise<number> {
  const row = await session.get(
    `WITH raised AS (
       UPDATE repositories SET revision = revision + json_array_length($2::json), updated = greatest(updated, $3)
       WHERE id = $1 RETURNING revision - json_array_length($2::json) AS before, updated),
     written AS (
       INSERT INTO changes (repository, revision, at, kind, subject, old, new)
       SELECT $1, before + number, updated, value ->> 'kind', value ->> 'subject', value ->> 'old', value ->> 'new'
       FROM raised, json_array_elements($2::json) WITH ORDINALITY AS listed (value, number) ORDER BY number)
     SELECT before FROM raised`,
    repository,
    JSON.stringify(changes),
    at,
  )
  return Number(row?.before) + 1
}
