import type { RouteId, RouteParams } from '../oci/route.ts'
import type { Action, Caller } from '../registry/caller.ts'
import type { Registry } from '../registry/registry.ts'
import type { HttpRequest, HttpResponse } from './message.ts'
import type { PathParameters } from './parameters.ts'

/** A path's parameters as its handler gets them. */
export type HandlerParams<Id extends RouteId> = {
  [Name in keyof RouteParams<Id>]: Name extends keyof PathParameters ? PathParameters[Name] : string
}

/** Answers one method of one endpoint: reads typed arguments, calls the registry once, writes what it said. */
export type Handler<Id extends RouteId> = (
  registry: Registry,
  request: HttpRequest,
  params: HandlerParams<Id>,
  caller: Caller,
) => Promise<HttpResponse>

/** One method of an endpoint, and what its caller must be allowed to do. */
export interface Method<Id extends RouteId> {
  action: Action
  /** Gets the registry as the caller may see it. */
  handle: Handler<Id>
}

/** What an endpoint answers, by method. */
export type Methods<Id extends RouteId> = Readonly<Record<string, Method<Id>>>
