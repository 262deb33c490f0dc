import type { RepositoryName } from '../oci/reference.ts'
import type { RepositoryCount } from './counts.ts'
import type { Page } from './page.ts'

/** What tells two states of a repository apart. */
export interface RepositoryState {
  /** Never used again for another, also not of the same name. */
  id: number
  revision: number
  /** Milliseconds since the epoch. */
  created: number
  updated: number
}

/** What a page of a list of repositories is asked for. */
export interface RepositoryQuery {
  /** Those below this path, which may have no repository itself; all of the registry if empty. */
  parent: string
  /** Not only direct children. */
  recursive: boolean
  /** The page begins behind this name. */
  after: string
  limit: number
}

/** A path below another. */
export interface RepositoryEntry {
  name: RepositoryName
  /** Undefined if only repositories below it are there. */
  state?: RepositoryState
  /** As it was counted last, some time ago; undefined if it has not been yet. */
  count?: RepositoryCount
}

/** What has become of a deleted repository, of the last one of its name. */
export interface RepositoryDeletion {
  id: number
  /** Milliseconds since the epoch. */
  deleted: number
  /** Undefined while rows are left. */
  finished?: number
  /** Tags, manifests and blobs when it was deleted, if they had been counted. */
  total?: number
  /** How many of them are gone. */
  removed: number
}

/** Reads of repositories. */
export interface RepositoryReads {
  exists(name: RepositoryName): Promise<boolean>
  /** Names behind `after`, in byte order. */
  list(after: string, limit: number): Promise<Page<RepositoryName>>
  state(name: RepositoryName): Promise<RepositoryState | undefined>
  /** Paths below another, in byte order. */
  children(query: RepositoryQuery): Promise<Page<RepositoryEntry>>
  /** Undefined if none of this name was deleted, or not since the change log begins. */
  deletion(name: RepositoryName): Promise<RepositoryDeletion | undefined>
}

/** Deletes a repository with all that is in it. From then on no answer knows it; its rows go by {@link DropDeletedRepositories}. */
export interface DeleteRepository {
  type: 'deleteRepository'
  repository: RepositoryName
  at: number
}

/** @see DeleteRepository */
export type DeleteRepositoryOutcome = { result: 'deleted' | 'unknown' }

/** Removes rows of deleted repositories, and queues content that nobody else has for deletion. */
export interface DropDeletedRepositories {
  type: 'dropDeletedRepositories'
  limit: number
  at: number
}

/** @see DropDeletedRepositories */
export type DropDeletedRepositoriesOutcome = { result: 'done'; count: number; more: boolean }
