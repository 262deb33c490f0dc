import type { Actor } from '../metadata/actor.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** What clients may be allowed to do. Each endpoint states which permission it needs. */
export type Action = 'pull' | 'push' | 'delete' | 'catalog'

/** Which repositories a caller may know about. */
export interface Visibility {
  /** Text that differs between two callers if they may see different repositories. */
  readonly key: string
  /** Whether the caller may know that a repository exists. */
  includes(repository: RepositoryName): Promise<boolean>
}

/** Who sends a request, and what they may do. */
export interface Caller {
  /** Who the change log says has made the changes of the caller. */
  readonly actor: Actor
  /** The repositories that the caller may pull from. No answer reveals any other. */
  readonly visibility: Visibility
  /** Whether the caller may do something in a repository, or in the registry as a whole if there is none. */
  may(action: Action, repository: RepositoryName | undefined): Promise<boolean>
}

/** The visibility of everything. */
export const EVERYTHING: Visibility = { key: '', includes: async () => true }

/** The caller of every request while there are no accounts. It may do everything. */
export const ANYONE: Caller = { actor: { kind: 'anonymous' }, visibility: EVERYTHING, may: async () => true }
