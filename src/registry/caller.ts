import type { RepositoryName } from '../oci/reference.ts'

/** What clients may be allowed to do. Each endpoint says which of it it needs. */
export type Action = 'pull' | 'push' | 'delete' | 'catalog'

/** Which repositories somebody may know of. */
export interface Visibility {
  /** Text that differs wherever what two callers can see may differ. */
  readonly key: string
  /** Whether a repository may be known. */
  includes(repository: RepositoryName): Promise<boolean>
}

/** Who sends a request, and what they may do. */
export interface Caller {
  /** The repositories that the caller may pull from. No answer tells of any other. */
  readonly visibility: Visibility
  /** Whether the caller may do something in a repository, or in the registry as a whole if there is none. */
  may(action: Action, repository: RepositoryName | undefined): Promise<boolean>
}

/** The visibility of everything. */
export const EVERYTHING: Visibility = { key: '', includes: async () => true }

/** The caller of every request while there are no accounts: may do everything. */
export const ANYONE: Caller = { visibility: EVERYTHING, may: async () => true }
