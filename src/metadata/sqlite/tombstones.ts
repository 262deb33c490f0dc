import type { Digest } from '../../oci/digest.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Outcome, Stamped } from '../command.ts'
import { judgeUndelete } from '../manifest-removal.ts'
import type { ExpireDeleted, UndeleteManifest } from '../manifests.ts'
import { dropUnheldContent } from './contents.ts'
import { finishBurial, settleEdgesOf } from './edges.ts'
import { type Authorship, findRepository, namesIn, recordChange } from './repositories.ts'
import type { Statements } from './statements.ts'
import { hasRow, pointTag } from './tags.ts'

const COLUMNS =
  'repository, digest, media_type, artifact_type, size, subject, annotations, pushed, total_size, labels, platform'
const MAX_EDGES_OF_A_STEP = 10_000
/** The most manifests below another that are restored together with it, and the most edges that all of them may have. */
const MAX_RESTORED_BELOW = 100
const MAX_EDGES_BELOW = 1_000

/** Keeps a manifest for an undelete; the caller removes the manifest itself, and then settles its edges. */
export function leaveTombstone(
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
}

/** Forgets that a manifest was deleted; the caller settles its edges. @returns whether it was */
export function removeTombstone(statements: Statements, repository: number, digest: Digest): boolean {
  return statements.run('DELETE FROM graves WHERE repository = ? AND digest = ?', repository, digest) > 0
}

/** @see UndeleteManifest */
export function undeleteManifest(
  statements: Statements,
  command: Stamped<UndeleteManifest>,
): Outcome<UndeleteManifest> {
  const { digest, at } = command
  const repository = findRepository(statements, command.repository)
  if (repository === undefined) return { result: 'unknown' }
  if (hasRow(statements, 'manifests', repository, digest)) return { result: 'exists' }
  const tombstone = statements.get(
    'SELECT tags FROM graves WHERE repository = ? AND digest = ?',
    repository,
    digest,
  )
  if (tombstone === undefined) return { result: 'unknown' }
  const { tombstones, missing, first } = tombstonesOf(statements, repository, digest, at)
  const refused = judgeUndelete({ missing, first })
  if (refused !== undefined) return refused

  // Children come before the manifests that name them.
  for (const found of tombstones.reverse()) restoreManifest(statements, repository, found, command)
  for (const tag of command.tags) pointTag(statements, repository, tag, command)
  return { result: 'restored', previousTags: JSON.parse(tombstone.tags as string) as Tag[] }
}

interface TombstonesOf {
  /** A deleted manifest and all deleted ones below it. */
  tombstones: Digest[]
  /** The content that they name and that the repository no longer has. */
  missing: Digest[]
  /** If those below are too many to restore together with it: some of its direct children. */
  first?: Digest[]
}

function tombstonesOf(statements: Statements, repository: number, top: Digest, at: number): TombstonesOf {
  const tombstones = new Set([top])
  const missing = new Set<Digest>()
  let first: Digest[] = []
  let edgesLeft = MAX_EDGES_BELOW
  // Iterating over a set includes elements that are added in the meantime.
  for (const parent of tombstones) {
    if (parent !== top) edgesLeft -= countEdges(statements, repository, parent, edgesLeft + 1)
    if (edgesLeft < 0) return { tombstones: [], missing: [...missing], first }
    finishBurial(statements, repository, parent, at)
    for (const { child, isTombstone } of listAbsent(statements, repository, parent)) {
      if (isTombstone) tombstones.add(child)
      else missing.add(child)
    }
    if (parent === top) first = [...tombstones].slice(1, 1 + MAX_RESTORED_BELOW)
    if (tombstones.size > 1 + MAX_RESTORED_BELOW) return { tombstones: [], missing: [...missing], first }
  }
  return { tombstones: [...tombstones], missing: [...missing] }
}

/** How many edges a deleted manifest has, counted up to a number. */
function countEdges(statements: Statements, repository: number, parent: Digest, most: number): number {
  const rows = statements.all(
    `SELECT 1 FROM grave_edges WHERE repository = ?1 AND parent = ?2
     UNION ALL SELECT 1 FROM edges WHERE repository = ?1 AND parent = ?2 LIMIT +?3`,
    repository,
    parent,
    most,
  )
  return rows.length
}

/** The content that a deleted manifest named, that was in the repository then and is not there now. */
function listAbsent(
  statements: Statements,
  repository: number,
  parent: Digest,
): { child: Digest; isTombstone: boolean }[] {
  const rows = statements.all(
    `SELECT child, kind = 'manifest'
       AND EXISTS (SELECT 1 FROM graves g WHERE g.repository = e.repository AND g.digest = e.child) AS isTombstone
     FROM grave_edges e WHERE repository = ? AND parent = ? AND was_here = 1
       AND NOT EXISTS (SELECT 1 FROM links l WHERE l.repository = e.repository AND l.digest = e.child)
       AND (kind <> 'manifest'
         OR NOT EXISTS (SELECT 1 FROM manifests m WHERE m.repository = e.repository AND m.digest = e.child))`,
    repository,
    parent,
  )
  return rows.map(({ child, isTombstone }) => ({ child: child as Digest, isTombstone: isTombstone === 1 }))
}

function restoreManifest(
  statements: Statements,
  repository: number,
  digest: Digest,
  { at, actor }: Authorship,
): void {
  const position = recordChange(statements, repository, {
    kind: 'manifest-restored',
    subject: digest,
    new: digest,
    at,
    actor,
  })
  statements.run(
    `INSERT INTO manifests (${COLUMNS}, position)
     SELECT ${COLUMNS}, ? FROM graves WHERE repository = ? AND digest = ?`,
    position,
    repository,
    digest,
  )
  statements.run(
    `INSERT OR IGNORE INTO edges (repository, parent, child, kind, size)
     SELECT repository, parent, child, kind, size FROM grave_edges WHERE repository = ? AND parent = ?`,
    repository,
    digest,
  )
  removeTombstone(statements, repository, digest)
  settleEdgesOf(statements, repository, digest, { unused: at, at })
}

/** @see ExpireDeleted */
export function expireDeleted(
  statements: Statements,
  command: Stamped<ExpireDeleted>,
): Outcome<ExpireDeleted> {
  const rows = statements.all(
    `SELECT g.repository, g.digest, g.pushed, r.name FROM graves g LEFT JOIN repositories r ON r.id = g.repository
     WHERE g.deleted <= ? ORDER BY g.deleted LIMIT +?`,
    command.at - command.deletedFor,
    command.limit,
  )
  let count = 0
  let edges = 0
  for (const row of rows) {
    if (edges >= MAX_EDGES_OF_A_STEP) break
    const [repository, digest] = [row.repository as number, row.digest as Digest]
    removeTombstone(statements, repository, digest)
    const unused = command.unusedSincePush ? Math.min(row.pushed as number, command.at) : command.at
    edges += settleEdgesOf(statements, repository, digest, { unused, at: command.at }) ?? 0
    dropUnheldContent(statements, digest, command.at)
    count++
  }
  const more = rows.length === command.limit || count < rows.length
  return { result: 'done', count, more, repositories: namesIn(rows.slice(0, count)) }
}
