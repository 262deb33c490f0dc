import type { Operation } from '../oci/operation.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Registry } from '../registry/registry.ts'

/** What the registry's clients may be allowed to do; each endpoint says which of it it needs. */
export type Action = 'pull' | 'push' | 'delete' | 'catalog'

/** A request to an extension's endpoint. */
export interface ExtensionRequest {
  readonly query: URLSearchParams
  /** The value of a header by its lower-case name. */
  header(name: string): string | undefined
  readonly body: AsyncIterable<Uint8Array>
}

/** What an endpoint answers; status 200 and `application/json` unless it says otherwise. */
export interface ExtensionAnswer {
  status?: number
  headers?: Record<string, string>
  json: unknown
  mediaType?: string
}

/** What an endpoint works with: what the registry's own handlers have, and nothing else. */
export interface ExtensionContext {
  registry: Registry
  /** All extensions of this registry. */
  extensions: readonly Extension[]
  /** The repository in the path; undefined at registry level. */
  repository?: RepositoryName
}

/** One method at `/v2/[<name>/]_<extension>/<component>/<module>`. HEAD is answered wherever GET is. */
export interface Endpoint {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  scope: 'registry' | 'repository'
  component: string
  module: string
  action: Action
  /** What it takes, answers and refuses, for `docs/api`. */
  operation: Operation
  /** Refuses by a RegistryError, as the registry does. */
  handle(context: ExtensionContext, request: ExtensionRequest): Promise<ExtensionAnswer>
}

/**
 * A namespace of the API, as data; the list in server.ts is all the wiring there is.
 * @see OCI Distribution Specification, extensions/README.md
 */
export interface Extension {
  /** Without the underscore that it has in paths. */
  name: string
  description: string
  /** Where its endpoints are documented: an absolute URL. */
  url: string
  endpoints: readonly Endpoint[]
}

/** An endpoint's path as discovery gives it: `_<extension>/<component>/<module>`. */
export function endpointPath(extension: Extension, endpoint: Endpoint): string {
  return `_${extension.name}/${endpoint.component}/${endpoint.module}`
}

/** The endpoints at a path and level, one for each method; empty if no extension has it. */
export function findEndpoints(
  extensions: readonly Extension[],
  scope: Endpoint['scope'],
  path: string,
): Endpoint[] {
  return extensions.flatMap((extension) =>
    extension.endpoints.filter(
      (endpoint) => endpoint.scope === scope && endpointPath(extension, endpoint) === path,
    ),
  )
}
