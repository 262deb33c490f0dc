import type { Digest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { Reference, RepositoryName, Tag } from '../../oci/reference.ts'
import type {
  BlobRecord,
  Change,
  ManifestRecord,
  MetadataStore,
  Page,
  ReferrersPage,
  ReferrersQuery,
} from '../metadata-store.ts'
import { findRepository } from './repositories.ts'
import type { Row, Statements } from './statements.ts'
import { findUpload } from './uploads.ts'

const MAX_REFERRERS_LOOKED_AT = 10_000

/** The reads of a metadata store on a connection of their own. */
export type Reads = Omit<MetadataStore, 'commit' | 'close'>

/** Makes the reads over a connection that sees what the writer has committed. */
export function sqliteReads(statements: Statements): Reads {
  return {
    secret: statements.get(`SELECT value FROM settings WHERE name = 'secret'`)?.value as Uint8Array,
    repositories: {
      exists: async (name) => findRepository(statements, name) !== undefined,
      list: async (after, limit) => listRepositories(statements, after, limit),
    },
    tags: { list: async (repository, after, limit) => listTags(statements, repository, after, limit) },
    manifests: {
      find: async (repository, reference) => findManifest(statements, repository, reference),
      read: async (repository, reference) => readManifest(statements, repository, reference),
      referrers: async (query) => listReferrers(statements, query),
    },
    blobs: { find: async (repository, digest) => findBlob(statements, repository, digest) },
    uploads: { find: async (id) => findUpload(statements, id) },
    log: {
      changes: async (after, limit) => listChanges(statements, after, limit),
      garbage: async (before, limit) => listGarbage(statements, before, limit),
    },
  }
}

function page<T>(rows: Row[], column: string, limit: number): Page<T> {
  const items = rows.slice(0, limit).map((row) => row[column] as T)
  return { items, more: rows.length > limit }
}

function listRepositories(statements: Statements, after: string, limit: number): Page<RepositoryName> {
  const rows = statements.all(
    'SELECT name FROM repositories WHERE name > ? ORDER BY name LIMIT ?',
    after,
    limit + 1,
  )
  return page(rows, 'name', limit)
}

function listTags(
  statements: Statements,
  repository: RepositoryName,
  after: string,
  limit: number,
): Page<Tag> | undefined {
  const id = findRepository(statements, repository)
  if (id === undefined) return undefined
  const rows = statements.all(
    'SELECT name FROM tags WHERE repository = ? AND name > ? ORDER BY name LIMIT ?',
    id,
    after,
    limit + 1,
  )
  return page(rows, 'name', limit)
}

const MANIFEST_OF_DIGEST = `FROM repositories r JOIN manifests m ON m.repository = r.id AND m.digest = ?2 WHERE r.name = ?1`
const MANIFEST_OF_TAG = `FROM repositories r JOIN tags t ON t.repository = r.id AND t.name = ?2
  JOIN manifests m ON m.repository = r.id AND m.digest = t.digest WHERE r.name = ?1`
const MANIFEST_COLUMNS = 'm.digest, m.media_type AS mediaType, m.size'
const MANIFEST_BYTES = '(SELECT bytes FROM contents c WHERE c.digest = m.digest) AS bytes'

function findManifest(
  statements: Statements,
  repository: RepositoryName,
  reference: Reference,
): ManifestRecord | undefined {
  const from = reference.tag === undefined ? MANIFEST_OF_DIGEST : MANIFEST_OF_TAG
  const row = statements.get(
    `SELECT ${MANIFEST_COLUMNS} ${from}`,
    repository,
    reference.tag ?? reference.digest,
  )
  return row as unknown as ManifestRecord | undefined
}

function readManifest(
  statements: Statements,
  repository: RepositoryName,
  reference: Reference,
): (ManifestRecord & { bytes: Uint8Array }) | undefined {
  const from = reference.tag === undefined ? MANIFEST_OF_DIGEST : MANIFEST_OF_TAG
  const row = statements.get(
    `SELECT ${MANIFEST_COLUMNS}, ${MANIFEST_BYTES} ${from}`,
    repository,
    reference.tag ?? reference.digest,
  )
  return row as unknown as (ManifestRecord & { bytes: Uint8Array }) | undefined
}

function listReferrers(statements: Statements, query: ReferrersQuery): ReferrersPage {
  const id = findRepository(statements, query.repository)
  if (id === undefined) return { descriptors: [] }
  const rows = statements.iterate(
    `SELECT ${MANIFEST_COLUMNS}, m.artifact_type AS artifactType, m.annotations FROM manifests m
     WHERE m.repository = ? AND m.subject = ? AND m.digest > ? ORDER BY m.digest`,
    id,
    query.subject,
    query.after,
  )
  return gatherReferrers(rows, query)
}

function gatherReferrers(rows: Iterable<Row>, query: ReferrersQuery): ReferrersPage {
  const descriptors: Descriptor[] = []
  let last: Digest | undefined
  let bytes = 0
  let looked = 0
  for (const row of rows) {
    const isFull = descriptors.length >= query.limit || looked >= MAX_REFERRERS_LOOKED_AT
    const size = descriptorSize(row)
    if (last !== undefined && (isFull || bytes + size > query.maxBytes)) return { descriptors, next: last }
    last = row.digest as Digest
    looked++
    const wanted =
      query.artifactTypes.length === 0 || query.artifactTypes.includes(row.artifactType as string)
    if (!wanted) continue
    descriptors.push(referrerDescriptor(row))
    bytes += size
  }
  return { descriptors }
}

/** About how many bytes of JSON a descriptor takes; whoever pushed the manifest chose how many. */
function descriptorSize(row: Row): number {
  const texts = [row.annotations as string | null, JSON.stringify(row.artifactType), row.mediaType as string]
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 250)
}

function referrerDescriptor(row: Row): Descriptor {
  return {
    mediaType: row.mediaType as string,
    digest: row.digest as Digest,
    size: row.size as number,
    ...(row.artifactType !== null && { artifactType: row.artifactType as string }),
    ...(row.annotations !== null && { annotations: JSON.parse(row.annotations as string) }),
  }
}

function findBlob(
  statements: Statements,
  repository: RepositoryName,
  digest: Digest,
): BlobRecord | undefined {
  const row = statements.get(
    `SELECT c.size, c.key, c.bytes, l.unused FROM repositories r
     JOIN links l ON l.repository = r.id AND l.digest = ?2 JOIN contents c ON c.digest = l.digest WHERE r.name = ?1`,
    repository,
    digest,
  )
  if (row === undefined) return undefined
  return {
    size: row.size as number,
    content: row.key === null ? { bytes: row.bytes as Uint8Array } : { key: row.key as string },
    ...(row.unused !== null && { unusedSince: row.unused as number }),
  }
}

function listChanges(statements: Statements, after: number, limit: number): Change[] {
  const rows = statements.all(
    `SELECT c.sequence, r.name AS repository, c.revision, c.at, c.kind, c.subject, c.old, c.new, c.actor
     FROM changes c JOIN repositories r ON r.id = c.repository WHERE c.sequence > ? ORDER BY c.sequence LIMIT ?`,
    after,
    limit,
  )
  return rows.map((row) => {
    const present = Object.entries(row).filter(([, value]) => value !== null)
    return Object.fromEntries(present) as unknown as Change
  })
}

function listGarbage(statements: Statements, before: number, limit: number): string[] {
  const rows = statements.all(
    'SELECT key FROM garbage WHERE queued <= ? ORDER BY queued LIMIT ?',
    before,
    limit,
  )
  return rows.map((row) => row.key as string)
}
