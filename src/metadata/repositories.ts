import type { RepositoryName } from '../oci/reference.ts'
import type { Actor } from './actor.ts'
import type { RepositoryCount } from './counts.ts'
import type { Page } from './page.ts'

/** Identifies a state of a repository. */
export interface RepositoryState {
  /** Never reused for another repository, not even one of the same name. */
  id: number
  revision: number
  /** Milliseconds since the epoch. */
  created: number
  updated: number
}

/** A query for a page of a list of repositories. */
export interface RepositoryQuery {
  /** Only repositories below this path, which need not be a repository itself; all of the registry if empty. */
  parent: string
  /** Whether to include more than direct children. */
  recursive: boolean
  /** The page begins after this name. */
  after: string
  limit: number
}

/** A path below another. */
export interface RepositoryEntry {
  name: RepositoryName
  /** Undefined if only repositories below it exist. */
  state?: RepositoryState
  /** The result of the last count, which may be old; undefined if it was not counted yet. */
  count?: RepositoryCount
}

/** The progress of the most recent deletion of a repository with a name. */
export interface RepositoryDeletion {
  id: number
  /** Milliseconds since the epoch. */
  deleted: number
  /** Undefined while rows remain. */
  finished?: number
  /** Tags, manifests and blobs when it was deleted, if they had been counted. */
  total?: number
  /** How many of them are gone. */
  removed: number
}

/** Reads of repositories. */
export interface RepositoryReads {
  exists(name: RepositoryName): Promise<boolean>
  /** Names after `after`, in byte order. */
  list(after: string, limit: number): Promise<Page<RepositoryName>>
  state(name: RepositoryName): Promise<RepositoryState | undefined>
  /** Paths below another, in byte order. */
  children(query: RepositoryQuery): Promise<Page<RepositoryEntry>>
  /** Undefined if none of this name was deleted since the beginning of the change log. */
  deletion(name: RepositoryName): Promise<RepositoryDeletion | undefined>
}

/** Deletes a repository with all of its content. It is invisible from then on; {@link DropDeletedRepositories} removes its rows. */
export interface DeleteRepository {
  type: 'deleteRepository'
  /** Recorded in the change log. */
  actor: Actor
  repository: RepositoryName
}

/** @see DeleteRepository */
export type DeleteRepositoryOutcome = { result: 'deleted' | 'unknown' }

/** Removes rows of deleted repositories, and queues content for deletion that no other repository has. */
export interface DropDeletedRepositories {
  type: 'dropDeletedRepositories'
  limit: number
}

/** @see DropDeletedRepositories */
export type DropDeletedRepositoriesOutcome = { result: 'done'; count: number; more: boolean }
