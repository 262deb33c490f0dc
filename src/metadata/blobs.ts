import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Actor } from './actor.ts'
import type { UploadClaim } from './uploads.ts'

/** Where the bytes of content are stored: in the metadata store itself, or in the blob store under a key. */
export type ContentPlace = { bytes: Uint8Array; key?: never } | { key: string; bytes?: never }

/** A blob of a repository. */
export interface BlobRecord {
  size: number
  content: ContentPlace
  /** Since when no manifest of the repository names it; undefined while one does. */
  unusedSince?: number
}

/** Reads of blobs. */
export interface BlobReads {
  find(repository: RepositoryName, digest: Digest): Promise<BlobRecord | undefined>
}

/** Makes a verified blob part of a repository and closes its upload. */
export interface PutBlob {
  type: 'putBlob'
  /** Recorded in the change log. */
  actor: Actor
  repository: RepositoryName
  digest: Digest
  size: number
  content: ContentPlace
  upload?: { id: string; claim: UploadClaim }
}

/** @see PutBlob */
export type PutBlobOutcome = {
  result: 'stored' | 'upload-unknown' | 'upload-changed' | 'repository-deleting'
}

/** Makes a blob of another repository (of any, without `from`) part of this one. */
export interface MountBlob {
  type: 'mountBlob'
  /** Recorded in the change log. */
  actor: Actor
  repository: RepositoryName
  digest: Digest
  from?: RepositoryName
}

/** @see MountBlob */
export type MountBlobOutcome = { result: 'mounted' | 'unknown' | 'repository-deleting' }

/** Removes a blob from a repository, unless one of its manifests names it. */
export interface DeleteBlob {
  type: 'deleteBlob'
  repository: RepositoryName
  digest: Digest
}

/** @see DeleteBlob */
export type DeleteBlobOutcome = { result: 'deleted' | 'unknown' } | { result: 'needed'; by: Digest }

/** Puts off the collection of a blob that no manifest names yet, because a client was just told that it exists. */
export interface KeepBlob {
  type: 'keepBlob'
  repository: RepositoryName
  digest: Digest
}

/** @see KeepBlob */
export type KeepBlobOutcome = { result: 'kept' | 'unknown' }

/** Removes blobs from repositories whose manifests have not named them for some time. */
export interface CollectBlobs {
  type: 'collectBlobs'
  /** For how long, in milliseconds. */
  unusedFor: number
  limit: number
}

/** `repositories` are those that lost a blob. */
export type CollectBlobsOutcome = { result: 'done'; count: number; repositories: RepositoryName[] }
