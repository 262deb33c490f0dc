import type { RepositoryName } from '../oci/reference.ts'
import type { OfferedExtension } from './context.ts'
import { type Endpoint, type EndpointDefinition, type EndpointRequest, endpoint } from './endpoint.ts'
import type { Parameters, ParameterValues } from './parameter.ts'
import type { JsonSchema } from './schema.ts'

/** A module that can be any tag. Modules of the same component that have a name come first. */
export const TAG_MODULE = '<tag>'

/** The levels at which extensions have endpoints: the registry, and a repository. */
export type ExtensionRouteId = 'registryExtension' | 'repositoryExtension'

/** The path of an extension's endpoint at either level. */
export interface ExtensionPath {
  extension: string
  component: string
  /** The endpoint's own module, or the text in place of its {@link TAG_MODULE}. */
  module: string
  /** Undefined at the level of the registry. */
  name?: RepositoryName
}

/** The request of an endpoint that exists at both levels, with these parameters in its query. */
export type ExtensionRequest<Query extends Parameters = Record<never, never>> = EndpointRequest<
  ExtensionPath,
  ParameterValues<Query>
>

/** Where in its extension an endpoint is. */
export interface ExtensionPlace {
  component: string
  /** Or {@link TAG_MODULE}. */
  module: string
  /** Whether it belongs to a draft of the specification, which may change. Drafts are served only if they are enabled. */
  draft?: true
  /**
   * An alternative path below the repository, for a GET whose `Accept` contains only this media type. It is the path of a manifest by a
   * tag, which keeps its meaning for all other requests.
   */
  alias?: { path: `manifests/${string}`; mediaType: string }
}

/** One method at `/v2/[<name>/]_<extension>/<component>/<module>`. */
export type ExtensionEndpoint = {
  [Id in ExtensionRouteId]: Endpoint<Id> & ExtensionPlace
}[ExtensionRouteId]

/** Makes an endpoint of an extension from its definition. */
export function extensionEndpoint<
  Id extends ExtensionRouteId,
  Query extends Parameters = Record<never, never>,
>(definition: EndpointDefinition<Id, Query> & ExtensionPlace): Endpoint<Id> & ExtensionPlace {
  const { component, module, draft, alias } = definition
  return { ...endpoint(definition), component, module, ...(draft && { draft }), ...(alias && { alias }) }
}

/**
 * A namespace of the API, as data; the list in server/request-server.ts is all the wiring there is.
 * @see OCI Distribution Specification, extensions/README.md
 */
export interface Extension extends OfferedExtension {
  endpoints: readonly ExtensionEndpoint[]
  /** The forms of its answers and bodies, for `docs/api` and `docs/extensions/schemas`; names are unique in the whole API. */
  schemas?: Readonly<Record<string, JsonSchema>>
}

/** An endpoint's path as discovery lists it: `_<extension>/<component>/<module>`. */
export function endpointPath(
  extension: { name: string },
  endpoint: { component: string; module: string },
): string {
  return `_${extension.name}/${endpoint.component}/${endpoint.module}`
}

/** The same extensions without their drafts. */
export function withoutDrafts(extensions: readonly Extension[]): Extension[] {
  return extensions.map((extension) => ({
    ...extension,
    endpoints: extension.endpoints.filter(({ draft }) => !draft),
  }))
}
