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

/** Records how much is in repositories. */
export interface SaveCounts {
  type: 'saveCounts'
  counted: readonly RepositoryCount[]
  /** Those that must be counted again, and not before a time. */
  later: readonly { repository: number; due: number }[]
  /** The sequence up to which changes have been looked at. */
  cursor: number
}

/** @see SaveCounts */
export type SaveCountsOutcome = { result: 'done' }
