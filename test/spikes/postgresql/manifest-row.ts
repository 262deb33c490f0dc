import type { Stamped } from '../../../src/metadata/command.ts'
import type { PutManifest } from '../../../src/metadata/manifests.ts'
import { recordChanges } from './repositories.ts'
import type { Session } from './session.ts'

/** Stores the bytes of a manifest and its row, without its edges. @returns whether it is new in the repository */
export async function insertManifest(
  session: Session,
  repository: number,
  command: Stamped<PutManifest>,
): Promise<boolean> {
  const { digest, at } = command
  await session.all(
    'INSERT INTO contents (digest, size, bytes) VALUES ($1, $2, $3) ON CONFLICT (digest) DO UPDATE SET bytes = excluded.bytes',
    digest,
    command.bytes.length,
    command.bytes,
  )
  const old = await session.get(
    'SELECT 1 FROM manifests WHERE repository = $1 AND digest = $2',
    repository,
    digest,
  )
  if (old !== undefined) return false
  const position = await recordChanges(
    session,
    repository,
    [{ kind: 'manifest-pushed', subject: digest, new: digest }],
    at,
  )
  await session.all(
    `INSERT INTO manifests (repository, digest, media_type, artifact_type, size, subject, annotations, pushed, position)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    repository,
    digest,
    command.mediaType,
    command.artifactType ?? null,
    command.bytes.length,
    command.subject ?? null,
    command.annotations ? JSON.stringify(command.annotations) : null,
    at,
    position,
  )
  return true
}
