import type { RepositoryName } from '../oci/reference.ts'
import type { RouteId } from '../oci/route.ts'
import type { Action, Caller } from '../registry/caller.ts'
import type { Registry } from '../registry/registry.ts'

/** An extension as discovery tells of it. */
export interface OfferedExtension {
  /** Without the underscore that it has in paths. */
  name: string
  description: string
  /** Where its endpoints are documented: an absolute URL. */
  url: string
  endpoints: readonly { route: RouteId; component: string; module: string }[]
}

/** What an endpoint works with, and nothing else. */
export interface Context {
  /** As the caller may see it: its reads across repositories return only visible ones. */
  readonly registry: Registry
  readonly caller: Caller
  /** Whether the caller may do something in a repository, or in the registry as a whole if there is none. */
  may(action: Action, repository: RepositoryName | undefined): Promise<boolean>
  /** Milliseconds since the epoch. */
  clock(): number
  /** The name of the request in logs: given by a trusted proxy, or a random UUID. */
  readonly requestId: string
  /** All extensions that this registry serves. */
  readonly extensions: readonly OfferedExtension[]
  /** How many threads answer requests; a bound on the whole server is divided by it. At least one. */
  readonly threads: number
}
