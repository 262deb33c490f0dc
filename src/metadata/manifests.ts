import type { Digest } from '../oci/digest.ts'
import type { LabelRequirement, Labels } from '../oci/label-selector.ts'
import type { Descriptor, Edge } from '../oci/manifest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import type { BlobRecord } from './blobs.ts'
import type { TagCondition } from './tags.ts'

/** A manifest without its bytes. */
export interface ManifestRecord {
  digest: Digest
  mediaType: string
  size: number
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

/** Stores a manifest and sets tags to it, if all that it requires is in the repository. */
export interface PutManifest {
  type: 'putManifest'
  repository: RepositoryName
  digest: Digest
  bytes: Uint8Array
  mediaType: string
  artifactType?: string
  subject?: Digest
  annotations?: Readonly<Record<string, string>>
  edges: readonly Edge[]
  /** What its image config says, if it has one. */
  labels?: Labels
  /** `os/architecture[/variant]`, of the image config. */
  platform?: string
  tags: readonly Tag[]
  /** Must hold for each of the tags. */
  condition: TagCondition
  at: number
}

/** @see PutManifest */
export type PutManifestOutcome =
  | { result: 'stored' | 'precondition-failed' | 'repository-deleting' }
  | { result: 'missing'; digests: Digest[] }
  /** It is there under this one. */
  | { result: 'other-media-type'; mediaType: string }

/**
 * Deletes a manifest and the tags that point to it, unless another manifest of the repository names it. No answer knows the tags from then
 * on; if they are many, their rows, and the changes that tell of each, follow by {@link DropDoomedTags}, and those of what it names by
 * {@link SettleEdges}.
 */
export interface DeleteManifest {
  type: 'deleteManifest'
  repository: RepositoryName
  digest: Digest
  /** Whether it and its content are kept for an undelete, until they expire. */
  keep?: boolean
  at: number
}

/** @see DeleteManifest */
export type DeleteManifestOutcome =
  | { result: 'deleted'; areRowsLeft?: boolean }
  | { result: 'unknown' }
  | { result: 'needed'; by: Digest }

/**
 * Brings a deleted manifest back, with those that it names and that were deleted as well, and sets tags to it. If those are too many for
 * one step, it only says which of them must be brought back before.
 */
export interface UndeleteManifest {
  type: 'undeleteManifest'
  repository: RepositoryName
  digest: Digest
  tags: readonly Tag[]
  at: number
}

/** @see UndeleteManifest */
export type UndeleteManifestOutcome =
  | { result: 'restored'; previousTags: Tag[] }
  /** They are too many to come back in one step: these first, then the rest in the same way. */
  | { result: 'graves-below'; digests: Digest[] }
  | { result: 'missing'; digests: Digest[] }
  | { result: 'exists' }
  | { result: 'unknown' }

/**
 * Removes a manifest, deleted or not, for good, and takes content out of the repository that only it named. A manifest that another one
 * names stays, as with {@link DeleteManifest}.
 */
export interface PurgeManifest {
  type: 'purgeManifest'
  repository: RepositoryName
  digest: Digest
  at: number
}

/** @see PurgeManifest */
export type PurgeManifestOutcome =
  | { result: 'purged'; areRowsLeft?: boolean }
  | { result: 'unknown' }
  | { result: 'needed'; by: Digest }

/** Lets go of manifests that were deleted before a time. */
export interface ExpireDeleted {
  type: 'expireDeleted'
  before: number
  /** Whether blobs that nothing else names count as unused since the manifest was pushed; else since now. */
  unusedSincePush?: boolean
  limit: number
  at: number
}

/** `more` if the limit ended it. `repositories` are those that the manifests were in. */
export type ExpireDeletedOutcome = {
  result: 'done'
  count: number
  more: boolean
  repositories: RepositoryName[]
}

/**
 * Moves or removes rows of what a manifest names that was deleted, or let go of, with more of them than one step moves. No answer took
 * them into account any more.
 */
export interface SettleEdges {
  type: 'settleEdges'
  limit: number
  at: number
}

/** `repositories` are those that the rows were of. */
export type SettleEdgesOutcome = {
  result: 'done'
  count: number
  more: boolean
  repositories: RepositoryName[]
}

/** Records when manifests were last pulled; those that are not there any more are passed over. */
export interface RecordPulls {
  type: 'recordPulls'
  pulls: readonly { repository: RepositoryName; digest: Digest; at: number }[]
}

/** @see RecordPulls */
export type RecordPullsOutcome = { result: 'done' }

/** Records what the image configs of manifests say that were pushed before that was read. */
export interface DescribeManifests {
  type: 'describeManifests'
  manifests: readonly { repository: number; digest: Digest; labels?: Labels; platform?: string }[]
}

/** @see DescribeManifests */
export type DescribeManifestsOutcome = { result: 'done' }
