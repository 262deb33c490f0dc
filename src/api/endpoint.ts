import type { RouteId } from '../oci/route.ts'
import type { Action } from '../registry/caller.ts'
import type { Answer } from './answer.ts'
import type { Context } from './context.ts'
import type { Operation } from './operation.ts'
import { type Parameters, type ParameterValues, queryReader } from './parameter.ts'
import type { PathValues } from './path.ts'

/** A method of an endpoint. HEAD is answered for every GET. */
export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

/** A request as the server has it, before the parameters of an endpoint are read. */
export interface ReceivedRequest {
  /** In upper case. */
  readonly method: string
  readonly query: URLSearchParams
  /** The value of a header by its lower-case name; several of one name joined by commas. */
  header(name: string): string | undefined
  readonly origin: { readonly prefix: string; readonly address: string | undefined }
  /** Aborted as soon as nothing waits for the answer any more: the client has disconnected, or the server is closing. */
  readonly signal: AbortSignal
  /** Can be read once. */
  readonly body: AsyncIterable<Uint8Array>
  /** Declares that the whole body will be held in memory, so that the memory of all bodies together stays bounded. */
  keepBody?(): void
}

/** What an endpoint has to answer. */
export interface RoutedRequest<Path> {
  request: ReceivedRequest
  path: Path
  /** The media type of the answer: one of the endpoint's media types. */
  mediaType: string
}

/** A request as an endpoint gets it, with the parameters of its path and its query parsed. */
export class EndpointRequest<Path, Query> {
  readonly path: Path
  readonly query: Query
  /** The media type of the answer: one of the endpoint's media types. */
  readonly mediaType: string
  readonly #request: ReceivedRequest

  constructor({ request, path, mediaType }: RoutedRequest<Path>, query: Query) {
    this.path = path
    this.query = query
    this.mediaType = mediaType
    this.#request = request
  }

  /** Whether the body of the answer will not be sent. */
  get isHead(): boolean {
    return this.#request.method === 'HEAD'
  }

  /** The part of the client's URL before `/v2/`, for paths in a body. Paths in headers get it automatically. */
  get pathPrefix(): string {
    return this.#request.origin.prefix
  }

  /** The client's IP address, if that is known. */
  get address(): string | undefined {
    return this.#request.origin.address
  }

  /** The value of a header by its lower-case name; several of one name joined by commas. */
  header(name: string): string | undefined {
    return this.#request.header(name)
  }

  /** Aborted as soon as nothing waits for the answer any more: the client has disconnected, or the server is closing. */
  get signal(): AbortSignal {
    return this.#request.signal
  }

  /** Can be read once. */
  get body(): AsyncIterable<Uint8Array> {
    return this.#request.body
  }

  /** Declares that the whole body will be held in memory, so that the memory of all bodies together stays bounded. */
  keepBody(): void {
    this.#request.keepBody?.()
  }
}

/** The request of an endpoint at a route, with these parameters in its query. */
export type RequestAt<Id extends RouteId, Query extends Parameters = Record<never, never>> = EndpointRequest<
  PathValues<Id>,
  ParameterValues<Query>
>

/** The common fields of an endpoint and its definition. */
interface EndpointFields<Id extends RouteId> extends Operation {
  method: Method
  route: Id
  /** The permission that the caller needs, in the repository of the path if it has one. */
  action: Action
  /** The media types that the answer can have, the best first. The client's `Accept` chooses. If absent, the answer decides. */
  mediaTypes?: readonly [string, ...string[]]
}

/** The definition of an endpoint. */
export interface EndpointDefinition<Id extends RouteId, Query extends Parameters> extends EndpointFields<Id> {
  /** Parsed before the endpoint is called; other parameters are ignored. */
  query?: Query
  /** Refuses with a RegistryError, as the registry does. */
  handle(context: Context, request: RequestAt<Id, Query>): Promise<Answer>
}

/**
 * One method at one path: the description of what it accepts, answers and refuses, from which `docs/api` is made, and the function that
 * answers it.
 */
export interface Endpoint<Id extends RouteId = RouteId> extends EndpointFields<Id> {
  /**
   * Answers a request.
   *
   * @throws RegistryError of the endpoint's errors
   */
  answer(context: Context, exchange: RoutedRequest<PathValues<Id>>): Promise<Answer>
}

/** Makes an endpoint from its definition. */
export function endpoint<Id extends RouteId, Query extends Parameters = Record<never, never>>(
  definition: EndpointDefinition<Id, Query>,
): Endpoint<Id> {
  const { handle, ...fields } = definition
  const readQuery = queryReader(fields.query)
  const filters = Object.entries(fields.query ?? {}).flatMap(([name, { filter }]) => (filter ? [name] : []))
  return {
    ...fields,
    async answer(context, exchange) {
      const query = readQuery(exchange.request)
      const answer = await handle(context, new EndpointRequest(exchange, query))
      return filters.length === 0
        ? answer
        : withFilters(
            answer,
            filters.filter((name) => isGiven(query, name)),
          )
    },
  }
}

function isGiven(values: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = values[name]
  return Array.isArray(value) ? value.length > 0 : value !== undefined
}

/** Lists the names of the filters that were applied to a list. */
function withFilters(answer: Answer, filters: readonly string[]): Answer {
  if (filters.length === 0 || answer.type === 'content') return answer
  return { ...answer, headers: { 'OCI-Filters-Applied': filters.join(','), ...answer.headers } }
}
