import { ERRORS, type ErrorId, errorEntries, RegistryError } from '../oci/error.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import type { HttpResponse } from './message.ts'

/** The Cache-Control of every answer that does not set its own: a proxy that caches a 404 would hide content that is pushed a moment later. */
export const UNCACHED = 'no-cache'

/** Other headers of every answer of the API. */
export const COMMON_HEADERS = {
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Docker-Distribution-Api-Version': 'registry/2.0',
  'X-Content-Type-Options': 'nosniff',
}

/** When a client should retry after something was unavailable. */
const RETRY_AFTER_S = '5'

/** An answer without a body. */
export function emptyResponse(status: number, headers: Record<string, string> = {}): HttpResponse {
  // 204 and 304 have no body by definition, and no Content-Length.
  return {
    status,
    headers: status === 204 || status === 304 ? headers : { ...headers, 'Content-Length': '0' },
  }
}

/** An answer with a JSON body. */
export function jsonResponse(
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
  mediaType: string = MEDIA_TYPES.json,
): HttpResponse {
  const bytes = Buffer.from(JSON.stringify(value))
  return {
    status,
    headers: { 'Content-Type': mediaType, 'Content-Length': String(bytes.length), ...headers },
    body: { type: 'bytes', bytes },
  }
}

/** Metrics in the text format of Prometheus. */
export function metricsResponse(text: string): HttpResponse {
  const bytes = Buffer.from(text)
  const headers = {
    'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
    'Content-Length': String(bytes.length),
  }
  return { status: 200, headers, body: { type: 'bytes', bytes } }
}

/** The answer that reports an error. {@link complete} adds the body. */
export function errorResponse(error: RegistryError, headers: Record<string, string> = {}): HttpResponse {
  return {
    status: ERRORS[error.id].status,
    headers: {
      ...COMMON_HEADERS,
      'Cache-Control': UNCACHED,
      ...(error.id === 'UNAVAILABLE' && { 'Retry-After': RETRY_AFTER_S }),
      ...headers,
    },
    error,
  }
}

/** The id of a request, in every answer. */
export const REQUEST_ID_HEADER = 'X-Request-Id'

/**
 * Completes an answer with the id of its request. This is the one place where an error becomes a body. An answer to HEAD loses its body.
 * Section "Error Codes" of the OCI Distribution Specification.
 */
export function complete(
  response: HttpResponse,
  method: string | undefined,
  requestId: string,
): HttpResponse {
  const { error, headers } = response
  headers[REQUEST_ID_HEADER] = requestId
  if (error !== undefined) {
    const bytes = Buffer.from(JSON.stringify({ errors: errorEntries(error, requestId) }))
    headers['Content-Type'] = MEDIA_TYPES.json
    headers['Content-Length'] = String(bytes.length)
    response.body = { type: 'bytes', bytes }
  }
  if (method === 'HEAD') delete response.body
  return response
}

/** What the client may learn about a thrown error. Only our own errors have text for clients. */
export function toRegistryError(error: unknown): RegistryError {
  return error instanceof RegistryError ? error : new RegistryError('UNKNOWN', { cause: error })
}

/** Whether an error is a failure of the server, which must be logged. */
export function isFailure(id: ErrorId): boolean {
  return ERRORS[id].status >= 500
}
