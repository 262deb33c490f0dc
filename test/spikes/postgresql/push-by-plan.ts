import type { Stamped } from '../../../src/metadata/command.ts'
import type { PutManifest, PutManifestOutcome } from '../../../src/metadata/manifests.ts'
import { conditionHolds } from '../../../src/metadata/tag-condition.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { MISSING } from './push-by-set.ts'
import type { NewChange } from './repositories.ts'
import type { Session } from './session.ts'

/** All rows that decide about a push, as they are under the lock. */
interface PushState {
  repository: number | undefined
  hasManifest: boolean
  missing: Digest[]
  tags: Readonly<Record<string, Digest>>
}

/** What is to be written, in the order of the change log. */
interface PushPlan {
  changes: NewChange[]
  tags: string[]
}

/** The third design: one statement reads, a pure function decides, and one statement writes. */
export async function pushByPlan(
  session: Session,
  command: Stamped<PutManifest>,
): Promise<PutManifestOutcome> {
  const state = await readState(session, command)
  const decided = decidePush(state, command)
  if ('result' in decided) return decided
  await write(session, { state, plan: decided, command })
  return { result: 'stored' }
}

/** The rules of a push. @returns why it is refused, or what is to be written */
function decidePush(state: PushState, command: Stamped<PutManifest>): PutManifestOutcome | PushPlan {
  if (state.missing.length > 0) return { result: 'missing', digests: state.missing }
  if (!command.tags.every((tag) => conditionHolds(state.tags[tag], command.condition)))
    return { result: 'precondition-failed' }
  const { digest } = command
  const tags = [...new Set(command.tags)].filter((tag) => state.tags[tag] !== digest)
  const changes: NewChange[] = []
  if (state.repository === undefined) changes.push({ kind: 'repository-created', subject: '' })
  if (!state.hasManifest) changes.push({ kind: 'manifest-pushed', subject: digest, new: digest })
  for (const tag of tags) changes.push({ kind: 'tag-set', subject: tag, old: state.tags[tag], new: digest })
  return { changes, tags }
}

async function readState(session: Session, command: Stamped<PutManifest>): Promise<PushState> {
  const row = await session.get(
    `WITH r AS (SELECT id FROM repositories WHERE name = $1)
     SELECT (SELECT id FROM r) AS id,
       EXISTS (SELECT 1 FROM manifests WHERE repository = (SELECT id FROM r) AND digest = $3) AS has,
       (SELECT json_agg(digest) FROM (${MISSING.replaceAll('$1', '(SELECT id FROM r)')}) m) AS missing,
       (SELECT json_object_agg(name, digest) FROM tags WHERE repository = (SELECT id FROM r) AND name = ANY($4)) AS tags`,
    command.repository,
    JSON.stringify(command.edges),
    command.digest,
    command.tags,
  )
  return {
    repository: row?.id === null ? undefined : Number(row?.id),
    hasManifest: row?.has === true,
    missing: (row?.missing ?? []) as Digest[],
    tags: (row?.tags ?? {}) as Record<string, Digest>,
  }
}

const WRITE = `WITH input AS (SELECT $1::json AS command, $3::json AS changes),
  raised AS (
    INSERT INTO repositories (name, revision, updated)
    SELECT command ->> 'repository', json_array_length(changes), (command ->> 'at')::bigint FROM input
    ON CONFLICT (name) DO UPDATE SET revision = repositories.revision + excluded.revision,
      updated = greatest(repositories.updated, excluded.updated)
    RETURNING id, updated, revision),
  listed AS (
    SELECT value ->> 'kind' AS kind, value ->> 'subject' AS subject, value ->> 'old' AS old, value ->> 'new' AS new,
      revision - json_array_length(changes) + number AS revision
    FROM input, raised, json_array_elements(changes) WITH ORDINALITY AS c (value, number)),
  logged AS (
    INSERT INTO changes (repository, revision, at, kind, subject, old, new)
    SELECT id, listed.revision, updated, kind, subject, old, new FROM listed, raised ORDER BY listed.revision),
  content AS (
    INSERT INTO contents (digest, size, bytes) SELECT command ->> 'digest', length($2::bytea), $2 FROM input
    ON CONFLICT (digest) DO UPDATE SET bytes = excluded.bytes),
  manifest AS (
    INSERT INTO manifests (repository, digest, media_type, artifact_type, size, subject, annotations, pushed, position)
    SELECT id, command ->> 'digest', command ->> 'mediaType', command ->> 'artifactType', length($2),
      command ->> 'subject', command -> 'annotations', (command ->> 'at')::bigint, listed.revision
    FROM input, raised, listed WHERE kind = 'manifest-pushed'),
  named AS (
    INSERT INTO edges (repository, parent, child, kind, size)
    SELECT id, command ->> 'digest', value ->> 'digest', value ->> 'kind', (value ->> 'size')::bigint
    FROM input, raised, json_array_elements(command -> 'edges') AS e (value) ON CONFLICT DO NOTHING),
  used AS (
    UPDATE links SET unused = NULL FROM raised WHERE links.repository = raised.id AND unused IS NOT NULL
    AND links.digest IN (SELECT value ->> 'digest' FROM input, json_array_elements(command -> 'edges') AS e (value)))
  INSERT INTO tags (repository, name, digest, revision)
  SELECT id, subject, new, listed.revision FROM listed, raised WHERE kind = 'tag-set'
  ON CONFLICT (repository, name) DO UPDATE SET digest = excluded.digest, revision = excluded.revision`

async function write(
  session: Session,
  { state, plan, command }: { state: PushState; plan: PushPlan; command: Stamped<PutManifest> },
): Promise<void> {
  const { bytes, ...rest } = command
  const edges = state.hasManifest ? [] : command.edges
  await session.all(WRITE, JSON.stringify({ ...rest, edges }), bytes, JSON.stringify(plan.changes))
}
