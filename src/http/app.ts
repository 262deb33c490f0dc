import type { Extension } from '../extensions/extension.ts'
import { RegistryError } from '../oci/error.ts'
import { removePathPrefix } from '../oci/path-prefix.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { parseRoute, type Route, type RouteId } from '../oci/route.ts'
import { type Action, ANYONE, type Caller } from '../registry/caller.ts'
import type { Registry } from '../registry/registry.ts'
import { visibleRegistry } from '../registry/visible-registry.ts'
import type { HostCheck } from './allowed-hosts.ts'
import { blobMethods } from './blobs.ts'
import { refuseCrossSite } from './cross-site.ts'
import { type ExtensionParams, extensionMethods, resolveAlias } from './extensions.ts'
import type { Handler, Methods } from './handler.ts'
import { catalogMethods, referrersMethods, tagsMethods } from './lists.ts'
import { manifestMethods } from './manifests.ts'
import { type HttpApp, type HttpRequest, type HttpResponse, LIVENESS_PATH, PeerGoneError } from './message.ts'
import { parsePathParameters } from './parameters.ts'
import {
  COMMON_HEADERS,
  emptyResponse,
  errorResponse,
  isFailure,
  jsonResponse,
  toRegistryError,
  UNCACHED,
  withoutBodyOfHead,
} from './respond.ts'
import { uploadMethods, uploadsMethods } from './uploads.ts'

/** Where the app tells what it did. */
export interface HttpLog {
  /** Whether anything comes of a line of a level; where it is absent, of each. */
  isLevelEnabled?(level: 'debug'): boolean
  debug(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What the app is made of. */
export interface HttpAppParts {
  registry: Registry
  extensions: readonly Extension[]
  /** Refuses requests for foreign hosts; absent where the program around it chooses what it answers. */
  checkHost?: HostCheck
  /** How many threads answer requests; one if absent. */
  threads?: number
  /** Tells who sends a request; anyone may do everything if absent. */
  identify?(request: HttpRequest): Promise<Caller>
  /** Milliseconds since the epoch. */
  clock(): number
  /** Whether reads, or also writes, can be done; false while the server shuts down. */
  isReady(need: 'read' | 'write'): Promise<boolean>
  log: HttpLog
}

const base: Handler<'base'> = async () => jsonResponse(200, {})

/** What answers at each endpoint that is no extension's. */
export const METHODS: {
  readonly [Id in Exclude<RouteId, 'registryExtension' | 'repositoryExtension'>]: Methods<Id>
} = {
  base: { GET: { action: 'pull', handle: base }, HEAD: { action: 'pull', handle: base } },
  catalog: catalogMethods,
  uploads: uploadsMethods,
  upload: uploadMethods,
  blob: blobMethods,
  manifest: manifestMethods,
  tags: tagsMethods,
  referrers: referrersMethods,
}

/** The registry's API as one function from request to response. */
export function createApp(parts: HttpAppParts): HttpApp {
  const { log } = parts
  // The id of a request is made when it is asked for, which takes random bytes.
  const logsRequests = log.isLevelEnabled?.('debug') ?? true
  return async (request) => {
    const started = performance.now()
    const response = await answer(parts, request)
    if (logsRequests) {
      const ms = Math.round((performance.now() - started) * 10) / 10
      log.debug({ ...logFields(request), status: response.status, ms }, 'request')
    }
    return withoutBodyOfHead(request.method, response)
  }
}

/** What the log says of each request that it speaks of. */
function logFields({ method, path, origin: { address, requestId } }: HttpRequest): object {
  return { method, path, address, requestId }
}

async function answer(parts: HttpAppParts, request: HttpRequest): Promise<HttpResponse> {
  const { prefix } = request.origin
  const path = removePathPrefix(request.path, prefix)
  if (path === '/') return greeting()
  if (path === LIVENESS_PATH) return emptyResponse(200)
  if (path === '/readyz') return await readiness(parts, request)
  const response = await dispatch(parts, request, path).catch((error: unknown) =>
    failed(parts, request, error),
  )
  response.headers['Cache-Control'] ??= UNCACHED
  Object.assign(response.headers, COMMON_HEADERS)
  return prefix === '' ? response : withPathPrefix(response, prefix)
}

/** @see PROBES */
async function readiness({ isReady }: HttpAppParts, { query }: HttpRequest): Promise<HttpResponse> {
  const needs = query.getAll('for')
  if (needs.some((need) => need !== 'write')) {
    const message = '"for" must be write; without it, the probe checks reads'
    return errorResponse(new RegistryError('PARAMETER_INVALID', { message }))
  }
  if (await isReady(needs.length > 0 ? 'write' : 'read')) return emptyResponse(200)
  const message = 'the registry is not ready; its log has the cause'
  return errorResponse(new RegistryError('UNAVAILABLE', { message }))
}

/** For load balancers that probe the root, and for people who open it in a browser. */
function greeting(): HttpResponse {
  const bytes = Buffer.from('This is Stowage, a registry for OCI artifacts. Its API begins at /v2/.\n')
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': String(bytes.length) }
  return { status: 200, headers, body: { type: 'bytes', bytes } }
}

/** Makes the paths in the headers of an answer those that the client knows. */
function withPathPrefix(response: HttpResponse, prefix: string): HttpResponse {
  const { Location, Link } = response.headers
  const headers = {
    ...response.headers,
    ...(Location !== undefined && { Location: prefix + Location }),
    ...(Link !== undefined && { Link: Link.replace('<', `<${prefix}`) }),
  }
  return { ...response, headers }
}

function failed({ log }: HttpAppParts, request: HttpRequest, thrown: unknown): HttpResponse {
  // Nobody is there to read it, or will be soon.
  if (thrown instanceof PeerGoneError) return errorResponse(new RegistryError('REQUEST_TIMEOUT'))
  const error = toRegistryError(thrown)
  // What is refused on purpose needs no line for each request: whoever is refused may ask again at once.
  const isRefusal = thrown instanceof RegistryError && thrown.cause === undefined
  if (isFailure(error.id) && !isRefusal)
    log.error({ ...logFields(request), error: error.cause ?? error }, 'request failed')
  return errorResponse(error)
}

async function dispatch(parts: HttpAppParts, request: HttpRequest, path: string): Promise<HttpResponse> {
  parts.checkHost?.(request.header('host'))
  refuseCrossSite(request)
  const parsed = parseRoute(path)
  if (parsed === undefined) throw new RegistryError('ROUTE_UNKNOWN')
  const route = resolveAlias(parts.extensions, parsed, request)
  const params = parsePathParameters(route.params, request.method)
  const methods = methodsOf(parts, route, params)
  const method = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined
  if (method === undefined) {
    const allow = Object.keys(methods).join(', ')
    return errorResponse(new RegistryError('METHOD_UNSUPPORTED'), { Allow: allow })
  }
  const caller = parts.identify === undefined ? ANYONE : await parts.identify(request)
  if (caller !== ANYONE && !(await caller.may(method.action, params.name))) throw new RegistryError('DENIED')
  return await method.handle(visibleRegistry(parts.registry, caller.visibility), request, params, caller)
}

type PathParams = Readonly<Record<string, unknown>> & { name?: RepositoryName }

/** A method whose parameters are those of the endpoint that it was found at. */
interface AnyMethod {
  action: Action
  handle(registry: Registry, request: HttpRequest, params: unknown, caller: Caller): Promise<HttpResponse>
}

function methodsOf(
  parts: HttpAppParts,
  { id }: Route,
  params: PathParams,
): Readonly<Record<string, AnyMethod>> {
  const isExtension = id === 'registryExtension' || id === 'repositoryExtension'
  const methods = isExtension ? extensionMethods(parts, params as unknown as ExtensionParams) : METHODS[id]
  return methods as Readonly<Record<string, AnyMethod>>
}
