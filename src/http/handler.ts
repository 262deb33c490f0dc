import type { RouteId, RouteParams } from '../oci/route.ts'
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
) => Promise<HttpResponse>

/** The handlers of an endpoint by method. */
export type Methods<Id extends RouteId> = Readonly<Record<string, Handler<Id>>>
