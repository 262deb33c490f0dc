import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { ContentHolder, ContentReads, HoldersPage, StoredContent } from '../contents.ts'
import { IS_OF_LIVE } from './parents.ts'
import { findRepository } from './repositories.ts'
import { inSnapshot } from './snapshot.ts'
import type { Row, Statements } from './statements.ts'

/** Reads of content by digest. */
export function contentReads(statements: Statements): ContentReads {
  return {
    holders: async (digest, after, limit) =>
      inSnapshot(statements, () => listHolders(statements, digest, after, limit)),
    namedBy: async (repository, digest, limit) => listNaming(statements, repository, digest, limit),
    stored: async (digests) => findStored(statements, digests),
    listStored: async (after, limit) => listStored(statements, after, limit),
  }
}

function findStored(statements: Statements, digests: readonly Digest[]): StoredContent[] {
  const rows = statements.all(
    `SELECT c.digest, c.size, c.key FROM json_each(?) JOIN contents c ON c.digest = json_each.value WHERE c.key IS NOT NULL`,
    JSON.stringify(digests),
  )
  return rows.map(storedContent)
}

function storedContent({ digest, size, key }: Row): StoredContent {
  return { digest: digest as Digest, size: size as number, key: key as string }
}

/** Rows of a repository that is being deleted are skipped, so a page may be short. */
function listHolders(statements: Statements, digest: Digest, after: number, limit: number): HoldersPage {
  const rows = (['blob', 'manifest'] as const).flatMap((as) => {
    const found = statements.all(
      `SELECT repository FROM ${as === 'blob' ? 'links' : 'manifests'} WHERE digest = ? AND repository > ?
       ORDER BY repository LIMIT +?`,
      digest,
      after,
      limit,
    )
    return found.map((row) => ({ id: row.repository as number, as }))
  })
  const ids = [...new Set(rows.map(({ id }) => id))].sort((one, two) => one - two).slice(0, limit)
  const last = ids.at(-1)
  const holders = ids.flatMap((id): ContentHolder[] => {
    const name = statements.get('SELECT name FROM repositories WHERE id = ?', id)?.name
    if (name === undefined) return []
    // Content that is both is served as a manifest, with its media type.
    const as = rows.some((row) => row.id === id && row.as === 'manifest') ? 'manifest' : 'blob'
    return [{ id, repository: name as RepositoryName, as }]
  })
  return last === undefined || ids.length < limit ? { holders } : { holders, next: last }
}

function listNaming(
  statements: Statements,
  repository: RepositoryName,
  digest: Digest,
  limit: number,
): Digest[] {
  const id = findRepository(statements, repository)
  if (id === undefined) return []
  const rows = statements.all(
    `SELECT DISTINCT parent FROM edges e WHERE repository = ? AND child = ? AND ${IS_OF_LIVE} ORDER BY parent LIMIT +?`,
    id,
    digest,
    limit,
  )
  return rows.map((row) => row.parent as Digest)
}

function listStored(
  statements: Statements,
  after: number,
  limit: number,
): { stored: StoredContent[]; next?: number } {
  const rows = statements.all(
    'SELECT id, digest, size, key FROM contents WHERE id > ? ORDER BY id LIMIT +?',
    after,
    limit,
  )
  const stored = rows.filter(({ key }) => key !== null).map(storedContent)
  const last = rows.at(-1)
  return last === undefined || rows.length < limit ? { stored } : { stored, next: last.id as number }
}
