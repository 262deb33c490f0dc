import type { Operation } from '../api/operation.ts'
import type { JsonSchema } from '../api/schema.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Action, Caller } from '../registry/caller.ts'
import type { Registry, TagCondition } from '../registry/registry.ts'
import type { ExtensionAnswer } from './answer.ts'

/** A module that is any tag. No other endpoint may have the same component. */
export const TAG_MODULE = '<tag>'

/** A request to an extension's endpoint. */
export interface ExtensionRequest {
  readonly query: URLSearchParams
  /** The last part of the path: the endpoint's own module, or the text that stands for its {@link TAG_MODULE}. */
  readonly module: string
  /** What the answer will be sent in: one of the endpoint's media types. */
  readonly mediaType: string
  /** What stands before `/v2/` in the client's URL: for paths in a body. Those in headers get it by themselves. */
  readonly pathPrefix: string
  /** The value of a header by its lower-case name. */
  header(name: string): string | undefined
  /** What `If-Match` and `If-None-Match` want a tag to be, for endpoints that write one. */
  readonly tagCondition: TagCondition
  /** The client's IP address, if that is known. */
  readonly address: string | undefined
  /** Aborted as soon as nobody waits for the answer: the client has gone, or the server is closing. */
  readonly signal: AbortSignal
  readonly body: AsyncIterable<Uint8Array>
}

/** What an endpoint works with: what the registry's own handlers have, and nothing else. */
export interface ExtensionContext {
  /** As the caller may see it: its reads across repositories tell of no others than visible ones. */
  registry: Registry
  /** All extensions of this registry. */
  extensions: readonly Extension[]
  /** The repository in the path; undefined at registry level. */
  repository?: RepositoryName
  /** How many threads answer requests; what is bounded for the whole server is divided by that. One if absent. */
  threads?: number
  /** Who asks. */
  caller: Caller
  /** Milliseconds since the epoch. */
  clock(): number
}

/** What an endpoint of a repository works with. */
export interface RepositoryContext extends ExtensionContext {
  repository: RepositoryName
}

interface EndpointOf<Scope extends string, Context> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  scope: Scope
  component: string
  /** Or {@link TAG_MODULE}. */
  module: string
  /** Of a draft of the specification, which may change: only where drafts are asked for. */
  draft?: true
  action: Action
  /** What the answer can be sent in, the best first: the client's `Accept` chooses. Plain JSON, whatever it accepts, if absent. */
  mediaTypes?: readonly [string, ...string[]]
  /**
   * Another path below the repository, for a GET whose `Accept` is this media type and nothing else: a path that manifests have, of a tag
   * that keeps its meaning for everyone else.
   */
  alias?: { path: `manifests/${string}`; mediaType: string }
  /** What it takes, answers and refuses, for `docs/api`; {@link wholeOperation} adds what follows from the rest. */
  operation: Operation
  /** Refuses by a RegistryError, as the registry does. */
  handle(context: Context, request: ExtensionRequest): Promise<ExtensionAnswer>
}

/** One method at `/v2/[<name>/]_<extension>/<component>/<module>`. HEAD is answered wherever GET is. */
export type Endpoint = EndpointOf<'registry', ExtensionContext> | EndpointOf<'repository', RepositoryContext>

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
  /** The forms of its answers and bodies, for `docs/api` and `docs/extensions/schemas`; names are unique in the whole API. */
  schemas?: Readonly<Record<string, JsonSchema>>
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
      (endpoint) => endpoint.scope === scope && isAt(endpointPath(extension, endpoint), path),
    ),
  )
}

function isAt(own: string, path: string): boolean {
  if (!own.endsWith(TAG_MODULE)) return own === path
  return path.startsWith(own.slice(0, -TAG_MODULE.length))
}

/** The same extensions as they are where nobody asked for drafts. */
export function withoutDrafts(extensions: readonly Extension[]): Extension[] {
  return extensions.map((extension) => ({
    ...extension,
    endpoints: extension.endpoints.filter(({ draft }) => !draft),
  }))
}
