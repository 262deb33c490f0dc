import { hash } from 'node:crypto'
import { type Digest, formatDigest, hashAlgorithmOf } from '../../oci/digest.ts'
import type { Reference } from '../../oci/reference.ts'
import type { RepositoryReads } from '../repositories.ts'
import { DELETIONS } from '../touched-parts.ts'
import { Memo } from './memo.ts'
import type { Reads } from './reader.ts'
import type { Versions } from './versions.ts'

const MAX_BYTES = 32 * 1024 * 1024
const MAX_ITEMS = 1000
const ROW_BYTES = 400

/** Caches the reads that clients repeat often, for as long as nothing has changed. */
export function memoizedReads(reads: Omit<Reads, 'close'>, versions: Versions): Omit<Reads, 'close'> {
  const memo = new Memo(versions, MAX_BYTES)
  const { repositories, tags, manifests, blobs } = reads
  return {
    ...reads,
    repositories: memoizedRepositories(repositories, memo),
    tags: {
      ...tags,
      list: (name, after, limit) =>
        memo.get(`tags ${name} ${limit} ${after}`, [name], {
          read: () => tags.list(name, after, limit),
          sizeOf: (page) => sizeOfItems(page?.items ?? []),
        }),
    },
    manifests: {
      ...manifests,
      find: (name, reference) =>
        memo.get(`manifest ${name} ${textOf(reference)}`, [name], {
          read: () => manifests.find(name, reference),
          sizeOf: sizeOfRow,
        }),
      read: (name, reference) =>
        memo.get(`bytes ${name} ${textOf(reference)}`, [name], {
          async read() {
            const manifest = await manifests.read(name, reference)
            if (manifest !== undefined) checkBytes(manifest.digest, manifest.bytes)
            return manifest
          },
          sizeOf: (manifest) => ROW_BYTES + (manifest?.bytes.length ?? 0),
        }),
      referrers: (query) =>
        memo.get(`referrers ${JSON.stringify(query)}`, [query.repository], {
          read: () => manifests.referrers(query),
          sizeOf: ({ descriptors }) => sizeOfItems(descriptors),
        }),
    },
    blobs: {
      ...blobs,
      // If a blob is pushed to another repository, its location may change.
      find: (name, digest) =>
        memo.get(`blob ${name} ${digest}`, [name, digest], {
          async read() {
            const blob = await blobs.find(name, digest)
            if (blob?.content.bytes !== undefined) checkBytes(digest, blob.content.bytes)
            return blob
          },
          sizeOf: (blob) => ROW_BYTES + (blob?.content.bytes?.length ?? 0),
        }),
    },
  }
}

function memoizedRepositories(repositories: RepositoryReads, memo: Memo): RepositoryReads {
  return {
    ...repositories,
    exists: (name) =>
      memo.get(`repository ${name}`, [name], { read: () => repositories.exists(name), sizeOf: sizeOfRow }),
    // Each part of a push asks for it, and a push changes the repository all the time, so this depends on something else.
    deletion: (name) =>
      memo.get(`deletion ${name}`, [DELETIONS], {
        read: () => repositories.deletion(name),
        sizeOf: sizeOfRow,
      }),
  }
}

/**
 * Bytes from the database are compared with their digest before they are cached, since SQLite has no checksum for them.
 *
 * @throws if they are damaged; pushing them again repairs them
 */
function checkBytes(digest: Digest, bytes: Uint8Array): void {
  const algorithm = hashAlgorithmOf(digest)
  if (algorithm === 'blake3' || formatDigest(algorithm, hash(algorithm, bytes)) === digest) return
  throw new Error(`the stored bytes of ${digest} are damaged; push them again to heal them`)
}

/** A tag can't hold a colon, and a digest always does. */
function textOf(reference: Reference): string {
  return reference.tag ?? reference.digest
}

function sizeOfRow(): number {
  return ROW_BYTES
}

function sizeOfItems(items: readonly unknown[]): number | undefined {
  return items.length > MAX_ITEMS ? undefined : ROW_BYTES + 2 * JSON.stringify(items).length
}
