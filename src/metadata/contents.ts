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

/** Reads of content by digest, across all repositories. */
export interface ContentReads {
  /** Looks at no more than twice `limit` rows. @param after the id after which the page begins */
  holders(digest: Digest, after: number, limit: number): Promise<HoldersPage>
  /** Manifests of a repository that name it. */
  namedBy(repository: RepositoryName, digest: Digest, limit: number): Promise<Digest[]>
  /** The keys in the blob store for some digests: only for known digests whose bytes are not in the metadata. */
  stored(digests: readonly Digest[]): Promise<StoredContent[]>
  /** Those of the next `limit` contents whose bytes are in the blob store. @param after the `next` of the previous page; 0 at first */
  listStored(after: number, limit: number): Promise<{ stored: StoredContent[]; next?: number }>
}

/** Forgets keys whose bytes are deleted. */
export interface ForgetGarbage {
  type: 'forgetGarbage'
  keys: readonly string[]
}

/** @see ForgetGarbage */
export type ForgetGarbageOutcome = { result: 'done' }

/** Records a key under which a probe is about to write bytes. The key is queued for deletion at once. */
export interface ReserveProbe {
  type: 'reserveProbe'
  key: string
}

/** @see ReserveProbe */
export type ReserveProbeOutcome = { result: 'done' }

/** Returns unused space of the store to the file system. */
export interface ShrinkStore {
  type: 'shrinkStore'
  /** The maximum number of pages. */
  limit: number
}

/** The number of pages that were returned. */
export type ShrinkStoreOutcome = { result: 'done'; count: number; more: boolean }
