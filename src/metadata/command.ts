import type { Digest } from '../oci/digest.ts'
import type { Edge } from '../oci/manifest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'

/** Where the bytes of content are: in the metadata store itself, or in the blob store under a key. */
export type ContentPlace = { bytes: Uint8Array; key?: never } | { key: string; bytes?: never }

/** What a tag must be before a command may change it. @see RFC 9110, section 13.1 */
export interface TagCondition {
  /** One of these digests, or with `*` any. */
  ifMatch?: '*' | readonly string[]
  /** None of these digests, or with `*` absent. */
  ifNoneMatch?: '*' | readonly string[]
}

/** A holder's claim on an upload; nobody else may write to it until it is released or `until` has passed. */
export interface Lease {
  token: string
  /** Milliseconds since the epoch. */
  until: number
}

/** The claim by which a command changes an upload: a lease, or that nothing was written since it was looked at. */
export type UploadClaim = { lease: string; offset?: never } | { offset: number; lease?: never }

/** What is known of an upload's digest so far: by algorithm, in hexadecimal. Empty where it isn't known. */
export type DigestsSoFar = Readonly<Record<string, string>>

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
  tags: readonly Tag[]
  /** Must hold for each of the tags. */
  condition: TagCondition
  at: number
}

/** Deletes a manifest and the tags that point to it, unless another manifest of the repository names it. */
export interface DeleteManifest {
  type: 'deleteManifest'
  repository: RepositoryName
  digest: Digest
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

/** Claims an upload for writing to the blob store; makes its row if it has none, and takes `key` if it has no key. */
export interface OpenUpload {
  type: 'openUpload'
  id: string
  repository: RepositoryName
  /** The offset that the caller saw. */
  offset: number
  key: string
  lease: Lease
  at: number
}

/** Records what an upload holds now; makes its row if it has none. */
export interface SaveUpload {
  type: 'saveUpload'
  id: string
  repository: RepositoryName
  claim: UploadClaim
  offset: number
  content: { bytes: Uint8Array; state?: never } | { state: string; bytes?: never }
  digests: DigestsSoFar
  /** Goes on holding the upload; without it the upload is released. */
  lease?: Lease
  at: number
}

/** Gives a lease back and leaves the upload as it was. */
export interface ReleaseUpload {
  type: 'releaseUpload'
  id: string
  lease: string
}

/** Gives back the leases of a holder that died, so that nobody must wait until they run out. */
export interface ReleaseLeases {
  type: 'releaseLeases'
  /** What the tokens of its leases begin with. */
  holder: string
}

/** Ends an upload without a blob; its id is not known any more from then on. */
export interface EndUpload {
  type: 'endUpload'
  id: string
  repository: RepositoryName
  at: number
}

/** Ends uploads that nobody wrote to since `before`, and forgets ended ones whose id is less than `endedBefore`: ids sort by age. */
export interface ExpireUploads {
  type: 'expireUploads'
  before: number
  endedBefore: string
  limit: number
  at: number
}

/** Takes blobs out of repositories whose manifests have not named them since `before`. */
export interface CollectBlobs {
  type: 'collectBlobs'
  before: number
  limit: number
  at: number
}

/** Forgets keys whose bytes are deleted. */
export interface ForgetGarbage {
  type: 'forgetGarbage'
  keys: readonly string[]
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
  | DeleteTag
  | OpenUpload
  | SaveUpload
  | ReleaseUpload
  | ReleaseLeases
  | EndUpload
  | ExpireUploads
  | CollectBlobs
  | ForgetGarbage

/** An upload as its row has it. */
export interface UploadRecord {
  repository: RepositoryName
  offset: number
  /** Small content is kept in the row until it grows; then it has a key. */
  content: { bytes: Uint8Array; key?: never } | { key: string; state: string; bytes?: never }
  digests: DigestsSoFar
  /** When the lease of who is writing runs out; undefined if nobody is. */
  leasedUntil?: number
}

/** What each command answers; a `result` that says why not has changed nothing. */
export interface Outcomes {
  putBlob: { result: 'stored' | 'upload-unknown' | 'upload-changed' }
  mountBlob: { result: 'mounted' | 'unknown' }
  deleteBlob: { result: 'deleted' | 'unknown' } | { result: 'needed'; by: Digest }
  keepBlob: { result: 'kept' | 'unknown' }
  putManifest: { result: 'stored' | 'precondition-failed' } | { result: 'missing'; digests: Digest[] }
  deleteManifest: { result: 'deleted' | 'unknown' } | { result: 'needed'; by: Digest }
  deleteTag: { result: 'deleted' | 'unknown' | 'precondition-failed' }
  openUpload:
    | { result: 'opened'; upload: UploadRecord; key: string }
    | { result: 'unknown' | 'busy' }
    | { result: 'moved'; offset: number }
  saveUpload: { result: 'saved' | 'unknown' | 'changed' }
  releaseUpload: { result: 'released' | 'unknown' }
  releaseLeases: { result: 'done' }
  endUpload: { result: 'ended' | 'unknown' }
  expireUploads: { result: 'done'; count: number }
  collectBlobs: { result: 'done'; count: number }
  forgetGarbage: { result: 'done' }
}

/** What one command answers. */
export type Outcome<C extends Command = Command> = Outcomes[C['type']]
