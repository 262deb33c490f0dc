import type { Digest } from '../../oci/digest.ts'
import type { Edge } from '../../oci/manifest.ts'
import type { Tag } from '../../oci/reference.ts'
import type { DeleteManifest, DeleteTag, Outcome, PutManifest, TagCondition } from '../command.ts'
import { manifestThatNeeds } from './blobs.ts'
import { dropUnheldContent, storeContent } from './contents.ts'
import { ensureRepository, findRepository, recordChange } from './repositories.ts'
import type { Statements } from './statements.ts'

/** @see PutManifest */
export function putManifest(statements: Statements, command: PutManifest): Outcome<PutManifest> {
  const found = findRepository(statements, command.repository)
  const missing = missingContent(statements, found, command.edges)
  if (missing.length > 0) return { result: 'missing', digests: missing }
  const holds = command.tags.every((tag) =>
    conditionHolds(tagDigest(statements, found, tag), command.condition),
  )
  if (!holds) return { result: 'precondition-failed' }

  const repository = found ?? ensureRepository(statements, command.repository, command.at)
  storeManifest(statements, repository, command)
  for (const tag of command.tags) setTag(statements, repository, tag, command.digest, command.at)
  return { result: 'stored' }
}

function missingContent(
  statements: Statements,
  repository: number | undefined,
  edges: readonly Edge[],
): Digest[] {
  const required = edges.filter((edge) => edge.required)
  const missing = required.filter(
    (edge) => repository === undefined || !isPresent(statements, repository, edge),
  )
  return [...new Set(missing.map((edge) => edge.digest))]
}

function isPresent(statements: Statements, repository: number, edge: Edge): boolean {
  const blob = statements.get(
    'SELECT 1 FROM links WHERE repository = ? AND digest = ?',
    repository,
    edge.digest,
  )
  if (blob !== undefined) return true
  // Build caches put blobs in an index, so there it may be either; elsewhere a manifest is no blob.
  return edge.kind === 'manifest' && hasManifest(statements, repository, edge.digest)
}

function hasManifest(statements: Statements, repository: number, digest: Digest): boolean {
  const row = statements.get(
    'SELECT 1 FROM manifests WHERE repository = ? AND digest = ?',
    repository,
    digest,
  )
  return row !== undefined
}

function storeManifest(statements: Statements, repository: number, command: PutManifest): void {
  storeContent(statements, command.digest, command.bytes.length, { bytes: command.bytes }, command.at)
  const found = statements.get(
    'SELECT media_type FROM manifests WHERE repository = ? AND digest = ?',
    repository,
    command.digest,
  )
  // The same bytes under another media type are something that a reader sees; the same push again is nothing.
  if (found !== undefined && found.media_type === command.mediaType) return
  statements.run(
    `INSERT INTO manifests (repository, digest, media_type, artifact_type, size, subject, annotations, pushed)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET media_type = excluded.media_type`,
    repository,
    command.digest,
    command.mediaType,
    command.artifactType ?? null,
    command.bytes.length,
    command.subject ?? null,
    command.annotations ? JSON.stringify(command.annotations) : null,
    command.at,
  )
  for (const edge of command.edges) addEdge(statements, repository, command.digest, edge)
  recordChange(statements, repository, {
    kind: 'manifest-pushed',
    subject: command.digest,
    new: command.digest,
    at: command.at,
  })
}

function addEdge(statements: Statements, repository: number, parent: Digest, edge: Edge): void {
  const { digest: child, kind } = edge
  statements.run(
    'INSERT OR IGNORE INTO edges (repository, parent, child, kind) VALUES (?, ?, ?, ?)',
    repository,
    parent,
    child,
    kind,
  )
  statements.run(
    'UPDATE links SET unused = NULL WHERE repository = ? AND digest = ? AND unused IS NOT NULL',
    repository,
    child,
  )
}

function tagDigest(statements: Statements, repository: number | undefined, tag: Tag): Digest | undefined {
  if (repository === undefined) return undefined
  const row = statements.get('SELECT digest FROM tags WHERE repository = ? AND name = ?', repository, tag)
  return row?.digest as Digest | undefined
}

function conditionHolds(current: Digest | undefined, { ifMatch, ifNoneMatch }: TagCondition): boolean {
  const matches = (list: '*' | readonly string[]) =>
    current !== undefined && (list === '*' || list.includes(current))
  if (ifMatch !== undefined && !matches(ifMatch)) return false
  return ifNoneMatch === undefined || !matches(ifNoneMatch)
}

function setTag(statements: Statements, repository: number, tag: Tag, digest: Digest, at: number): void {
  const old = tagDigest(statements, repository, tag)
  if (old === digest) return
  statements.run(
    `INSERT INTO tags (repository, name, digest, updated) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET digest = excluded.digest, updated = excluded.updated`,
    repository,
    tag,
    digest,
    at,
  )
  recordChange(statements, repository, { kind: 'tag-set', subject: tag, old, new: digest, at })
}

/** @see DeleteTag */
export function deleteTag(statements: Statements, command: DeleteTag): Outcome<DeleteTag> {
  const repository = findRepository(statements, command.repository)
  const digest = tagDigest(statements, repository, command.tag)
  if (repository === undefined || digest === undefined) return { result: 'unknown' }
  if (!conditionHolds(digest, command.condition)) return { result: 'precondition-failed' }
  removeTag(statements, repository, command.tag, digest, command.at)
  return { result: 'deleted' }
}

function removeTag(statements: Statements, repository: number, tag: Tag, digest: Digest, at: number): void {
  statements.run('DELETE FROM tags WHERE repository = ? AND name = ?', repository, tag)
  recordChange(statements, repository, { kind: 'tag-removed', subject: tag, old: digest, at })
}

/** @see DeleteManifest */
export function deleteManifest(statements: Statements, command: DeleteManifest): Outcome<DeleteManifest> {
  const { digest, at } = command
  const repository = findRepository(statements, command.repository)
  if (repository === undefined || !hasManifest(statements, repository, digest)) return { result: 'unknown' }
  const by = manifestThatNeeds(statements, repository, digest)
  if (by !== undefined) return { result: 'needed', by }

  const tags = statements.all('SELECT name FROM tags WHERE repository = ? AND digest = ?', repository, digest)
  for (const tag of tags) removeTag(statements, repository, tag.name as Tag, digest, at)
  statements.run('DELETE FROM manifests WHERE repository = ? AND digest = ?', repository, digest)
  dropEdges(statements, repository, digest, at)
  recordChange(statements, repository, { kind: 'manifest-deleted', subject: digest, old: digest, at })
  dropUnheldContent(statements, digest, at)
  return { result: 'deleted' }
}

function dropEdges(statements: Statements, repository: number, parent: Digest, at: number): void {
  const children = statements.all(
    'DELETE FROM edges WHERE repository = ? AND parent = ? RETURNING child',
    repository,
    parent,
  )
  for (const { child } of children) {
    if (manifestThatNeeds(statements, repository, child as Digest) !== undefined) continue
    statements.run(
      'UPDATE links SET unused = ? WHERE repository = ? AND digest = ?',
      at,
      repository,
      child as string,
    )
  }
}
