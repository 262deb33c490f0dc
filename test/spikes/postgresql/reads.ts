import type { Pool } from 'pg'
import type { Change } from '../../../src/metadata/changes.ts'
import type { ManifestRecord } from '../../../src/metadata/manifests.ts'
import type { Reference, RepositoryName, Tag } from '../../../src/oci/reference.ts'
import type { PushStore } from '../../suites/metadata-place.ts'
import { type HeldUpload, uploadOf } from './commands.ts'

/** What the tests look at after a command. */
export function postgresqlReads(pool: Pool): Omit<PushStore, 'commit' | 'uploads'> & {
  uploads: { find(id: string): Promise<HeldUpload | undefined> }
} {
  const all = async (sql: string, ...values: unknown[]) => (await pool.query(sql, values)).rows
  const manifest = async (name: RepositoryName, reference: Reference) => {
    const [row] = await all(
      `SELECT m.digest, m.media_type AS "mediaType", m.size::int, c.bytes FROM repositories r
       JOIN manifests m ON m.repository = r.id JOIN contents c ON c.digest = m.digest WHERE r.name = $1 AND m.digest =
       coalesce($2, (SELECT digest FROM tags WHERE repository = r.id AND name = $3))`,
      name,
      reference.digest,
      reference.tag,
    )
    return row as (ManifestRecord & { bytes: Uint8Array }) | undefined
  }
  const exists = async (name: RepositoryName) =>
    (await all('SELECT 1 FROM repositories WHERE name = $1', name)).length > 0
  return {
    repositories: { exists },
    manifests: {
      async find(name, reference) {
        const { bytes: _, ...record } = (await manifest(name, reference)) ?? {}
        return 'digest' in record ? (record as ManifestRecord) : undefined
      },
      read: manifest,
      async referrers({ repository, subject }) {
        const descriptors = await all(
          `SELECT m.digest, m.media_type AS "mediaType", m.size::int FROM manifests m
           JOIN repositories r ON r.id = m.repository WHERE r.name = $1 AND m.subject = $2 ORDER BY m.digest`,
          repository,
          subject,
        )
        return { descriptors }
      },
    },
    tags: {
      async list(name, after, limit) {
        if (!(await exists(name))) return undefined
        const rows = await all(
          `SELECT t.name FROM tags t JOIN repositories r ON r.id = t.repository
           WHERE r.name = $1 AND t.name > $2 ORDER BY t.name LIMIT $3`,
          name,
          after,
          limit + 1,
        )
        return { items: rows.slice(0, limit).map((row) => row.name as Tag), more: rows.length > limit }
      },
    },
    blobs: {
      async find(name, digest) {
        const [row] = await all(
          `SELECT c.size, c.bytes, l.unused FROM links l JOIN repositories r ON r.id = l.repository
           JOIN contents c ON c.digest = l.digest WHERE r.name = $1 AND l.digest = $2`,
          name,
          digest,
        )
        if (row === undefined) return undefined
        const { size, bytes, unused } = row
        return {
          size: Number(size),
          content: { bytes },
          ...(unused !== null && { unusedSince: Number(unused) }),
        }
      },
    },
    log: {
      async changes(after, limit) {
        const rows = await all(
          `SELECT sequence::int, r.name AS repository, c.revision::int, at::float8, kind, subject, old, new
           FROM changes c JOIN repositories r ON r.id = c.repository WHERE sequence > $1 ORDER BY sequence LIMIT $2`,
          after,
          limit,
        )
        return rows as Change[]
      },
    },
    uploads: {
      async find(id) {
        const [row] = await all('SELECT * FROM uploads WHERE id = $1', id)
        return row && uploadOf(row)
      },
    },
  }
}
