import type { RepositoryName } from '../oci/reference.ts'
import type { RouteId } from '../oci/route.ts'
import type { Action, Caller } from '../registry/caller.ts'
import type { Registry } from '../registry/registry.ts'

/** An extension as discovery lists it. */
export interface OfferedExtension {
  /** Its name without the underscore that it has in paths. */
  name: string
  description: string
  /** Where its endpoints are documented: an absolute URL. */
  url: string
  endpoints: readonly { route: RouteId; component: string; module: string }[]
}

/** Everything that an endpoint has access to. */
export interface Context {
  /** The registry as the caller may see it: reads across repositories return only visible ones. */
  readonly registry: Registry
  readonly caller: Caller
  /** Whether the caller may do something in a repository, or in the registry as a whole if there is none. */
  may(action: Action, repository: RepositoryName | undefined): Promise<boolean>
  /** Milliseconds since the epoch. */
  clock(): number
  /** The id of the request in its answer and in logs: given by a trusted proxy, or made here. */
  readonly requestId: string
  /** All extensions that this registry serves. */
  readonly extensions: readonly OfferedExtension[]
  /** How many threads answer requests; at least one. Limits of the whole server are divided by it. */
  readonly threads: number
}
