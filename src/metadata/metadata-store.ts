import type { Digest } from '../oci/digest.ts'
import type { LabelRequirement } from '../oci/label-selector.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import type { Command, ContentPlace, Outcome, RepositoryCount, UploadRecord } from './command.ts'

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

/** The order of a manifest list. `pushed` is the order of first pushes, where what was undeleted comes as if pushed then. */
export type ManifestSort = 'pushed' | 'pulled' | 'size' | 'digest'

/** Where a page of a manifest list ended, in the order of its sort. To be given back as it is. */
export interface ManifestCursor {
  key: number
  digest: string
  /** The page begins with this manifest again, and with its tags after this one; or goes on looking for one that fits. */
  tag?: { after: string; isFound: boolean }
}

/** Which manifests a list holds: those for which all of it is true. */
export interface ManifestFilters {
  /** One of its tags is of this pattern, as {@link parseGlob} reads it. */
  tag?: string
  /** No tag reaches it, neither through an index nor as a referrer. */
  untagged?: boolean
  /** One of these. */
  artifactTypes?: readonly string[]
  mediaTypes?: readonly string[]
  /** Each of these is there, with this value if one is given. */
  annotations?: readonly { key: string; value?: string }[]
  labels?: readonly LabelRequirement[]
  subject?: Digest
  /** `os/architecture[/variant]`; without a variant, any. */
  platform?: string
  /** Milliseconds since the epoch. What was never pulled counts as pulled when it was pushed. */
  pushedBefore?: number
  pushedAfter?: number
  pulledBefore?: number
}

/** What a page of a manifest list is asked for. */
export interface ManifestQuery {
  repository: RepositoryName
  sort: ManifestSort
  descending: boolean
  filters: ManifestFilters
  /** The page begins behind this. */
  after?: ManifestCursor
  limit: number
  /** At most about this many bytes of JSON, but at least one manifest with one of its tags. */
  maxBytes: number
  /** Whether what is sent repeats the manifest for each of its tags. */
  isPerTag?: boolean
}

/** A manifest as a list shows it. Times are milliseconds since the epoch. */
export interface ListedManifest extends ManifestRecord {
  artifactType?: string
  annotations?: Readonly<Record<string, string>>
  /** In byte order; at most 1,000, and then the next page begins with this manifest and the others. */
  tags: Tag[]
  /** Manifests of the repository that name it, in byte order; at most 100. */
  parents: Digest[]
  /** Manifests that it names and the repository does not have, of the first 1,000 that it names, in byte order; at most 100. */
  missing: Digest[]
  subject?: Digest
  platform?: string
  pushed: number
  /** A minute late; undefined if it never was. */
  pulled?: number
  /** Of all that it reaches, each digest once; in bytes. */
  totalSize: number
}

/** A page of a manifest list; `next` is where the following page begins, if there is one. */
export interface ManifestPage {
  manifests: ListedManifest[]
  next?: ManifestCursor
}

/** A manifest whose image config was not read when it was pushed. */
export interface UndescribedManifest {
  /** The id of its repository. */
  repository: number
  digest: Digest
  /** Where the config is, if it has one that is here. */
  config?: BlobRecord
}

/** What tells two states of a repository apart. */
export interface RepositoryState {
  /** Never used again for another, also not of the same name. */
  id: number
  revision: number
  /** Milliseconds since the epoch. */
  created: number
  updated: number
}

/** What a page of a list of repositories is asked for. */
export interface RepositoryQuery {
  /** Those below this path, which may have no repository itself; all of the registry if empty. */
  parent: string
  /** Not only direct children. */
  recursive: boolean
  /** The page begins behind this name. */
  after: string
  limit: number
}

/** A path below another. */
export interface RepositoryEntry {
  name: RepositoryName
  /** Undefined if only repositories below it are there. */
  state?: RepositoryState
  /** As it was counted last, some time ago; undefined if it has not been yet. */
  count?: RepositoryCount
}

/** What has become of a deleted repository, of the last one of its name. */
export interface RepositoryDeletion {
  id: number
  /** Milliseconds since the epoch. */
  deleted: number
  /** Undefined while rows are left. */
  finished?: number
  /** Tags, manifests and blobs when it was deleted, if they had been counted. */
  total?: number
  /** How many of them are gone. */
  removed: number
}

/** A change of one tag. */
export interface TagChange {
  revision: number
  /** Milliseconds since the epoch. */
  at: number
  /** Undefined where it was removed. */
  digest?: Digest
  actor?: string
  /** Whether the repository still has the manifest. */
  available: boolean
}

/** A tag as it was. */
export interface PastTag {
  tag: Tag
  digest: Digest
  /** When it was set so. */
  revision: number
  at: number
  available: boolean
}

/** A page of the tags as they were at a revision; `next` is where the following page begins, if there is one. */
export interface PastTagsPage {
  revision: number
  tags: PastTag[]
  next?: Tag
}

/** What happened to a repository. */
export type ChangeKind =
  | 'repository-created'
  | 'repository-deleted'
  | 'manifest-pushed'
  | 'manifest-deleted'
  | 'manifest-restored'
  | 'manifest-purged'
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

/** What a page of the change log is asked for. */
export interface ChangeQuery {
  /** Only of this one; of all if absent. */
  repository?: RepositoryName
  /** Those behind this sequence number. */
  after: number
  limit: number
}

/** A page of the change log, oldest first. */
export interface ChangePage {
  changes: Change[]
  /** All up to this sequence number may be forgotten: what was asked for behind a lower one has gaps. */
  floor: number
  /** The registry's last sequence number, at least, when this was read; nothing below it is missing here if `changes` is no full page. */
  last: number
}

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

/** Reads of repositories. */
export interface RepositoryReads {
  exists(name: RepositoryName): Promise<boolean>
  /** Names behind `after`, in byte order. */
  list(after: string, limit: number): Promise<Page<RepositoryName>>
  state(name: RepositoryName): Promise<RepositoryState | undefined>
  /** Paths below another, in byte order. */
  children(query: RepositoryQuery): Promise<Page<RepositoryEntry>>
  /** Undefined if none of this name was deleted, or not since the change log begins. */
  deletion(name: RepositoryName): Promise<RepositoryDeletion | undefined>
}

/** Reads of tags; undefined if there is no such repository. */
export interface TagReads {
  /** Tags behind `after`, in byte order. */
  list(repository: RepositoryName, after: string, limit: number): Promise<Page<Tag> | undefined>
  /** Changes of one tag before a revision, newest first. */
  history(
    repository: RepositoryName,
    tag: Tag,
    page: { before: number; limit: number },
  ): Promise<Page<TagChange> | undefined>
  /**
   * The tags as they were at a revision or time, in byte order. Looks at no more than 10,000 tags, so a page may be short or empty and
   * still have a next one.
   */
  at(
    repository: RepositoryName,
    when: { revision: number; time?: never } | { time: number; revision?: never },
    page: { after: string; limit: number },
  ): Promise<PastTagsPage | 'pruned' | undefined>
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
  /** Looks at no more than 10,000 manifests, so a filtered page may be short or empty; undefined if there is no such repository. */
  list(query: ManifestQuery): Promise<ManifestPage | undefined>
  /** Those that {@link DescribeManifests} is for. */
  undescribed(limit: number): Promise<UndescribedManifest[]>
}

/** Reads of blobs. */
export interface BlobReads {
  find(repository: RepositoryName, digest: Digest): Promise<BlobRecord | undefined>
}

/** Reads of content by digest, in whatever repository it is. */
export interface ContentReads {
  /** Looks at no more than twice `limit` rows. @param after the id that the page begins behind */
  holders(digest: Digest, after: number, limit: number): Promise<HoldersPage>
  /** Manifests of a repository that name it. */
  namedBy(repository: RepositoryName, digest: Digest, limit: number): Promise<Digest[]>
  /** Where in the blob store its bytes should be; undefined if they are not there but in the metadata, or if it is unknown. */
  stored(digest: Digest): Promise<StoredContent | undefined>
  /** Those of the next `limit` contents whose bytes are in the blob store. @param after what the page before gave as `next`, 0 at first */
  listStored(after: number, limit: number): Promise<{ stored: StoredContent[]; next?: number }>
}

/** Reads of uploads. */
export interface UploadReads {
  /** The row of an upload; `ended` once it was closed, cancelled or has expired; undefined if it has no row yet. */
  find(id: string): Promise<UploadRecord | 'ended' | undefined>
  /** The digest of the blob that an upload was closed as, until the ended upload is forgotten; undefined if it was not closed. */
  closedAs(id: string): Promise<Digest | undefined>
}

/** Reads for those who follow what happens, and for the sweeper. */
export interface LogReads {
  /** Changes behind a sequence number, oldest first. */
  changes(after: number, limit: number): Promise<Change[]>
  /** A page of changes, and what is not there any more; undefined if there is no such repository. */
  read(query: ChangeQuery): Promise<ChangePage | undefined>
  /** The sequence numbers between which all changes are known: behind `floor`, up to `last`. */
  bounds(): Promise<{ floor: number; last: number }>
  /** Resolves when there are changes behind a sequence number, or the signal is aborted. */
  changed(after: number, signal: AbortSignal): Promise<void>
  /** Keys that were queued for deletion before a time. */
  garbage(before: number, limit: number): Promise<string[]>
}

/** Repositories that have changed since they were counted. */
export interface PendingCounts {
  /** By id, each with the time before which it should not be counted again. */
  repositories: { repository: number; due: number }[]
  /** The sequence up to which changes were looked at. */
  cursor: number
  /** Whether the limit ended it. */
  more: boolean
}

/** Reads for counting what is in repositories. */
export interface CountReads {
  /** Looks at the changes behind the last counted, at most `limit`, and at repositories that are due. */
  pending(at: number, limit: number): Promise<PendingCounts>
  /** Counts a repository by its id, in small steps; undefined if it is not there, or the signal is aborted. */
  count(repository: number, signal: AbortSignal): Promise<Omit<RepositoryCount, 'at' | 'took'> | undefined>
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
  readonly contents: ContentReads
  readonly uploads: UploadReads
  readonly log: LogReads
  readonly counts: CountReads
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
