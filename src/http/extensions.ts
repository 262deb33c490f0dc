import { createHash } from 'node:crypto'
import type { ExtensionAnswer, JsonAnswer } from '../extensions/answer.ts'
import {
  type Endpoint,
  type Extension,
  type ExtensionContext,
  type ExtensionRequest,
  findEndpoints,
  type RepositoryContext,
} from '../extensions/extension.ts'
import { chooseMediaType } from '../oci/accept.ts'
import { RegistryError } from '../oci/error.ts'
import { formatNextLink } from '../oci/link.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Route } from '../oci/route.ts'
import type { Action, Caller } from '../registry/caller.ts'
import type { Registry, TagCondition } from '../registry/registry.ts'
import { contentResponse } from './content.ts'
import type { HttpRequest, HttpResponse } from './message.ts'
import { isNotModified, requireMatch, tagCondition } from './precondition.ts'
import { emptyResponse, jsonResponse } from './respond.ts'

/** The parameters of an extension's path. */
export interface ExtensionParams {
  name?: RepositoryName
  extension: string
  component: string
  module: string
}

/** What all endpoints are given beside the registry and the request. */
export type Surroundings = Pick<ExtensionContext, 'extensions' | 'clock' | 'threads'>

/** One method of an extension's endpoint, and what its caller must be allowed to do. */
export interface ExtensionMethod {
  action: Action
  handle(
    registry: Registry,
    request: HttpRequest,
    params: ExtensionParams,
    caller: Caller,
  ): Promise<HttpResponse>
}

/** What is being answered. */
interface Exchange {
  request: HttpRequest
  endpoint: Endpoint
  /** Of the endpoint, as a `Link` has it. */
  path: string
  mediaType: string
  caller: Caller
}

/** The methods of an extension's endpoint. @throws RegistryError EXTENSION_UNKNOWN if there is none at this path and level */
export function extensionMethods(
  surroundings: Surroundings,
  params: ExtensionParams,
): Readonly<Record<string, ExtensionMethod>> {
  const scope = params.name === undefined ? 'registry' : 'repository'
  const path = `_${params.extension}/${params.component}/${params.module}`
  const endpoints = findEndpoints(surroundings.extensions, scope, path)
  if (endpoints.length === 0) throw new RegistryError('EXTENSION_UNKNOWN')
  return Object.fromEntries(
    endpoints.flatMap((endpoint) => {
      const method = methodOf(endpoint, path, surroundings)
      return endpoint.method === 'GET'
        ? [
            ['GET', method],
            ['HEAD', method],
          ]
        : [[endpoint.method, method]]
    }),
  )
}

function methodOf(endpoint: Endpoint, path: string, surroundings: Surroundings): ExtensionMethod {
  return {
    action: endpoint.action,
    async handle(registry, request, { name, module }, caller) {
      const mediaType = mediaTypeOf(endpoint, request)
      const context = { ...surroundings, registry, caller, ...(name && { repository: name }) }
      const asked = new EndpointRequest(request, { mediaType, module })
      // The path of an endpoint of a repository has its name.
      const answer = await endpoint.handle(context as RepositoryContext, asked)
      const level = name === undefined ? '/v2' : `/v2/${name}`
      return await toResponse(answer, { request, endpoint, path: `${level}/${path}`, mediaType, caller })
    },
  }
}

function mediaTypeOf({ mediaTypes }: Endpoint, request: HttpRequest): string {
  if (mediaTypes === undefined) return MEDIA_TYPES.json
  const chosen = chooseMediaType(request.header('accept'), mediaTypes)
  if (chosen !== undefined) return chosen
  throw new RegistryError('NOT_ACCEPTABLE', {
    message: `this endpoint answers in ${mediaTypes.join(', ')}, none of which Accept allows`,
    details: [{ mediaTypes }],
  })
}

/** A request as an endpoint gets it. */
class EndpointRequest implements ExtensionRequest {
  readonly mediaType: string
  readonly module: string
  readonly #request: HttpRequest

  constructor(request: HttpRequest, { mediaType, module }: { mediaType: string; module: string }) {
    this.mediaType = mediaType
    this.module = module
    this.#request = request
  }

  get query(): URLSearchParams {
    return this.#request.query
  }

  get pathPrefix(): string {
    return this.#request.origin.prefix
  }

  get address(): string | undefined {
    return this.#request.origin.address
  }

  header(name: string): string | undefined {
    return this.#request.header(name)
  }

  get tagCondition(): TagCondition {
    return tagCondition(this.#request)
  }

  get signal(): AbortSignal {
    return this.#request.signal
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#request.body
  }
}

async function toResponse(answer: ExtensionAnswer, exchange: Exchange): Promise<HttpResponse> {
  const { request, endpoint, mediaType } = exchange
  if (answer.type === 'content') return await contentResponse(request, answer)
  const { status = 200 } = answer
  const headers = {
    ...(endpoint.mediaTypes && { Vary: 'Accept' }),
    ...filtersApplied(exchange),
    ...answer.headers,
  }
  if (answer.type === 'empty') return emptyResponse(status, headers)
  if (answer.type === 'json') return await jsonResponseOf(answer, exchange, headers)
  return {
    status,
    headers: { 'Content-Type': mediaType, ...headers },
    ...(request.method !== 'HEAD' && { body: { type: 'stream', chunks: answer.chunks() } }),
  }
}

function filtersApplied({ endpoint, request }: Exchange): Record<string, string> {
  const applied = Object.entries(endpoint.operation.query ?? {})
    .filter(([name, { filter }]) => filter && request.query.has(name))
    .map(([name]) => name)
  return applied.length === 0 ? {} : { 'OCI-Filters-Applied': applied.join(',') }
}

async function jsonResponseOf(
  { status = 200, state, read }: JsonAnswer,
  exchange: Exchange,
  headers: Readonly<Record<string, string>>,
): Promise<HttpResponse> {
  const { request, mediaType } = exchange
  const before = await state?.()
  if (before === undefined) return await readResponse(read, { status, exchange, headers })
  const tag = entityTag(before, exchange)
  requireMatch(request, tag)
  const tagged = { ...headers, ETag: `"${tag}"` }
  if (isNotModified(request, tag)) return emptyResponse(304, tagged)
  // How long the body would be isn't known without reading all of it.
  if (request.method === 'HEAD') return { status, headers: { 'Content-Type': mediaType, ...tagged } }
  const response = await readResponse(read, { status, exchange, headers })
  // A change in between may be in the body or not: then it has no name.
  const isSame = (await state?.()) === before
  return isSame ? { ...response, headers: { ...response.headers, ETag: `"${tag}"` } } : response
}

async function readResponse(
  read: JsonAnswer['read'],
  {
    status,
    exchange,
    headers,
  }: { status: number; exchange: Exchange; headers: Readonly<Record<string, string>> },
): Promise<HttpResponse> {
  const { json, next } = await read()
  const link = next === undefined ? {} : { Link: linkTo(next, exchange) }
  return jsonResponse(status, json, { ...headers, ...link }, exchange.mediaType)
}

/** The parameters that the endpoint knows, in its own order. */
function knownParameters({ endpoint, request }: Exchange): [name: string, value: string][] {
  return Object.keys(endpoint.operation.query ?? {}).flatMap((name) =>
    request.query.getAll(name).map((value): [string, string] => [name, value]),
  )
}

function linkTo(cursor: string, exchange: Exchange): string {
  const others = knownParameters(exchange).filter(([name]) => name !== 'cursor')
  return formatNextLink(exchange.path, [...others, ['cursor', cursor]])
}

function entityTag(state: string, exchange: Exchange): string {
  const { path, mediaType, caller } = exchange
  const all = JSON.stringify([state, path, mediaType, caller.visibility.key, knownParameters(exchange)])
  return `state:${createHash('sha256').update(all).digest('base64url')}`
}

/**
 * Leads a request to an extension's endpoint if it asks for that by the endpoint's other path and by its media type alone; whoever accepts
 * anything else means what the path means otherwise.
 */
export function resolveAlias(
  extensions: readonly Extension[],
  route: Route,
  request: Pick<HttpRequest, 'method' | 'header'>,
): Route {
  if (route.id !== 'manifest' || (request.method !== 'GET' && request.method !== 'HEAD')) return route
  const accept = request.header('accept')?.trim().toLowerCase()
  const { name, reference } = route.params
  for (const extension of extensions) {
    for (const { alias, component, module } of extension.endpoints) {
      if (alias === undefined || alias.mediaType !== accept || alias.path !== `manifests/${reference}`)
        continue
      return { id: 'repositoryExtension', params: { name, extension: extension.name, component, module } }
    }
  }
  return route
}
