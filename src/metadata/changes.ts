import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'

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

/** @see PruneChanges */
export type PruneChangesOutcome = { result: 'done'; count: number; more: boolean }
