import type { Digest } from '../../oci/digest.ts'
import type { Outcome, Stamped } from '../command.ts'
import { decidePush, type PushState } from '../manifest-push.ts'
import { judgeRemoval } from '../manifest-removal.ts'
import type {
  DeleteManifest,
  DescribeManifests,
  PurgeManifest,
  PutManifest,
  RecordPulls,
} from '../manifests.ts'
import { dropUnheldContent, storeContent } from './contents.ts'
import { missingContent, settleEdgesOf, storeEdges } from './edges.ts'
import { manifestThatNeeds, moveEdgesToTombstones } from './parents.ts'
import { createRepository, findRepository, isBeingDeleted, recordChange } from './repositories.ts'
import type { Statements } from './statements.ts'
import { doomTags, findTags, hasRow, removeTagsOf, writeMove } from './tags.ts'
import { leaveTombstone, removeTombstone } from './tombstones.ts'
import { correctParents, totalSize } from './total-size.ts'

/** @see PutManifest */
export function putManifest(statements: Statements, command: Stamped<PutManifest>): Outcome<PutManifest> {
  const found = findRepository(statements, command.repository)
  const { plan, refused } = decidePush(readPushState(statements, found, command), command)
  if (refused !== undefined) return refused
  const repository = found ?? createRepository(statements, command.repository, command)
  storeContent(statements, command.digest, command.bytes.length, { bytes: command.bytes }, command.at)
  if (plan.manifest !== 'unchanged')
    storeManifest(statements, repository, command, { isNew: plan.manifest === 'new' })
  for (const { tag, move } of plan.moves) writeMove(statements, repository, { tag, move }, command)
  return { result: 'stored' }
}

function readPushState(
  statements: Statements,
  found: number | undefined,
  { repository, edges, digest, tags }: PutManifest,
): PushState {
  const missing = missingContent(statements, found, edges)
  const nothing = { missing, mediaType: undefined, tags: new Map() }
  if (found === undefined) {
    return { ...nothing, repository: isBeingDeleted(statements, repository) ? 'being-deleted' : 'absent' }
  }
  // The push will be refused, whatever the rest is.
  if (missing.length > 0) return { ...nothing, repository: 'exists' }
  const mediaType = storedMediaType(statements, found, digest)
  return { repository: 'exists', missing, mediaType, tags: findTags(statements, found, tags) }
}

/** The media type under which a manifest is served; undefined if the repository does not have it. */
function storedMediaType(statements: Statements, repository: number, digest: Digest): string | undefined {
  const row = statements.get(
    'SELECT media_type FROM manifests WHERE repository = ? AND digest = ?',
    repository,
    digest,
  )
  return row?.media_type as string | undefined
}

/** Stores a manifest that is new, or whose media type changes, which readers see. */
function storeManifest(
  statements: Statements,
  repository: number,
  command: Stamped<PutManifest>,
  { isNew }: { isNew: boolean },
): void {
  const { digest } = command
  const position = recordChange(statements, repository, {
    kind: 'manifest-pushed',
    subject: digest,
    new: digest,
    at: command.at,
    actor: command.actor,
  })
  if (!isNew) {
    statements.run(
      'UPDATE manifests SET media_type = ? WHERE repository = ? AND digest = ?',
      command.mediaType,
      repository,
      digest,
    )
    return
  }
  insertManifest(statements, repository, position, command)
  storeEdges(statements, repository, digest, command.edges)
  correctParents(statements, repository, digest)
  if (removeTombstone(statements, repository, digest)) {
    settleEdgesOf(statements, repository, digest, { unused: command.at, at: command.at })
  }
}

function insertManifest(
  statements: Statements,
  repository: number,
  position: number,
  command: Stamped<PutManifest>,
): void {
  const { bytes, edges, annotations, labels } = command
  statements.run(
    `INSERT INTO manifests (repository, digest, media_type, artifact_type, size, subject, annotations, pushed,
       position, total_size, labels, platform)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    repository,
    command.digest,
    command.mediaType,
    command.artifactType ?? null,
    bytes.length,
    command.subject ?? null,
    annotations ? JSON.stringify(annotations) : null,
    command.at,
    position,
    totalSize(statements, repository, { size: bytes.length, edges }),
    labels ? JSON.stringify(labels) : null,
    command.platform ?? null,
  )
}

/** @see DeleteManifest */
export function deleteManifest(
  statements: Statements,
  command: Stamped<DeleteManifest>,
): Outcome<DeleteManifest> {
  const { digest, at, actor } = command
  const repository = findRepository(statements, command.repository)
  if (repository === undefined) return { result: 'unknown' }
  const isThere = hasRow(statements, 'manifests', repository, digest)
  const neededBy = isThere ? manifestThatNeeds(statements, repository, digest) : undefined
  const refused = judgeRemoval({ isThere, neededBy })
  if (refused !== undefined) return refused

  const { tags, areLeft: areTagsLeft } = removeTagsOf(statements, repository, digest, command)
  if (command.keep) leaveTombstone(statements, repository, digest, { tags, at })
  removeRows(statements, repository, digest)
  const change = { kind: 'manifest-deleted', subject: digest, old: digest, at, actor } as const
  const revision = recordChange(statements, repository, change)
  if (areTagsLeft) doomTags(statements, repository, { digest, revision })
  const areEdgesLeft = settleEdgesOf(statements, repository, digest, { unused: at, at }) === undefined
  dropUnheldContent(statements, digest, at)
  return { result: 'deleted', ...((areTagsLeft || areEdgesLeft) && { areRowsLeft: true }) }
}

/** Removes a manifest and its data, except for its edges. */
function removeRows(statements: Statements, repository: number, digest: Digest): void {
  moveEdgesToTombstones(statements, repository, digest)
  statements.run('DELETE FROM manifests WHERE repository = ? AND digest = ?', repository, digest)
  statements.run('DELETE FROM pulls WHERE repository = ? AND digest = ?', repository, digest)
}

/** @see PurgeManifest */
export function purgeManifest(
  statements: Statements,
  command: Stamped<PurgeManifest>,
): Outcome<PurgeManifest> {
  const { digest, at, actor } = command
  const repository = findRepository(statements, command.repository)
  if (repository === undefined) return { result: 'unknown' }
  const isLive = hasRow(statements, 'manifests', repository, digest)
  const neededBy = isLive ? manifestThatNeeds(statements, repository, digest) : undefined
  const refused = judgeRemoval({
    isThere: isLive || hasRow(statements, 'graves', repository, digest),
    neededBy,
  })
  if (refused !== undefined) return refused

  const { areLeft: areTagsLeft } = removeTagsOf(statements, repository, digest, command)
  if (isLive) removeRows(statements, repository, digest)
  else removeTombstone(statements, repository, digest)
  const change = { kind: 'manifest-purged', subject: digest, old: digest, at, actor } as const
  const revision = recordChange(statements, repository, change)
  if (areTagsLeft) doomTags(statements, repository, { digest, revision })
  const areEdgesLeft = settleEdgesOf(statements, repository, digest, { unused: 'now', at }) === undefined
  dropUnheldContent(statements, digest, at)
  return { result: 'purged', ...((areTagsLeft || areEdgesLeft) && { areRowsLeft: true }) }
}

/** @see RecordPulls */
export function recordPulls(statements: Statements, command: Stamped<RecordPulls>): Outcome<RecordPulls> {
  for (const { repository, digest, ago } of command.pulls) {
    statements.run(
      `INSERT INTO pulls (repository, digest, pulled)
       SELECT m.repository, m.digest, ? FROM repositories r JOIN manifests m ON m.repository = r.id
       WHERE r.name = ? AND m.digest = ?
       ON CONFLICT DO UPDATE SET pulled = max(pulled, excluded.pulled)`,
      command.at - ago,
      repository,
      digest,
    )
    statements.run(
      `UPDATE manifests SET never_pulled = 0 WHERE never_pulled = 1 AND digest = ?2
       AND repository = (SELECT id FROM repositories WHERE name = ?1)`,
      repository,
      digest,
    )
  }
  return { result: 'done' }
}

/** @see DescribeManifests */
export function describeManifests(
  statements: Statements,
  command: DescribeManifests,
): Outcome<DescribeManifests> {
  for (const { repository, digest, labels, platform } of command.manifests) {
    statements.run(
      'UPDATE manifests SET labels = ?, platform = ? WHERE repository = ? AND digest = ?',
      labels ? JSON.stringify(labels) : null,
      platform ?? null,
      repository,
      digest,
    )
    statements.run('DELETE FROM undescribed WHERE repository = ? AND digest = ?', repository, digest)
  }
  return { result: 'done' }
}
