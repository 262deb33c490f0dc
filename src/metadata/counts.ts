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
  /** By id: those that should be counted now. */
  due: number[]
  /** Those that should be counted later, each with the earliest time for that. */
  later: { repository: number; due: number }[]
  /** The sequence up to which changes were looked at. */
  cursor: number
  /** Whether it stopped at the limit. */
  more: boolean
}

/** Reads for counting the content of repositories. */
export interface CountReads {
  /** Reads at most `limit` changes after the last counted one, and the repositories that are due. */
  pending(limit: number): Promise<PendingCounts>
  /** Counts a repository by its id, in small steps; undefined if it does not exist, or the signal is aborted. */
  count(repository: number, signal: AbortSignal): Promise<Omit<RepositoryCount, 'at' | 'took'> | undefined>
}

/** Records the counts of repositories. */
export interface SaveCounts {
  type: 'saveCounts'
  /** `ago` is how long ago counting began, in milliseconds. */
  counted: readonly (Omit<RepositoryCount, 'at'> & { ago: number })[]
  /** Repositories that must be counted again, each with the earliest time for that. */
  later: readonly { repository: number; due: number }[]
  /** The sequence up to which changes have been looked at. */
  cursor: number
}

/** @see SaveCounts */
export type SaveCountsOutcome = { result: 'done' }
