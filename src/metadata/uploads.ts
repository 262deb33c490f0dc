import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** A request's right to be the only one that writes to an upload. It is valid until it is released, or another request seizes the upload. */
export interface Lease {
  token: string
  /** Milliseconds since the epoch. Until then the upload does not expire. */
  until: number
}

/** A lease that a command takes or renews. */
export interface LeaseTerms {
  token: string
  /** How long the upload does not expire from the execution of the command on, in milliseconds. */
  duration: number
}

/**
 * The claim with which a command changes an upload: its lease, or the assertion that no writer has changed the upload since it was read and
 * none holds a lease. An upload without a row has version 0.
 */
export type UploadClaim = { lease: string; version?: never } | { version: number; lease?: never }

/** The known digests of an upload so far: by algorithm, in hexadecimal. Empty if none is known. */
export type DigestsSoFar = Readonly<Record<string, string>>

/** The content of an upload up to an offset. Small content is kept in the row until it grows; then it has a key. */
export interface UploadPosition {
  offset: number
  content: { bytes: Uint8Array; key?: never } | { key: string; state: string; bytes?: never }
  digests: DigestsSoFar
}

/** An upload as its row describes it: all durable bytes, and how many of them were acknowledged to a client. */
export interface UploadRecord extends UploadPosition {
  repository: RepositoryName
  /** Raised by each writer, so that an overtaken writer finds out. */
  version: number
  /** The end that a client was told in a 2xx or a 416; never after the durable end. */
  acknowledged: UploadPosition
  /** Who holds the upload; absent if nobody does. */
  lease?: Lease
  /** Whether an overtaken writer may still be writing to the key, so that the bytes must be copied before the upload continues. */
  mustMove: boolean
}

/** Reads of uploads. */
export interface UploadReads {
  /** The row of an upload; `ended` once it was closed, cancelled or has expired; undefined if it has no row yet. */
  find(id: string): Promise<UploadRecord | 'ended' | undefined>
  /** The digest of the blob that an upload was closed as, until the ended upload is forgotten; undefined if it was not closed. */
  closedAs(id: string): Promise<Digest | undefined>
}

interface OfUpload {
  id: string
  repository: RepositoryName
}

/** Takes the lease of an upload in order to write to the blob store; makes its row if it has none, and takes `key` if it has no key. */
export interface OpenUpload extends OfUpload {
  type: 'openUpload'
  claim: UploadClaim
  /** Where writing begins. If it begins at the acknowledged end, bytes after that are dropped. */
  from: 'held' | 'acknowledged'
  key: string
  lease: LeaseTerms
}

/** @see OpenUpload */
export type OpenUploadOutcome = { result: 'opened'; key: string } | { result: 'unknown' | 'changed' }

/** Records what an upload holds now; makes its row if it has none. */
export interface SaveUpload extends OfUpload {
  type: 'saveUpload'
  claim: UploadClaim
  offset: number
  content: { bytes: Uint8Array; state?: never } | { state: string; bytes?: never }
  digests: DigestsSoFar
  /** Whether the client is told about it. */
  acknowledged: boolean
  /** The lease with which the writer keeps the upload; without it, the upload is released. */
  lease?: LeaseTerms
}

/** @see SaveUpload */
export type SaveUploadOutcome = { result: 'saved'; version: number } | { result: 'unknown' | 'changed' }

/** Drops what an upload holds after its acknowledged end, and releases it. */
export interface RevertUpload extends OfUpload {
  type: 'revertUpload'
  claim: UploadClaim
}

/** @see RevertUpload */
export type RevertUploadOutcome = { result: 'reverted' | 'unknown' | 'changed' }

/** Records that a client is told about all bytes of an upload, even while another request is writing to it. */
export interface AcknowledgeUpload extends OfUpload {
  type: 'acknowledgeUpload'
}

/** @see AcknowledgeUpload */
export type AcknowledgeUploadOutcome = { result: 'acknowledged'; offset: number } | { result: 'unknown' }

/**
 * Takes an upload from a writer that did not confirm that it has stopped. Later commits of that writer are refused. Bytes after the
 * acknowledged end are dropped. Its key is not written to again: it becomes garbage at once if it has no acknowledged bytes, otherwise when
 * {@link MoveUpload} has replaced it.
 */
export interface SeizeUpload extends OfUpload {
  type: 'seizeUpload'
  lease: LeaseTerms
}

/** @see SeizeUpload */
export type SeizeUploadOutcome = { result: 'seized'; upload: UploadRecord } | { result: 'unknown' }

/** Records a key to which the holder of the lease is about to copy. It replaces any key that was recorded before. */
export interface ReserveKey {
  type: 'reserveKey'
  id: string
  lease: string
  key: string
}

/** @see ReserveKey */
export type ReserveKeyOutcome = { result: 'reserved' | 'changed' }

/** Replaces the upload's key with the reserved key, to which all acknowledged bytes were copied. */
export interface MoveUpload {
  type: 'moveUpload'
  id: string
  lease: string
  /** The state of the append to the reserved key. */
  state: string
}

/** @see MoveUpload */
export type MoveUploadOutcome = { result: 'moved' | 'changed' }

/** Releases a lease and leaves the upload as it was. */
export interface ReleaseUpload {
  type: 'releaseUpload'
  id: string
  lease: string
}

/** @see ReleaseUpload */
export type ReleaseUploadOutcome = { result: 'released' | 'unknown' }

/** Releases the leases of a holder that died, so that no request must wait until they expire. */
export interface ReleaseLeases {
  type: 'releaseLeases'
  /** The prefix of its lease tokens. */
  holder: string
}

/** @see ReleaseLeases */
export type ReleaseLeasesOutcome = { result: 'done' }

/** Ends an upload without a blob. Its id is unknown from then on. */
export interface EndUpload extends OfUpload {
  type: 'endUpload'
  /** Ends it only if this lease is still held; without it, ends it even while another request is writing. */
  lease?: string
}

/** @see EndUpload */
export type EndUploadOutcome = { result: 'ended' | 'unknown' | 'changed' }

/** Queues the key of a writer that was overtaken: the writer may have created a file after the key was forgotten. A key in use is left alone. */
export interface DiscardKey {
  type: 'discardKey'
  id: string
  key: string
}

/** @see DiscardKey */
export type DiscardKeyOutcome = { result: 'discarded' | 'in-use' }

/** Ends uploads that were not written to for some time, and forgets those that ended at least as long ago and whose id is less than `endedBefore`. */
export interface ExpireUploads {
  type: 'expireUploads'
  /** For how long, in milliseconds. */
  untouchedFor: number
  /** Ids sort by age. */
  endedBefore: string
  limit: number
}

/** @see ExpireUploads */
export type ExpireUploadsOutcome = { result: 'done'; count: number }
