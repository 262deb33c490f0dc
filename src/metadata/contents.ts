import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** A repository that has some content. */
export interface ContentHolder {
  /** The id of the repository. */
  id: number
  repository: RepositoryName
  as: 'blob' | 'manifest'
}

/** Content whose bytes are in the blob store. */
export interface StoredContent {
  digest: Digest
  size: number
  key: string
}

/** Repositories that have some content; `next` is where the following page begins, if there is one. */
export interface HoldersPage {
  holders: ContentHolder[]
  next?: number
}

/** Reads of content by digest, in whatever repository it is. */
export interface ContentReads {
  /** Looks at no more than twice `limit` rows. @param after the id that the page begins behind */
  holders(digest: Digest, after: number, limit: number): Promise<HoldersPage>
  /** Manifests of a repository that name it. */
  namedBy(repository: RepositoryName, digest: Digest, limit: number): Promise<Digest[]>
  /** Where in the blob store the bytes of some digests should be: of those that are known and whose bytes are not in the metadata. */
  stored(digests: readonly Digest[]): Promise<StoredContent[]>
  /** Those of the next `limit` contents whose bytes are in the blob store. @param after what the page before gave as `next`, 0 at first */
  listStored(after: number, limit: number): Promise<{ stored: StoredContent[]; next?: number }>
}

/** Forgets keys whose bytes are deleted. */
export interface ForgetGarbage {
  type: 'forgetGarbage'
  keys: readonly string[]
}

/** @see ForgetGarbage */
export type ForgetGarbageOutcome = { result: 'done' }

/** Records the key under which bytes are about to be written only to see whether that can be done: it is queued for deletion at once. */
export interface ReserveProbe {
  type: 'reserveProbe'
  key: string
  at: number
}

/** @see ReserveProbe */
export type ReserveProbeOutcome = { result: 'done' }

/** Gives space that the store does not use back to the file system. */
export interface ShrinkStore {
  type: 'shrinkStore'
  /** At most so many pages. */
  limit: number
}

/** So many pages were given back. */
export type ShrinkStoreOutcome = { result: 'done'; count: number; more: boolean }
