import type { Context } from '../api/context.ts'
import type { Extension } from '../api/extension.ts'
import type { Caller } from '../registry/caller.ts'
import type { Registry } from '../registry/registry.ts'
import { visibleRegistry } from '../registry/visible-registry.ts'
import type { HttpRequest } from './message.ts'

/** What the contexts of all requests share. */
export interface ContextParts {
  registry: Registry
  extensions: readonly Extension[]
  /** How many threads answer requests; one if absent. */
  threads?: number
  /** Milliseconds since the epoch. */
  clock(): number
}

/** The context of one request. Parts that most endpoints do not use are made on first use. */
export class RequestContext implements Context {
  readonly caller: Caller
  readonly registry: Registry
  readonly #parts: ContextParts
  readonly #request: HttpRequest

  constructor(parts: ContextParts, request: HttpRequest, caller: Caller) {
    this.caller = caller
    this.registry = visibleRegistry(parts.registry, caller.visibility)
    this.#parts = parts
    this.#request = request
  }

  get may(): Context['may'] {
    return (action, repository) => this.caller.may(action, repository)
  }

  get clock(): Context['clock'] {
    return () => this.#parts.clock()
  }

  get requestId(): string {
    return this.#request.origin.requestId
  }

  get extensions(): readonly Extension[] {
    return this.#parts.extensions
  }

  get threads(): number {
    return this.#parts.threads ?? 1
  }
}
