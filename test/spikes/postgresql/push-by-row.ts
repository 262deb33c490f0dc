import type { Stamped } from '../../../src/metadata/command.ts'
import type { PutManifest, PutManifestOutcome } from '../../../src/metadata/manifests.ts'
import { conditionHolds } from '../../../src/metadata/tag-condition.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { insertManifest } from './manifest-row.ts'
import { ensureRepository, findRepository, recordChanges } from './repositories.ts'
import type { Session } from './session.ts'

/** The first design: what the SQLite driver did at first, a statement for each row. */
export async function pushByRow(
  session: Session,
  command: Stamped<PutManifest>,
): Promise<PutManifestOutcome> {
  const found = await findRepository(session, command.repository)
  const missing = new Set<Digest>()
  for (const { digest, kind, required } of command.edges) {
    if (!required) continue
    const row = await session.get(
      `SELECT 1 FROM links WHERE repository = $1 AND digest = $2 UNION ALL
       SELECT 1 FROM manifests WHERE $3 = 'manifest' AND repository = $1 AND digest = $2 LIMIT 1`,
      found ?? null,
      digest,
      kind,
    )
    if (row === undefined) missing.add(digest)
  }
  if (missing.size > 0) return { result: 'missing', digests: [...missing] }
  for (const tag of command.tags) {
    if (!conditionHolds(await tagDigest(session, found, tag), command.condition))
      return { result: 'precondition-failed' }
  }
  const repository = found ?? (await ensureRepository(session, command.repository, command.at))
  await storeManifest(session, repository, command)
  for (const tag of command.tags) await pointTag(session, repository, tag, command)
  return { result: 'stored' }
}

async function tagDigest(session: Session, repository: number | undefined, tag: string) {
  const row = await session.get(
    'SELECT digest FROM tags WHERE repository = $1 AND name = $2',
    repository ?? null,
    tag,
  )
  return row?.digest as Digest | undefined
}

async function storeManifest(
  session: Session,
  repository: number,
  command: Stamped<PutManifest>,
): Promise<void> {
  if (!(await insertManifest(session, repository, command))) return
  const { digest } = command
  for (const edge of command.edges) {
    await session.all(
      `INSERT INTO edges (repository, parent, child, kind, size) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
      repository,
      digest,
      edge.digest,
      edge.kind,
      edge.size,
    )
    await session.all(
      'UPDATE links SET unused = NULL WHERE repository = $1 AND digest = $2 AND unused IS NOT NULL',
      repository,
      edge.digest,
    )
  }
}

async function pointTag(
  session: Session,
  repository: number,
  tag: string,
  { digest, at }: Stamped<PutManifest>,
) {
  const old = await tagDigest(session, repository, tag)
  if (old === digest) return
  const revision = await recordChanges(
    session,
    repository,
    [{ kind: 'tag-set', subject: tag, old, new: digest }],
    at,
  )
  await session.all(
    `INSERT INTO tags (repository, name, digest, revision) VALUES ($1, $2, $3, $4)
     ON CONFLICT (repository, name) DO UPDATE SET digest = excluded.digest, revision = excluded.revision`,
    repository,
    tag,
    digest,
    revision,
  )
}
