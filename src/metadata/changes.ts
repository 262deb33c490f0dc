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

/** A query for a page of the change log. */
export interface ChangeQuery {
  /** Only changes of this repository; of all repositories if absent. */
  repository?: RepositoryName
  /** Changes after this sequence number. */
  after: number
  limit: number
}

/** A page of the change log, oldest first. */
export interface ChangePage {
  changes: Change[]
  /** Changes up to this sequence number may be forgotten. A query that starts after a lower number has gaps. */
  floor: number
  /** The registry's last sequence number, at least, when this was read; no change below it is missing here if `changes` is not a full page. */
  last: number
}

/** A query for keys that are queued for deletion. */
export interface GarbageQuery {
  /** For how long at least, in milliseconds. */
  queuedFor: number
  /** Only keys that were queued up to this time, in milliseconds since the epoch; all if absent. */
  until?: number | undefined
  limit: number
}

/** Reads for clients that follow changes, and for the sweeper. */
export interface LogReads {
  /** Changes after a sequence number, oldest first. */
  changes(after: number, limit: number): Promise<Change[]>
  /** A page of changes, and up to where changes are forgotten; undefined if the repository does not exist. */
  read(query: ChangeQuery): Promise<ChangePage | undefined>
  /** The sequence numbers between which all changes are known: after `floor`, up to `last`. */
  bounds(): Promise<{ floor: number; last: number }>
  /** Resolves when there are changes after a sequence number, or the signal is aborted. */
  changed(after: number, signal: AbortSignal): Promise<void>
  /** Keys that have been queued for deletion for some time. */
  garbage(query: GarbageQuery): Promise<string[]>
}

/**
 * Forgets changes of some age, the oldest of the registry first. It keeps the change that defines the state of a tag at that time, so the
 * state of the tags stays known for every later time.
 */
export interface PruneChanges {
  type: 'pruneChanges'
  /** How old they are at least, in milliseconds. */
  age: number
  limit: number
}

/** @see PruneChanges */
export type PruneChangesOutcome = { result: 'done'; count: number; more: boolean }
