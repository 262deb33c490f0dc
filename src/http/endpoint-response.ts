import { createHash } from 'node:crypto'
import type { Answer, JsonAnswer, PageParameters } from '../api/answer.ts'
import type { Endpoint } from '../api/endpoint.ts'
import { isNotModified, requireMatch } from '../api/precondition.ts'
import { chooseMediaType } from '../oci/accept.ts'
import { RegistryError } from '../oci/error.ts'
import { formatNextLink } from '../oci/link.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import { formatPath, type Route } from '../oci/route.ts'
import type { Caller } from '../registry/caller.ts'
import { contentResponse } from './content.ts'
import type { HttpRequest, HttpResponse } from './message.ts'
import { emptyResponse, errorResponse, jsonResponse } from './respond.ts'

/** The request that is being answered. */
export interface AnsweredExchange {
  request: HttpRequest
  endpoint: Pick<Endpoint, 'mediaTypes' | 'query'>
  route: Route
  /** The media type that the endpoint and the client agreed on. */
  mediaType: string
  caller: Caller
}

/** Chooses the media type of an endpoint's answer. @throws RegistryError NOT_ACCEPTABLE */
export function chooseType({ mediaTypes }: Pick<Endpoint, 'mediaTypes'>, request: HttpRequest): string {
  if (mediaTypes === undefined) return MEDIA_TYPES.json
  const chosen = chooseMediaType(request.header('accept'), mediaTypes)
  if (chosen !== undefined) return chosen
  throw new RegistryError('NOT_ACCEPTABLE', {
    message: `this endpoint answers in ${mediaTypes.join(', ')}, none of which Accept allows`,
    details: [{ mediaTypes }],
  })
}

/** Turns the answer of an endpoint into a response. Conditions, ETags, `Vary`, HEAD and `Link` are handled here for all endpoints. */
export function toResponse(answer: Answer, exchange: AnsweredExchange): HttpResponse | Promise<HttpResponse> {
  const { request, endpoint, mediaType } = exchange
  if (answer.type === 'content') return contentResponse(request, answer)
  if (answer.type === 'refusal') return errorResponse(answer.error, answer.headers)
  const { status = 200 } = answer
  const headers = { ...(endpoint.mediaTypes && { Vary: 'Accept' }), ...answer.headers }
  if (answer.type === 'empty') return emptyResponse(status, headers)
  if (answer.type === 'json') {
    const { mediaType: own = mediaType } = answer
    return jsonResponseOf(answer, { ...exchange, mediaType: own }, headers)
  }
  return {
    status,
    headers: { 'Content-Type': mediaType, ...headers },
    ...(request.method !== 'HEAD' && { body: { type: 'stream', chunks: answer.chunks() } }),
  }
}

async function jsonResponseOf(
  { status = 200, state, read }: JsonAnswer,
  exchange: AnsweredExchange,
  headers: Readonly<Record<string, string>>,
): Promise<HttpResponse> {
  const { request, mediaType } = exchange
  const before = await state?.()
  if (before === undefined) return await readResponse(read, { status, exchange, headers })
  const tag = entityTag(before, exchange)
  requireMatch(request, tag)
  const tagged = { ...headers, ETag: `"${tag}"` }
  if (isNotModified(request, tag)) return emptyResponse(304, tagged)
  // The length of the body isn't known without reading all of it.
  if (request.method === 'HEAD') return { status, headers: { 'Content-Type': mediaType, ...tagged } }
  const response = await readResponse(read, { status, exchange, headers })
  // The body may or may not contain a change in between, so it gets no ETag.
  const isSame = (await state?.()) === before
  return isSame ? { ...response, headers: { ...response.headers, ETag: `"${tag}"` } } : response
}

async function readResponse(
  read: JsonAnswer['read'],
  {
    status,
    exchange,
    headers,
  }: { status: number; exchange: AnsweredExchange; headers: Readonly<Record<string, string>> },
): Promise<HttpResponse> {
  const { json, next } = await read()
  const link = next === undefined ? {} : { Link: linkTo(next, exchange) }
  return jsonResponse(status, json, { ...headers, ...link }, exchange.mediaType)
}

/** The parameters that the endpoint knows, in its own order. */
function knownParameters({ endpoint, request }: AnsweredExchange): [name: string, value: string][] {
  return Object.keys(endpoint.query ?? {}).flatMap((name) =>
    request.query.getAll(name).map((value): [string, string] => [name, value]),
  )
}

function linkTo(next: PageParameters, exchange: AnsweredExchange): string {
  const others = knownParameters(exchange).filter(([name]) => !Object.hasOwn(next, name))
  const own = Object.entries(next).flatMap(([name, given]) =>
    [given].flat().map((value): [string, string] => [name, value]),
  )
  return formatNextLink(formatPath(exchange.route), [...others, ...own])
}

function entityTag(state: string, exchange: AnsweredExchange): string {
  const { route, mediaType, caller } = exchange
  const { key } = caller.visibility
  const all = JSON.stringify([state, formatPath(route), mediaType, key, knownParameters(exchange)])
  return `state:${createHash('sha256').update(all).digest('base64url')}`
}
