import type { Digest } from '../../oci/digest.ts'
import type { Tag } from '../../oci/reference.ts'
import type { ExpireDeleted, Outcome, UndeleteManifest } from '../command.ts'
import { releaseLink } from './blobs.ts'
import { dropUnheldContent } from './contents.ts'
import { findRepository, recordChange } from './repositories.ts'
import type { Statements } from './statements.ts'
import { hasRow, pointTag } from './tags.ts'

const COLUMNS =
  'repository, digest, media_type, artifact_type, size, subject, annotations, pushed, total_size, labels, platform'
const MAX_EDGES_OF_A_STEP = 10_000

/** Keeps a manifest and what it names for an undelete; the caller removes the manifest itself. */
export function buryManifest(
  statements: Statements,
  repository: number,
  digest: Digest,
  { tags, at }: { tags: readonly Tag[]; at: number },
): void {
  statements.run(
    `INSERT INTO graves (${COLUMNS}, deleted, tags)
     SELECT ${COLUMNS}, ?, ? FROM manifests WHERE repository = ? AND digest = ?`,
    at,
    JSON.stringify(tags),
    repository,
    digest,
  )
  // A layer whose bytes lie elsewhere need not be here; what was here must be, to be a whole image again.
  statements.run(
    `INSERT INTO grave_edges (repository, parent, child, kind, size, was_here)
     SELECT repository, parent, child, kind, size,
       EXISTS (SELECT 1 FROM links l WHERE l.repository = e.repository AND l.digest = e.child)
       OR EXISTS (SELECT 1 FROM manifests m WHERE m.repository = e.repository AND m.digest = e.child)
     FROM edges e WHERE repository = ? AND parent = ?`,
    repository,
    digest,
  )
}

/** Forgets that a manifest was deleted. @returns what it named; nothing if it was not */
export function forgetGrave(statements: Statements, repository: number, digest: Digest): Digest[] {
  const found = statements.run('DELETE FROM graves WHERE repository = ? AND digest = ?', repository, digest)
  if (found === 0) return []
  const children = statements.all(
    'DELETE FROM grave_edges WHERE repository = ? AND parent = ? RETURNING child',
    repository,
    digest,
  )
  return children.map(({ child }) => child as Digest)
}

/** @see UndeleteManifest */
export function undeleteManifest(
  statements: Statements,
  command: UndeleteManifest,
): Outcome<UndeleteManifest> {
  const { digest, at } = command
  const repository = findRepository(statements, command.repository)
  if (repository === undefined) return { result: 'unknown' }
  if (hasRow(statements, 'manifests', repository, digest)) return { result: 'exists' }
  const grave = statements.get(
    'SELECT tags FROM graves WHERE repository = ? AND digest = ?',
    repository,
    digest,
  )
  if (grave === undefined) return { result: 'unknown' }
  const { graves, missing } = gravesOf(statements, repository, digest)
  if (missing.length > 0) return { result: 'missing', digests: missing }

  // What is named comes before what names it.
  for (const found of graves.reverse()) restoreManifest(statements, repository, found, at)
  for (const tag of command.tags) pointTag(statements, repository, tag, { digest, at })
  return { result: 'restored', previousTags: JSON.parse(grave.tags as string) as Tag[] }
}

/** A deleted manifest and all deleted ones below it, and what is not here any more of all that they name. */
function gravesOf(
  statements: Statements,
  repository: number,
  digest: Digest,
): { graves: Digest[]; missing: Digest[] } {
  const graves = new Set([digest])
  const missing = new Set<Digest>()
  // A set goes on with what is added to it while it is read.
  for (const parent of graves) {
    const edges = statements.all(
      'SELECT child, kind FROM grave_edges WHERE repository = ? AND parent = ? AND was_here = 1',
      repository,
      parent,
    )
    for (const edge of edges) {
      const child = edge.child as Digest
      if (hasRow(statements, 'links', repository, child)) continue
      if (edge.kind === 'manifest' && hasRow(statements, 'manifests', repository, child)) continue
      if (edge.kind === 'manifest' && hasRow(statements, 'graves', repository, child)) graves.add(child)
      else missing.add(child)
    }
  }
  return { graves: [...graves], missing: [...missing] }
}

function restoreManifest(statements: Statements, repository: number, digest: Digest, at: number): void {
  const position = recordChange(statements, repository, {
    kind: 'manifest-restored',
    subject: digest,
    new: digest,
    at,
  })
  statements.run(
    `INSERT INTO manifests (${COLUMNS}, position)
     SELECT ${COLUMNS}, ? FROM graves WHERE repository = ? AND digest = ?`,
    position,
    repository,
    digest,
  )
  statements.run(
    `INSERT INTO edges (repository, parent, child, kind, size)
     SELECT repository, parent, child, kind, size FROM grave_edges WHERE repository = ? AND parent = ?`,
    repository,
    digest,
  )
  forgetGrave(statements, repository, digest)
}

/** @see ExpireDeleted */
export function expireDeleted(statements: Statements, command: ExpireDeleted): Outcome<ExpireDeleted> {
  const rows = statements.all(
    'SELECT repository, digest, pushed FROM graves WHERE deleted < ? ORDER BY deleted LIMIT ?',
    command.before,
    command.limit,
  )
  let count = 0
  let edges = 0
  for (const row of rows) {
    if (edges >= MAX_EDGES_OF_A_STEP) return { result: 'done', count, more: true }
    const repository = row.repository as number
    const children = forgetGrave(statements, repository, row.digest as Digest)
    const unusedSince = command.unusedSincePush ? Math.min(row.pushed as number, command.at) : command.at
    for (const child of children) releaseLink(statements, repository, child, unusedSince)
    dropUnheldContent(statements, row.digest as Digest, command.at)
    edges += children.length
    count++
  }
  return { result: 'done', count, more: rows.length === command.limit }
}
