import type { ErrorId } from '../oci/error.ts'

/** A request that was answered, or whose client left before, for logs and metrics. */
export interface AnsweredRequest {
  readonly requestId: string
  /** The client's IP address, if it is known. */
  readonly address: string | undefined
  /** Undefined if the request was not well-formed HTTP; the following fields then are too. */
  readonly method?: string | undefined
  /** As it was sent, without the query. */
  readonly path?: string | undefined
  /** As it was sent. */
  readonly userAgent?: string | undefined
  /** The id of the operation in `docs/api`; undefined if the request was not for one, or was refused before this was known. */
  readonly operation?: string | undefined
  /** Undefined if the client left before there was an answer. */
  readonly status: number | undefined
  /** The error that the answer reports. */
  readonly error: ErrorId | undefined
  /** How many bytes of its body arrived. */
  readonly received: number
  /** How many bytes of the answer's body were passed to the connection. */
  readonly sent: number
  /** From the arrival of its head until the answer was sent, or the client left. */
  readonly milliseconds: number
  /** Whether the whole answer was sent. */
  readonly isWhole: boolean
}

/** Is told of each request, once. It runs for every request, so it must be fast. */
export interface RequestObserver {
  /** Whether anybody wants to know of requests now; if not, the server need not gather what it would tell. */
  readonly isActive: boolean
  /** Must not throw. */
  observe(answered: AnsweredRequest): void
}

/** The observer of a server that nobody observes. */
export const NO_OBSERVER: RequestObserver = { isActive: false, observe() {} }
