import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import type { Command, ContentPlace, Outcome, UploadRecord } from './command.ts'

/** A manifest without its bytes. */
export interface ManifestRecord {
  digest: Digest
  mediaType: string
  size: number
}

/** A blob of a repository. */
export interface BlobRecord {
  size: number
  content: ContentPlace
  /** Since when no manifest of the repository names it; undefined while one does. */
  unusedSince?: number
}

/** One page of a list: what it holds, and whether anything follows. */
export interface Page<T> {
  items: T[]
  more: boolean
}

/** What a page of referrers is asked for. */
export interface ReferrersQuery {
  repository: RepositoryName
  subject: Digest
  /** Only these artifact types; all if empty. */
  artifactTypes: readonly string[]
  /** The page begins behind this digest. */
  after: string
  /** At most this many descriptors. */
  limit: number
  /** At most about this many bytes of JSON, but at least one descriptor. */
  maxBytes: number
}

/** A page of referrers; `next` is where the following page begins, if there is one. */
export interface ReferrersPage {
  descriptors: Descriptor[]
  next?: Digest
}

/** What happened to a repository. */
export type ChangeKind =
  | 'repository-created'
  | 'manifest-pushed'
  | 'manifest-deleted'
  | 'tag-set'
  | 'tag-removed'

/** One entry of the change log. */
export interface Change {
  /** Of the whole registry, rising. */
  sequence: number
  repository: RepositoryName
  /** Of the repository, rising by one. */
  revision: number
  /** Milliseconds since the epoch; never less than that of the revision before. */
  at: number
  kind: ChangeKind
  /** The tag, or the digest of the manifest; empty for the repository itself. */
  subject: string
  old?: Digest
  new?: Digest
  actor?: string
}

/** Reads of repositories. */
export interface RepositoryReads {
  exists(name: RepositoryName): Promise<boolean>
  /** Names behind `after`, in byte order. */
  list(after: string, limit: number): Promise<Page<RepositoryName>>
}

/** Reads of tags. */
export interface TagReads {
  /** Tags behind `after`, in byte order; undefined if there is no such repository. */
  list(repository: RepositoryName, after: string, limit: number): Promise<Page<Tag> | undefined>
}

/** Reads of manifests. */
export interface ManifestReads {
  find(repository: RepositoryName, reference: Reference): Promise<ManifestRecord | undefined>
  read(
    repository: RepositoryName,
    reference: Reference,
  ): Promise<(ManifestRecord & { bytes: Uint8Array }) | undefined>
  /** Looks at no more than 10,000 referrers, so a filtered page may be short or empty and still have a next one. */
  referrers(query: ReferrersQuery): Promise<ReferrersPage>
}

/** Reads of blobs. */
export interface BlobReads {
  find(repository: RepositoryName, digest: Digest): Promise<BlobRecord | undefined>
}

/** Reads of uploads. */
export interface UploadReads {
  /** The row of an upload; `ended` once it was closed, cancelled or has expired; undefined if it has no row yet. */
  find(id: string): Promise<UploadRecord | 'ended' | undefined>
}

/** Reads for those who follow what happens, and for the sweeper. */
export interface LogReads {
  /** Changes behind a sequence number, oldest first. */
  changes(after: number, limit: number): Promise<Change[]>
  /** Keys that were queued for deletion before a time. */
  garbage(before: number, limit: number): Promise<string[]>
}

/**
 * All naming: what is in which repository under which name. Reads see every commit that was answered before they began. Nothing that a
 * caller passes runs inside of a transaction.
 */
export interface MetadataStore {
  readonly repositories: RepositoryReads
  readonly tags: TagReads
  readonly manifests: ManifestReads
  readonly blobs: BlobReads
  readonly uploads: UploadReads
  readonly log: LogReads
  /** A random value of this store, made once, for authenticating what the registry hands out. 32 bytes. */
  readonly secret: Uint8Array
  /**
   * Does commands in their order, each whole or not at all, and answers when they are durable. It may share a transaction with others;
   * that one command can't be done harms no other. Rejects if the store failed: then none of them has happened.
   */
  commit<const Commands extends readonly Command[]>(
    commands: Commands,
  ): Promise<{ -readonly [Index in keyof Commands]: Outcome<Commands[Index]> }>
  /** Waits for what was committed, then lets go of everything. */
  close(): Promise<void>
}
