import { type ParsedPath, parsePath } from '../api/path.ts'
import { PROBES } from '../api/probes.ts'
import { RegistryError } from '../oci/error.ts'
import { removePathPrefix } from '../oci/path-prefix.ts'
import { parseRoute, type Route, type RouteId } from '../oci/route.ts'
import { ANYONE, type Caller } from '../registry/caller.ts'
import type { HostCheck } from './allowed-hosts.ts'
import { refuseCrossSite } from './cross-site.ts'
import { chooseType, toResponse } from './endpoint-response.ts'
import { type HttpApp, type HttpRequest, type HttpResponse, LIVENESS_PATH, PeerGoneError } from './message.ts'
import { type ContextParts, RequestContext } from './request-context.ts'
import {
  COMMON_HEADERS,
  complete,
  emptyResponse,
  errorResponse,
  isFailure,
  metricsResponse,
  toRegistryError,
  UNCACHED,
} from './respond.ts'
import { createRouter, type Router } from './router.ts'

/** Receives what the app did. */
export interface HttpLog {
  error(fields: object, message: string): void
}

/** The parts that the app is made of. */
export interface HttpAppParts extends ContextParts {
  /** Refuses requests for foreign hosts; absent if the host program decides which requests it answers. */
  checkHost?: HostCheck
  /** Determines who sends a request; if absent, anyone may do everything. */
  identify?(request: HttpRequest): Promise<Caller>
  /** Whether reads, or also writes, are possible; false while the server shuts down. */
  isReady(need: 'read' | 'write'): Promise<boolean>
  /** Reads the metrics for `/metrics`; absent if this app does not serve them. */
  readMetrics?(): Promise<string>
  log: HttpLog
}

/** The parts and the router. */
interface App extends HttpAppParts {
  router: Router
}

/** The registry's API as one function from request to response. */
export function createApp(parts: HttpAppParts): HttpApp {
  const app = { ...parts, router: createRouter(parts.extensions) }
  return async (request) => complete(await answer(app, request), request.method, request.origin.requestId)
}

/** The fields of every log line about a request. */
export function logFields({ method, path, origin: { address, requestId } }: HttpRequest): object {
  return { method, path, address, requestId }
}

async function answer(app: App, request: HttpRequest): Promise<HttpResponse> {
  const { prefix } = request.origin
  const path = removePathPrefix(request.path, prefix)
  const probe = probeAt(path)
  if (probe !== undefined && (probe !== METRICS_PATH || app.readMetrics !== undefined)) {
    request.operation = PROBES[probe].GET.id
    return await PROBE_ANSWERS[probe](app, request)
  }
  const response = await dispatchOrRefuse(app, request, path)
  response.headers['Cache-Control'] ??= UNCACHED
  Object.assign(response.headers, COMMON_HEADERS)
  return prefix === '' ? response : withPathPrefix(response, prefix)
}

type Probe = keyof typeof PROBES

const METRICS_PATH = '/metrics'

function probeAt(path: string): Probe | undefined {
  return Object.hasOwn(PROBES, path) ? (path as Probe) : undefined
}

const PROBE_ANSWERS: Readonly<
  Record<Probe, (app: App, request: HttpRequest) => HttpResponse | Promise<HttpResponse>>
> = {
  '/': greeting,
  [LIVENESS_PATH]: () => emptyResponse(200),
  '/readyz': readiness,
  [METRICS_PATH]: metrics,
}

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

async function metrics({ readMetrics, log }: App): Promise<HttpResponse> {
  try {
    return metricsResponse((await readMetrics?.()) ?? '')
  } catch (error) {
    log.error({ error }, 'the metrics could not be read')
    return errorResponse(new RegistryError('UNAVAILABLE', { message: 'the metrics could not be read' }))
  }
}

/** Changes the paths in the headers of an answer to those that the client uses. */
function withPathPrefix(response: HttpResponse, prefix: string): HttpResponse {
  const { Location, Link } = response.headers
  const headers = {
    ...response.headers,
    // An address elsewhere has no prefix.
    ...(Location?.startsWith('/') && { Location: prefix + Location }),
    ...(Link !== undefined && { Link: Link.replace('<', `<${prefix}`) }),
  }
  return { ...response, headers }
}

function failed({ log }: HttpAppParts, request: HttpRequest, thrown: unknown): HttpResponse {
  // The client is gone, or will be soon.
  if (thrown instanceof PeerGoneError) return errorResponse(new RegistryError('REQUEST_TIMEOUT'))
  const error = toRegistryError(thrown)
  // A deliberate refusal is not logged for each request, since a refused client may retry at once.
  const isRefusal = thrown instanceof RegistryError && thrown.cause === undefined
  if (isFailure(error.id) && !isRefusal)
    log.error({ ...logFields(request), error: error.cause ?? error }, 'request failed')
  return errorResponse(error)
}

async function dispatchOrRefuse(app: App, request: HttpRequest, path: string): Promise<HttpResponse> {
  try {
    return await dispatch(app, request, path)
  } catch (error) {
    return failed(app, request, error)
  }
}

/** Finds the endpoint of a request and runs it if the caller is allowed to use it. */
function dispatch(app: App, request: HttpRequest, path: string): Promise<HttpResponse> {
  app.checkHost?.(request.header('host'))
  refuseCrossSite(request)
  const parsed = parseRoute(path)
  if (parsed === undefined) throw new RegistryError('ROUTE_UNKNOWN')
  const route = app.router.resolveAlias(parsed, request)
  return answerAt(app, request, { route, path: parsePath(route, request.method) })
}

async function answerAt<Id extends RouteId>(
  app: App,
  request: HttpRequest,
  { route, path }: { route: Route; path: ParsedPath<Id> },
): Promise<HttpResponse> {
  const methods = app.router.methodsAt(path)
  const endpoint = methods.get(request.method)
  if (endpoint === undefined) {
    const allow = [...methods.keys()].join(', ')
    return errorResponse(new RegistryError('METHOD_UNSUPPORTED'), { Allow: allow })
  }
  request.operation = endpoint.id
  const caller = app.identify === undefined ? ANYONE : await app.identify(request)
  const context = new RequestContext(app, request, caller)
  if (caller !== ANYONE && !(await context.may(endpoint.action, path.repository)))
    throw new RegistryError('DENIED')
  const mediaType = chooseType(endpoint, request)
  const answer = await endpoint.answer(context, { request, path: path.values, mediaType })
  return await toResponse(answer, { request, endpoint, route, mediaType, caller })
}
