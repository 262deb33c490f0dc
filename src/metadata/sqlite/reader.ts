import type { Digest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { Reference, RepositoryName } from '../../oci/reference.ts'
import type { BlobRecord } from '../blobs.ts'
import type { GarbageQuery } from '../changes.ts'
import type { ManifestRecord, ReferrersPage, ReferrersQuery, UndescribedManifest } from '../manifests.ts'
import type { MetadataStore } from '../metadata-store.ts'
import { changeBounds, listChanges, readChanges } from './change-reads.ts'
import { ChangeWatch } from './change-watch.ts'
import { contentReads } from './content-reads.ts'
import { countReads } from './count-reads.ts'
import { jobReads } from './jobs.ts'
import { listManifests } from './manifest-list.ts'
import { PageBudget } from './page-budget.ts'
import { findRepository } from './repositories.ts'
import { repositoryReads } from './repository-reads.ts'
import type { Row, Statements } from './statements.ts'
import type { StoreClock } from './store-clock.ts'
import { tagReads } from './tag-reads.ts'
import { IS_LIVE } from './tags.ts'
import { findClosed } from './upload-ends.ts'
import { findUpload } from './uploads.ts'

const LONG_TEXTS = ['artifactType', 'annotations']

/** The reads of a metadata store on a separate connection. */
export type Reads = Omit<MetadataStore, 'commit' | 'close'> & {
  /** Resolves all waiters. */
  close(): void
}

/** Makes the reads on a connection that sees the commits of the writer. */
export function sqliteReads(statements: Statements, clock: StoreClock): Reads {
  const watch = new ChangeWatch(() => changeBounds(statements).last)
  return {
    secret: statements.get(`SELECT value FROM settings WHERE name = 'secret'`)?.value as Uint8Array,
    repositories: repositoryReads(statements),
    tags: tagReads(statements),
    manifests: {
      find: async (repository, reference) => findManifest(statements, repository, reference),
      read: async (repository, reference) => readManifest(statements, repository, reference),
      referrers: (query) => listReferrers(statements, query),
      list: (query) => listManifests(statements, query),
      undescribed: async (limit) => listUndescribed(statements, limit),
    },
    blobs: { find: async (repository, digest) => findBlob(statements, repository, digest) },
    contents: contentReads(statements),
    uploads: {
      find: async (id) => findUpload(statements, id),
      closedAs: async (id) => findClosed(statements, id),
    },
    log: {
      changes: async (after, limit) => listChanges(statements, after, limit),
      read: async (query) => readChanges(statements, query),
      bounds: async () => changeBounds(statements),
      changed: (after, signal) => watch.changed(after, signal),
      garbage: async (query) => listGarbage(statements, clock.now(), query),
    },
    counts: countReads(statements, clock),
    jobs: jobReads(statements),
    close: () => watch.close(),
  }
}

const MANIFEST_OF_DIGEST = `FROM repositories r JOIN manifests m ON m.repository = r.id AND m.digest = ?2 WHERE r.name = ?1`
const MANIFEST_OF_TAG = `FROM repositories r JOIN tags t ON t.repository = r.id AND t.name = ?2 AND ${IS_LIVE}
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

/** Otherwise SQLite would use the primary key for the order of digests and read every manifest of the repository. */
const REFERRERS = `SELECT ${MANIFEST_COLUMNS}, m.artifact_type AS artifactType, m.annotations
  FROM manifests m INDEXED BY manifests_by_subject
  WHERE m.repository = ? AND m.subject = ? AND m.digest > ? ORDER BY m.digest`

async function listReferrers(statements: Statements, query: ReferrersQuery): Promise<ReferrersPage> {
  const budget = new PageBudget(query)
  const descriptors: Descriptor[] = []
  for (let last: Digest | undefined; ; ) {
    const id = findRepository(statements, query.repository)
    if (id === undefined) return { descriptors }
    const rows = statements.iterate(REFERRERS, id, query.subject, last ?? query.after)
    const slice = gatherReferrers(rows, query, { budget, last })
    descriptors.push(...slice.descriptors)
    if (slice.goesOn === undefined) return { descriptors }
    if (slice.isPageOver) return { descriptors, next: slice.goesOn }
    last = slice.goesOn
    await budget.nextSlice()
  }
}

/** The results of one slice of a page, and the digest after which the list continues; undefined at its end. */
interface ReferrersSlice {
  descriptors: Descriptor[]
  goesOn?: Digest
  isPageOver?: boolean
}

function gatherReferrers(
  rows: Iterable<Row>,
  query: ReferrersQuery,
  { budget, last: before }: { budget: PageBudget; last: Digest | undefined },
): ReferrersSlice {
  const descriptors: Descriptor[] = []
  const types = new Set<unknown>(query.artifactTypes)
  let last = before
  for (const row of rows) {
    const size = descriptorSize(row)
    const isWanted = types.size === 0 || types.has(row.artifactType)
    const isPageOver = budget.isSpent || (isWanted && !budget.fits(size))
    if (last !== undefined && (isPageOver || budget.isSliceOver)) {
      return { descriptors, goesOn: last, isPageOver }
    }
    last = row.digest as Digest
    budget.countRow(row, LONG_TEXTS)
    if (!isWanted) continue
    descriptors.push(referrerDescriptor(row))
    budget.countItem(size)
  }
  return { descriptors }
}

/** About how many bytes of JSON a descriptor takes. The client that pushed the manifest determined its size. */
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
  return row && blobOf(row)
}

function blobOf(row: Row): BlobRecord {
  return {
    size: row.size as number,
    content: row.key === null ? { bytes: row.bytes as Uint8Array } : { key: row.key as string },
    ...(row.unused !== null && { unusedSince: row.unused as number }),
  }
}

function listUndescribed(statements: Statements, limit: number): UndescribedManifest[] {
  const rows = statements.all('SELECT repository, digest FROM undescribed LIMIT +?', limit)
  return rows.map((row) => {
    const config = statements.get(
      `SELECT c.size, c.key, c.bytes, l.unused FROM edges e
       JOIN links l ON l.repository = e.repository AND l.digest = e.child JOIN contents c ON c.digest = l.digest
       WHERE e.repository = ? AND e.parent = ? AND e.kind = 'config' LIMIT 1`,
      row.repository as number,
      row.digest as Digest,
    )
    return {
      repository: row.repository as number,
      digest: row.digest as Digest,
      ...(config && { config: blobOf(config) }),
    }
  })
}

function listGarbage(
  statements: Statements,
  now: number,
  { queuedFor, until = Number.POSITIVE_INFINITY, limit }: GarbageQuery,
): string[] {
  const rows = statements.all(
    'SELECT key FROM garbage WHERE queued <= ? ORDER BY queued LIMIT +?',
    Math.min(now - queuedFor, until),
    limit,
  )
  return rows.map((row) => row.key as string)
}
