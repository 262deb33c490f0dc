import type { Digest } from '../oci/digest.ts'
import type { LabelRequirement, Labels } from '../oci/label-selector.ts'
import type { Descriptor, Edge } from '../oci/manifest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import type { Actor } from './actor.ts'
import type { BlobRecord } from './blobs.ts'
import type { TagCondition } from './tags.ts'

/** A manifest without its bytes. */
export interface ManifestRecord {
  digest: Digest
  mediaType: string
  size: number
}

/** A query for a page of referrers. */
export interface ReferrersQuery {
  repository: RepositoryName
  subject: Digest
  /** Only these artifact types; all if empty. */
  artifactTypes: readonly string[]
  /** The page begins after this digest. */
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

/** The order of a manifest list. `pushed` is the order of first pushes; an undelete counts as a push. */
export type ManifestSort = 'pushed' | 'pulled' | 'size' | 'digest'

/** Where a page of a manifest list ended, in its sort order. It must be passed back unchanged. */
export interface ManifestCursor {
  key: number
  digest: string
  /** The page begins with this manifest again, with its tags after this one; or continues to look for a matching tag. */
  tag?: { after: string; isFound: boolean }
}

/** The filter of a manifest list. A manifest must meet all conditions. */
export interface ManifestFilters {
  /** One of its tags matches this pattern, as {@link parseGlob} parses it. */
  tag?: string
  /** No tag reaches it, neither through an index nor as a referrer. */
  untagged?: boolean
  /** One of these. */
  artifactTypes?: readonly string[]
  mediaTypes?: readonly string[]
  /** It has each of these, with this value if one is given. */
  annotations?: readonly { key: string; value?: string }[]
  labels?: readonly LabelRequirement[]
  subject?: Digest
  /** `os/architecture[/variant]`; without a variant, any. */
  platform?: string
  /** Milliseconds since the epoch. A manifest that was never pulled counts as pulled when it was pushed. */
  pushedBefore?: number
  pushedAfter?: number
  pulledBefore?: number
}

/** A query for a page of a manifest list. */
export interface ManifestQuery {
  repository: RepositoryName
  sort: ManifestSort
  descending: boolean
  filters: ManifestFilters
  /** The page begins after this position. */
  after?: ManifestCursor
  limit: number
  /** At most about this many bytes of JSON, but at least one manifest with one of its tags. */
  maxBytes: number
  /** Whether the answer repeats the manifest for each of its tags. */
  isPerTag?: boolean
}

/** A manifest as a list shows it. Times are milliseconds since the epoch. */
export interface ListedManifest extends ManifestRecord {
  artifactType?: string
  annotations?: Readonly<Record<string, string>>
  /** In byte order; at most 1,000. If there are more, the next page begins with this manifest and the rest of its tags. */
  tags: Tag[]
  /** Manifests of the repository that name it, in byte order; at most 100. */
  parents: Digest[]
  /** Manifests that it names and that the repository does not have. Only the first 1,000 that it names are checked. In byte order; at most 100. */
  missing: Digest[]
  subject?: Digest
  platform?: string
  pushed: number
  /** Recorded up to a minute late; undefined if it was never pulled. */
  pulled?: number
  /** The size of everything that it reaches, each digest once; in bytes. */
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
  /** Where the config is stored, if the manifest has one and it exists. */
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
  /** Looks at no more than 10,000 manifests, so a filtered page may be short or empty; undefined if the repository does not exist. */
  list(query: ManifestQuery): Promise<ManifestPage | undefined>
  /** The manifests that need {@link DescribeManifests}. */
  undescribed(limit: number): Promise<UndescribedManifest[]>
}

/** Stores a manifest and sets tags to it, if all that it requires is in the repository. */
export interface PutManifest {
  type: 'putManifest'
  /** Recorded in the change log. */
  actor: Actor
  repository: RepositoryName
  digest: Digest
  bytes: Uint8Array
  mediaType: string
  artifactType?: string
  subject?: Digest
  annotations?: Readonly<Record<string, string>>
  edges: readonly Edge[]
  /** From its image config, if it has one. */
  labels?: Labels
  /** `os/architecture[/variant]`, of the image config. */
  platform?: string
  tags: readonly Tag[]
  /** A condition that each of the tags must meet. */
  condition: TagCondition
}

/** @see PutManifest */
export type PutManifestOutcome =
  | { result: 'stored' | 'precondition-failed' | 'repository-deleting' }
  | { result: 'missing'; digests: Digest[] }
  /** The media type under which it exists. */
  | { result: 'other-media-type'; mediaType: string }

/**
 * Deletes a manifest and the tags that point to it, unless another manifest of the repository names it. The tags are invisible from then
 * on. If there are many, {@link DropHiddenTags} later removes their rows and records their changes, and {@link SettleEdges} handles the
 * rows of the content that the manifest names.
 */
export interface DeleteManifest {
  type: 'deleteManifest'
  /** Recorded in the change log. */
  actor: Actor
  repository: RepositoryName
  digest: Digest
  /** Whether it and its content are kept for an undelete, until they expire. */
  keep?: boolean
}

/** @see DeleteManifest */
export type DeleteManifestOutcome =
  | { result: 'deleted'; areRowsLeft?: boolean }
  | { result: 'unknown' }
  | { result: 'needed'; by: Digest }

/**
 * Restores a deleted manifest, with the deleted manifests that it names, and sets tags to it. If those are too many for one step, it only
 * returns which of them must be restored first.
 */
export interface UndeleteManifest {
  type: 'undeleteManifest'
  /** Recorded in the change log. */
  actor: Actor
  repository: RepositoryName
  digest: Digest
  tags: readonly Tag[]
}

/** @see UndeleteManifest */
export type UndeleteManifestOutcome =
  | { result: 'restored'; previousTags: Tag[] }
  /** There are too many to restore in one step. Restore these first, then the rest in the same way. */
  | { result: 'tombstones-below'; digests: Digest[] }
  | { result: 'missing'; digests: Digest[] }
  | { result: 'exists' }
  | { result: 'unknown' }

/**
 * Permanently removes a manifest, deleted or not, and removes content from the repository that only it named. A manifest that another one
 * names stays, as with {@link DeleteManifest}.
 */
export interface PurgeManifest {
  type: 'purgeManifest'
  /** Recorded in the change log. */
  actor: Actor
  repository: RepositoryName
  digest: Digest
}

/** @see PurgeManifest */
export type PurgeManifestOutcome =
  | { result: 'purged'; areRowsLeft?: boolean }
  | { result: 'unknown' }
  | { result: 'needed'; by: Digest }

/** Expires manifests that were deleted some time ago, so that they can no longer be restored. */
export interface ExpireDeleted {
  type: 'expireDeleted'
  /** How long ago at least, in milliseconds. */
  deletedFor: number
  /** Whether blobs that nothing else names count as unused since the manifest was pushed; otherwise they count as unused since now. */
  unusedSincePush?: boolean
  limit: number
}

/** `more` if it stopped at the limit. `repositories` are those that the manifests were in. */
export type ExpireDeletedOutcome = {
  result: 'done'
  count: number
  more: boolean
  repositories: RepositoryName[]
}

/**
 * Moves or removes the edge rows of a deleted or expired manifest that had more of them than one step moves. These rows are already
 * invisible to answers.
 */
export interface SettleEdges {
  type: 'settleEdges'
  limit: number
}

/** `repositories` are those that the rows belonged to. */
export type SettleEdgesOutcome = {
  result: 'done'
  count: number
  more: boolean
  repositories: RepositoryName[]
}

/** Records when manifests were last pulled. Manifests that no longer exist are skipped. */
export interface RecordPulls {
  type: 'recordPulls'
  /** `ago` is how long ago the manifest was pulled, in milliseconds; at least 0. */
  pulls: readonly { repository: RepositoryName; digest: Digest; ago: number }[]
}

/** @see RecordPulls */
export type RecordPullsOutcome = { result: 'done' }

/** Records the data of image configs for manifests that were pushed before their configs were read. */
export interface DescribeManifests {
  type: 'describeManifests'
  manifests: readonly { repository: number; digest: Digest; labels?: Labels; platform?: string }[]
}

/** @see DescribeManifests */
export type DescribeManifestsOutcome = { result: 'done' }
