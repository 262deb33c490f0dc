import type { RegistryError } from '../oci/error.ts'
import type { Readable } from '../registry/stored-bytes.ts'
import type { RequestOrigin } from './request-origin.ts'

/** The path of the liveness probe. It is answered even while nothing else is. */
export const LIVENESS_PATH = '/livez'

/** The peer disconnected, or was slower than any useful connection. This is not a failure of the server. */
export class PeerGoneError extends Error {
  override readonly name = 'PeerGoneError'
}

/** A request, independent of the transport. */
export interface HttpRequest {
  /** In upper case. */
  readonly method: string
  /** As it was sent: not decoded, not normalised, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** The value of a header by its lower-case name; several of one name joined by commas. */
  header(name: string): string | undefined
  /** Who sent the request and to which URL, as far as trusted proxies report it. */
  readonly origin: RequestOrigin
  /** Aborted as soon as nothing waits for the answer any more: the client has disconnected, or the server is closing. */
  readonly signal: AbortSignal
  /** Can be read once. Throws PeerGoneError if the client disconnects. */
  readonly body: AsyncIterable<Uint8Array>
  /** Declares that the whole body will be held in memory, so that the memory of all bodies together stays bounded. */
  keepBody?(): void
  /** The id of the operation in `docs/api`, which the app sets when it has found it. */
  operation?: string | undefined
}

/** The body of a response: bytes, a part of a file, or a stream. If it is not sent, `closeBytes` closes it. */
export type HttpBody = Readable

/** A response, independent of the transport. The headers include `Content-Length`, unless the status forbids it or it isn't known. */
export interface HttpResponse {
  status: number
  headers: Record<string, string>
  /** Absent for HEAD and for empty answers. */
  body?: HttpBody
  /** The error that it reports, if it does. */
  error?: RegistryError
}

/** Answers requests. Never throws. */
export type HttpApp = (request: HttpRequest) => Promise<HttpResponse>
