/** The counts of a repository at a revision. */
export interface RepositoryCount {
  /** Its id. */
  repository: number
  revision: number
  tags: number
  manifests: number
  /** Manifests do not count as blobs. */
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
  /** By id, with the time before which each should not be counted again. */
  repositories: { repository: number; due: number }[]
  /** The sequence up to which changes were looked at. */
  cursor: number
  /** Whether it stopped at the limit. */
  more: boolean
}

/** Reads for counting the content of repositories. */
export interface CountReads {
  /** Reads at most `limit` changes after the last counted one, and the repositories that are due. */
  pending(at: number, limit: number): Promise<PendingCounts>
  /** Counts a repository by its id, in small steps; undefined if it does not exist, or the signal is aborted. */
  count(repository: number, signal: AbortSignal): Promise<Omit<RepositoryCount, 'at' | 'took'> | undefined>
}

/** Records the counts of repositories. */
export interface SaveCounts {
  type: 'saveCounts'
  counted: readonly RepositoryCount[]
  /** Repositories that must be counted again, each with the earliest time for that. */
  later: readonly { repository: number; due: number }[]
  /** The sequence up to which changes have been looked at. */
  cursor: number
}

/** @see SaveCounts */
export type SaveCountsOutcome = { result: 'done' }
