import type { Endpoint } from '../api/endpoint.ts'
import {
  type Extension,
  type ExtensionPath,
  type ExtensionRouteId,
  endpointPath,
  TAG_MODULE,
} from '../api/extension.ts'
import type { ParsedPath, PathValues } from '../api/path.ts'
import { ENDPOINTS } from '../endpoints/endpoints.ts'
import { RegistryError } from '../oci/error.ts'
import type { Route, RouteId } from '../oci/route.ts'

/** The endpoints of a path by method, HEAD included, in the order in which `Allow` names them. */
export type Methods<Id extends RouteId> = ReadonlyMap<string, Endpoint<Id>>

/** Finds the endpoints of paths. */
export interface Router {
  /**
   * Routes a request to an extension's endpoint if it uses the endpoint's alternative path and accepts only its media type. A client that
   * also accepts something else gets the usual endpoint of the path.
   */
  resolveAlias(route: Route, request: { method: string; header(name: string): string | undefined }): Route
  /** @throws RegistryError EXTENSION_UNKNOWN if no extension has an endpoint at this path and level */
  methodsAt<Id extends RouteId>(path: ParsedPath<Id>): Methods<Id>
}

/** The endpoints of each route. */
type Routes = { readonly [Id in RouteId]: (path: PathValues<Id>) => Methods<Id> }

/** Makes the router of the endpoints of the specification and of extensions. */
export function createRouter(extensions: readonly Extension[]): Router {
  const placed = extensions.flatMap((extension) =>
    extension.endpoints.map((endpoint) => ({ path: endpointPath(extension, endpoint), endpoint })),
  )
  const routes: Routes = {
    base: fixed(ENDPOINTS.base),
    catalog: fixed(ENDPOINTS.catalog),
    registryExtension: ofExtensions(
      placed.flatMap(({ path, endpoint }) =>
        endpoint.route === 'registryExtension' ? [[path, endpoint]] : [],
      ),
    ),
    repositoryExtension: ofExtensions(
      placed.flatMap(({ path, endpoint }) =>
        endpoint.route === 'repositoryExtension' ? [[path, endpoint]] : [],
      ),
    ),
    uploads: fixed(ENDPOINTS.uploads),
    upload: fixed(ENDPOINTS.upload),
    blob: fixed(ENDPOINTS.blob),
    manifest: fixed(ENDPOINTS.manifest),
    tags: fixed(ENDPOINTS.tags),
    referrers: fixed(ENDPOINTS.referrers),
  }
  return { resolveAlias: aliasResolver(extensions), methodsAt: ({ id, values }) => routes[id](values) }
}

function fixed<Id extends RouteId>(endpoints: readonly Endpoint<Id>[]): () => Methods<Id> {
  const methods = byMethod(endpoints)
  return () => methods
}

function byMethod<Id extends RouteId>(endpoints: readonly Endpoint<Id>[]): Methods<Id> {
  return new Map(
    endpoints.flatMap((endpoint) =>
      endpoint.method === 'GET'
        ? [
            ['GET', endpoint],
            ['HEAD', endpoint],
          ]
        : [[endpoint.method, endpoint]],
    ),
  )
}

/** An endpoint of an extension, with its path as discovery lists it. */
type Placed<Id extends ExtensionRouteId> = readonly [path: string, endpoint: Endpoint<Id>]

function ofExtensions<Id extends ExtensionRouteId>(
  placed: readonly Placed<Id>[],
): (path: ExtensionPath) => Methods<Id> {
  const paths = Map.groupBy(placed, ([path]) => path)
  const methods = new Map([...paths].map(([path, here]) => [path, byMethod(here.map(([, one]) => one))]))
  return ({ extension, component, module }) => {
    const at = (last: string) => methods.get(`_${extension}/${component}/${last}`)
    const found = at(module) ?? at(TAG_MODULE)
    if (found === undefined) throw new RegistryError('EXTENSION_UNKNOWN')
    return found
  }
}

function aliasResolver(extensions: readonly Extension[]): Router['resolveAlias'] {
  const aliases = extensions.flatMap(({ name: extension, endpoints }) =>
    endpoints.flatMap(({ alias, component, module }) =>
      alias === undefined ? [] : [{ ...alias, target: { extension, component, module } }],
    ),
  )
  return (route, request) => {
    if (route.id !== 'manifest' || (request.method !== 'GET' && request.method !== 'HEAD')) return route
    const { name, reference } = route.params
    const alias = aliases.find(({ path }) => path === `manifests/${reference}`)
    if (alias === undefined || alias.mediaType !== request.header('accept')?.trim().toLowerCase())
      return route
    return { id: 'repositoryExtension', params: { name, ...alias.target } }
  }
}
