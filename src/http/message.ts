import type { BlobBytes } from '../registry/registry.ts'
import type { RequestOrigin } from './request-origin.ts'

/** Where supervisors ask whether the process runs; answered also while nothing else is. */
export const LIVENESS_PATH = '/livez'

/** The peer broke off, or was slower than any useful connection: no failure of the server. */
export class PeerGoneError extends Error {
  override readonly name = 'PeerGoneError'
}

/** A request, whatever brought it. */
export interface HttpRequest {
  /** In upper case. */
  readonly method: string
  /** As it was sent: not decoded, not normalised, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** The value of a header by its lower-case name; several of one name joined by commas. */
  header(name: string): string | undefined
  /** Whose request it is, and by what URL it was sent, as far as trusted proxies tell. */
  readonly origin: RequestOrigin
  /** Aborted as soon as nobody waits for the answer: the client has gone, or the server is closing. */
  readonly signal: AbortSignal
  /** Can be read once. Throws PeerGoneError if the client breaks off. */
  readonly body: AsyncIterable<Uint8Array>
  /** Tells that the body will be held in memory whole, so that the memory of all bodies together stays bounded. */
  keepBody?(): void
}

/** What a response carries: bytes, a part of a file, or a stream, whose length the headers tell if it has one. */
export type HttpBody = BlobBytes | { type: 'stream'; chunks: AsyncIterable<Uint8Array> }

/** A response, whoever sends it. `Content-Length` is among the headers, except where a status forbids it or it isn't known. */
export interface HttpResponse {
  status: number
  headers: Record<string, string>
  /** Absent for HEAD and for empty answers. */
  body?: HttpBody
}

/** What answers requests. Never throws. */
export type HttpApp = (request: HttpRequest) => Promise<HttpResponse>
