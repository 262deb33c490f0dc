import type { Stamped } from '../../../src/metadata/command.ts'
import { decidePush, type PushPlan, type PushState } from '../../../src/metadata/manifest-push.ts'
import type { PutManifest, PutManifestOutcome } from '../../../src/metadata/manifests.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { Tag } from '../../../src/oci/reference.ts'
import { MISSING } from './push-by-set.ts'
import type { NewChange } from './repositories.ts'
import type { Session } from './session.ts'

/** The third design: one statement reads, a pure function decides, and one statement writes. */
export async function pushByPlan(
  session: Session,
  command: Stamped<PutManifest>,
): Promise<PutManifestOutcome> {
  const state = await readState(session, command)
  const { plan, refused } = decidePush(state, command)
  if (refused !== undefined) return refused
  await write(session, { changes: changesOf(state, plan, command), isNew: plan.manifest === 'new', command })
  return { result: 'stored' }
}

/** What is to be written, in the order of the change log. */
function changesOf(state: PushState, plan: PushPlan, { digest }: PutManifest): NewChange[] {
  const changes: NewChange[] = []
  if (state.repository === 'absent') changes.push({ kind: 'repository-created', subject: '' })
  if (plan.manifest === 'new') changes.push({ kind: 'manifest-pushed', subject: digest, new: digest })
  for (const { tag, move } of plan.moves)
    changes.push({ kind: 'tag-set', subject: tag, old: move.old, new: digest })
  return changes
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
  const tags = Object.entries((row?.tags ?? {}) as Record<string, Digest>)
  return {
    repository: row?.id === null ? 'absent' : 'exists',
    // The spike has no other media types for the same manifest.
    mediaType: row?.has === true ? command.mediaType : undefined,
    missing: (row?.missing ?? []) as Digest[],
    tags: new Map(tags.map(([tag, digest]) => [tag as Tag, { digest, isHidden: false }])),
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
  { changes, isNew, command }: { changes: NewChange[]; isNew: boolean; command: Stamped<PutManifest> },
): Promise<void> {
  const { bytes, ...rest } = command
  const edges = isNew ? command.edges : []
  await session.all(WRITE, JSON.stringify({ ...rest, edges }), bytes, JSON.stringify(changes))
}
