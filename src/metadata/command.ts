import type { Digest } from '../oci/digest.ts'
import type { Labels } from '../oci/label-selector.ts'
import type { Edge } from '../oci/manifest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import type { UploadClaim, UploadCommand, UploadOutcomes } from './upload-command.ts'

export type * from './upload-command.ts'

/** Where the bytes of content are: in the metadata store itself, or in the blob store under a key. */
export type ContentPlace = { bytes: Uint8Array; key?: never } | { key: string; bytes?: never }

/** What a tag must be before a command may change it. @see RFC 9110, section 13.1 */
export interface TagCondition {
  /** One of these digests, or with `*` any. */
  ifMatch?: '*' | readonly string[]
  /** None of these digests, or with `*` absent. */
  ifNoneMatch?: '*' | readonly string[]
}

/** Makes a verified blob part of a repository and closes its upload. */
export interface PutBlob {
  type: 'putBlob'
  repository: RepositoryName
  digest: Digest
  size: number
  content: ContentPlace
  upload?: { id: string; claim: UploadClaim }
  at: number
}

/** Makes a blob of another repository (of any, without `from`) part of this one. */
export interface MountBlob {
  type: 'mountBlob'
  repository: RepositoryName
  digest: Digest
  from?: RepositoryName
  at: number
}

/** Takes a blob out of a repository, unless one of its manifests names it. */
export interface DeleteBlob {
  type: 'deleteBlob'
  repository: RepositoryName
  digest: Digest
  at: number
}

/** Puts off the collection of a blob that no manifest names yet, because a client was just told that it exists. */
export interface KeepBlob {
  type: 'keepBlob'
  repository: RepositoryName
  digest: Digest
  at: number
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

/** Lets go of manifests that were deleted before a time. */
export interface ExpireDeleted {
  type: 'expireDeleted'
  before: number
  /** Whether blobs that nothing else names count as unused since the manifest was pushed; else since now. */
  unusedSincePush?: boolean
  limit: number
  at: number
}

/** Records what the image configs of manifests say that were pushed before that was read. */
export interface DescribeManifests {
  type: 'describeManifests'
  manifests: readonly { repository: number; digest: Digest; labels?: Labels; platform?: string }[]
}

/** Records when manifests were last pulled; those that are not there any more are passed over. */
export interface RecordPulls {
  type: 'recordPulls'
  pulls: readonly { repository: RepositoryName; digest: Digest; at: number }[]
}

/** Removes rows of tags whose manifest was deleted with more tags than one step removes. No answer knew them any more. */
export interface DropDoomedTags {
  type: 'dropDoomedTags'
  limit: number
  at: number
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

/** Sets a tag to a manifest that is in the repository. */
export interface SetTag {
  type: 'setTag'
  repository: RepositoryName
  tag: Tag
  digest: Digest
  condition: TagCondition
  at: number
}

/** Removes a tag; the manifest stays. */
export interface DeleteTag {
  type: 'deleteTag'
  repository: RepositoryName
  tag: Tag
  condition: TagCondition
  at: number
}

/** Takes blobs out of repositories whose manifests have not named them since `before`. */
export interface CollectBlobs {
  type: 'collectBlobs'
  before: number
  limit: number
  at: number
}

/**
 * Forgets changes from before a time, the oldest of the registry first, but never the one that says what a tag is: the state of the tags
 * stays known for each time after that.
 */
export interface PruneChanges {
  type: 'pruneChanges'
  before: number
  limit: number
  at: number
}

/** Deletes a repository with all that is in it. From then on no answer knows it; its rows go by {@link DropDeletedRepositories}. */
export interface DeleteRepository {
  type: 'deleteRepository'
  repository: RepositoryName
  at: number
}

/** Removes rows of deleted repositories, and queues content that nobody else has for deletion. */
export interface DropDeletedRepositories {
  type: 'dropDeletedRepositories'
  limit: number
  at: number
}

/** Records how much is in repositories. */
export interface SaveCounts {
  type: 'saveCounts'
  counted: readonly RepositoryCount[]
  /** Those that must be counted again, and not before a time. */
  later: readonly { repository: number; due: number }[]
  /** The sequence up to which changes have been looked at. */
  cursor: number
}

/** How much is in a repository, counted at a revision. */
export interface RepositoryCount {
  /** Its id. */
  repository: number
  revision: number
  tags: number
  manifests: number
  /** Without manifests. */
  blobs: number
  /** Of all blobs and manifests, each once; in bytes. */
  size: number
  /** When counting began. */
  at: number
  /** How long that took, in milliseconds. */
  took: number
}

/** Forgets keys whose bytes are deleted. */
export interface ForgetGarbage {
  type: 'forgetGarbage'
  keys: readonly string[]
}

/** Records the key under which bytes are about to be written only to see whether that can be done: it is queued for deletion at once. */
export interface ReserveProbe {
  type: 'reserveProbe'
  key: string
  at: number
}

/** Gives space that the store does not use back to the file system. */
export interface ShrinkStore {
  type: 'shrinkStore'
  /** At most so many pages. */
  limit: number
}

/**
 * A write as plain data, so that it can be sent to another thread or process. All times are milliseconds since the epoch. What must hold
 * is decided inside of the store, in the transaction that does it.
 */
export type Command =
  | PutBlob
  | MountBlob
  | DeleteBlob
  | KeepBlob
  | PutManifest
  | DeleteManifest
  | UndeleteManifest
  | PurgeManifest
  | ExpireDeleted
  | DescribeManifests
  | RecordPulls
  | DropDoomedTags
  | SettleEdges
  | SetTag
  | DeleteTag
  | UploadCommand
  | CollectBlobs
  | PruneChanges
  | DeleteRepository
  | DropDeletedRepositories
  | SaveCounts
  | ForgetGarbage
  | ReserveProbe
  | ShrinkStore

/** What each command answers; a `result` that says why not has changed nothing. */
export interface Outcomes extends UploadOutcomes {
  putBlob: { result: 'stored' | 'upload-unknown' | 'upload-changed' | 'repository-deleting' }
  mountBlob: { result: 'mounted' | 'unknown' | 'repository-deleting' }
  deleteBlob: { result: 'deleted' | 'unknown' } | { result: 'needed'; by: Digest }
  keepBlob: { result: 'kept' | 'unknown' }
  putManifest:
    | { result: 'stored' | 'precondition-failed' | 'repository-deleting' }
    | { result: 'missing'; digests: Digest[] }
    /** It is there under this one. */
    | { result: 'other-media-type'; mediaType: string }
  deleteManifest:
    | { result: 'deleted'; areRowsLeft?: boolean }
    | { result: 'unknown' }
    | { result: 'needed'; by: Digest }
  undeleteManifest:
    | { result: 'restored'; previousTags: Tag[] }
    /** They are too many to come back in one step: these first, then the rest in the same way. */
    | { result: 'graves-below'; digests: Digest[] }
    | { result: 'missing'; digests: Digest[] }
    | { result: 'exists' }
    | { result: 'unknown' }
  purgeManifest:
    | { result: 'purged'; areRowsLeft?: boolean }
    | { result: 'unknown' }
    | { result: 'needed'; by: Digest }
  dropDoomedTags: { result: 'done'; count: number; more: boolean }
  settleEdges: { result: 'done'; count: number; more: boolean }
  /** `more` if the limit ended it. */
  expireDeleted: { result: 'done'; count: number; more: boolean }
  describeManifests: { result: 'done' }
  recordPulls: { result: 'done' }
  /** Set from `old` on, as of a revision; `deleted` if the manifest can be brought back. */
  setTag:
    | { result: 'set'; old: Digest | undefined; revision: number }
    | { result: 'precondition-failed' | 'unknown' | 'deleted' }
  deleteTag: { result: 'deleted' | 'unknown' | 'precondition-failed' }
  collectBlobs: { result: 'done'; count: number }
  pruneChanges: { result: 'done'; count: number; more: boolean }
  deleteRepository: { result: 'deleted' | 'unknown' }
  dropDeletedRepositories: { result: 'done'; count: number; more: boolean }
  saveCounts: { result: 'done' }
  forgetGarbage: { result: 'done' }
  reserveProbe: { result: 'done' }
  /** So many pages were given back. */
  shrinkStore: { result: 'done'; count: number; more: boolean }
}

/** What one command answers. */
export type Outcome<C extends Command = Command> = Outcomes[C['type']]
