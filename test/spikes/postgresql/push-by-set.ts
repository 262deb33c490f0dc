import type { Stamped } from '../../../src/metadata/command.ts'
import type { PutManifest, PutManifestOutcome } from '../../../src/metadata/manifests.ts'
import { conditionHolds } from '../../../src/metadata/tag-condition.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { insertManifest } from './manifest-row.ts'
import { ensureRepository, findRepository, recordChanges } from './repositories.ts'
import type { Session } from './session.ts'

/** The second design: each rule is a statement over a set, between decisions. */
export async function pushBySet(
  session: Session,
  command: Stamped<PutManifest>,
): Promise<PutManifestOutcome> {
  const found = await findRepository(session, command.repository)
  const missing = await session.all(MISSING, found ?? null, JSON.stringify(command.edges))
  if (missing.length > 0) return { result: 'missing', digests: missing.map((row) => row.digest as Digest) }
  const current = await session.all(
    'SELECT name, digest FROM tags WHERE repository = $1 AND name = ANY($2)',
    found ?? null,
    command.tags,
  )
  const digestOf = new Map(current.map(({ name, digest }) => [name, digest as Digest]))
  if (!command.tags.every((tag) => conditionHolds(digestOf.get(tag), command.condition)))
    return { result: 'precondition-failed' }

  const repository = found ?? (await ensureRepository(session, command.repository, command.at))
  await storeManifest(session, repository, command)
  const moved = [...new Set(command.tags)].filter((tag) => digestOf.get(tag) !== command.digest)
  if (moved.length > 0) await pointTags(session, repository, command, { moved, digestOf })
  return { result: 'stored' }
}

/** In the order of the manifest, each once. */
export const MISSING = `SELECT value ->> 'digest' AS digest FROM json_array_elements($2::json) WITH ORDINALITY AS e (value, number)
  WHERE (value ->> 'required')::boolean
  AND NOT EXISTS (SELECT 1 FROM links WHERE repository = $1 AND digest = value ->> 'digest')
  AND (value ->> 'kind' <> 'manifest'
    OR NOT EXISTS (SELECT 1 FROM manifests WHERE repository = $1 AND digest = value ->> 'digest'))
  GROUP BY 1 ORDER BY min(number)`

async function storeManifest(
  session: Session,
  repository: number,
  command: Stamped<PutManifest>,
): Promise<void> {
  if (!(await insertManifest(session, repository, command))) return
  const { digest } = command
  await session.all(
    `INSERT INTO edges (repository, parent, child, kind, size)
     SELECT $1, $2, value ->> 'digest', value ->> 'kind', (value ->> 'size')::bigint
     FROM json_array_elements($3::json) AS e (value) ON CONFLICT DO NOTHING`,
    repository,
    digest,
    JSON.stringify(command.edges),
  )
  await session.all(
    'UPDATE links SET unused = NULL WHERE repository = $1 AND unused IS NOT NULL AND digest = ANY($2)',
    repository,
    command.edges.map((edge) => edge.digest),
  )
}

async function pointTags(
  session: Session,
  repository: number,
  { digest, at }: Stamped<PutManifest>,
  { moved, digestOf }: { moved: readonly string[]; digestOf: ReadonlyMap<unknown, Digest> },
): Promise<void> {
  const first = await recordChanges(
    session,
    repository,
    moved.map((tag) => ({ kind: 'tag-set', subject: tag, old: digestOf.get(tag), new: digest })),
    at,
  )
  await session.all(
    `INSERT INTO tags (repository, name, digest, revision)
     SELECT $1, name, $2, $3 + number - 1 FROM unnest($4::text[]) WITH ORDINALITY AS t (name, number)
     ON CONFLICT (repository, name) DO UPDATE SET digest = excluded.digest, revision = excluded.revision`,
    repository,
    digest,
    first,
    moved,
  )
}
