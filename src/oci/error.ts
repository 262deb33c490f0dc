/**
 * Every error that a client of the registry can get: its status, its `code` in the error body, and its default message. Codes of 4xx
 * answers are those of the specification's table of error codes.
 */
export const ERRORS = {
  BLOB_UNKNOWN: { status: 404, code: 'BLOB_UNKNOWN', message: 'blob is not known to this repository' },
  BLOB_NEEDED: { status: 405, code: 'DENIED', message: 'a manifest in this repository references this blob' },
  BODY_INVALID: {
    status: 400,
    code: 'UNSUPPORTED',
    message: 'the request body is not valid for this endpoint',
  },
  BODY_TOO_LARGE: { status: 413, code: 'SIZE_INVALID', message: 'body is larger than 64 KiB' },
  BODY_TYPE_UNSUPPORTED: {
    status: 415,
    code: 'UNSUPPORTED',
    message: 'the body must be JSON, with a JSON Content-Type such as application/json',
  },
  CONTENT_GONE: {
    status: 409,
    code: 'MANIFEST_BLOB_UNKNOWN',
    message: 'content that this operation needs has already been removed',
  },
  DENIED: { status: 403, code: 'DENIED', message: 'requested access to the resource is denied' },
  DIGEST_INVALID: {
    status: 400,
    code: 'DIGEST_INVALID',
    message: 'digest is malformed or does not match the content',
  },
  DIGEST_UNSUPPORTED: {
    status: 400,
    code: 'DIGEST_INVALID',
    message: 'unsupported digest algorithm; use sha256, sha512 or blake3',
  },
  EXPECTATION_FAILED: {
    status: 417,
    code: 'UNSUPPORTED',
    message: 'unsupported Expect header; only 100-continue is supported',
  },
  EXTENSION_UNKNOWN: {
    status: 404,
    code: 'EXTENSION_UNKNOWN',
    message: 'extension is not known to this registry',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    code: 'UNSUPPORTED',
    message: 'the request headers are too many or too long',
  },
  HISTORY_PRUNED: {
    status: 410,
    code: 'UNSUPPORTED',
    message: 'history from that long ago is no longer kept',
  },
  HOST_UNKNOWN: {
    status: 421,
    code: 'DENIED',
    message:
      'this registry does not accept the host name of this request; accepted names are listed in --allowed-hosts',
  },
  MANIFEST_BLOB_UNKNOWN: {
    status: 400,
    code: 'MANIFEST_BLOB_UNKNOWN',
    message: 'the manifest references content that is not in this repository',
  },
  MANIFEST_DELETED: {
    status: 409,
    code: 'MANIFEST_UNKNOWN',
    message: 'the manifest was deleted; undelete it first',
  },
  MANIFEST_EXISTS: { status: 409, code: 'DENIED', message: 'the manifest is not deleted' },
  MANIFEST_INVALID: { status: 400, code: 'MANIFEST_INVALID', message: 'manifest is invalid' },
  MANIFEST_NEEDED: {
    status: 405,
    code: 'DENIED',
    message: 'another manifest in this repository references this manifest',
  },
  MANIFEST_TOO_LARGE: { status: 413, code: 'SIZE_INVALID', message: 'manifest is larger than 4 MiB' },
  MANIFEST_UNKNOWN: {
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    message: 'manifest is not known to this repository',
  },
  METHOD_UNSUPPORTED: {
    status: 405,
    code: 'UNSUPPORTED',
    message: 'this endpoint does not support this method',
  },
  NAME_INVALID: { status: 400, code: 'NAME_INVALID', message: 'repository name is malformed' },
  NAME_UNKNOWN: { status: 404, code: 'NAME_UNKNOWN', message: 'repository is not known to this registry' },
  NOT_ACCEPTABLE: {
    status: 406,
    code: 'UNSUPPORTED',
    message: 'this endpoint cannot respond with any media type in the Accept header',
  },
  PARAMETER_INVALID: { status: 400, code: 'UNSUPPORTED', message: 'a query parameter is malformed' },
  PRECONDITION_FAILED: {
    status: 412,
    code: 'DENIED',
    message: 'the current state does not satisfy If-Match or If-None-Match',
  },
  RANGE_UNSATISFIABLE: {
    status: 416,
    code: 'SIZE_INVALID',
    message: 'the requested range is outside the content',
  },
  REPOSITORY_DELETING: {
    status: 409,
    code: 'DENIED',
    message: 'the repository is being deleted; try again when the deletion is complete',
  },
  REQUEST_INVALID: { status: 400, code: 'UNSUPPORTED', message: 'request is not well-formed HTTP' },
  REQUEST_TIMEOUT: { status: 408, code: 'UNSUPPORTED', message: 'request did not arrive in time' },
  ROUTE_UNKNOWN: { status: 404, code: 'UNSUPPORTED', message: 'this registry has no such endpoint' },
  SIZE_INVALID: { status: 400, code: 'SIZE_INVALID', message: 'the length does not match the content' },
  STORAGE_FULL: {
    status: 507,
    code: 'UNAVAILABLE',
    message:
      'the registry has run out of disk space; stored content is safe, and deletions still work. Operators can free space with `stowage collect --now`',
  },
  TAG_INVALID: { status: 400, code: 'NAME_INVALID', message: 'tag is malformed' },
  TRANSFER_CODING_UNSUPPORTED: {
    status: 501,
    code: 'UNSUPPORTED',
    message: 'unsupported Transfer-Encoding; only a single chunked coding is supported',
  },
  UNAVAILABLE: {
    status: 503,
    code: 'UNAVAILABLE',
    message: 'the registry cannot tell whether the operation succeeded; try again',
  },
  UNKNOWN: { status: 500, code: 'UNKNOWN', message: 'the request failed because of an internal error' },
  UPLOAD_INVALID: { status: 400, code: 'BLOB_UPLOAD_INVALID', message: 'upload request is malformed' },
  UPLOAD_OUT_OF_ORDER: {
    status: 416,
    code: 'BLOB_UPLOAD_INVALID',
    message: 'the chunk does not start at the end of the uploaded bytes',
  },
  UPLOAD_TAKEN_OVER: {
    status: 409,
    code: 'BLOB_UPLOAD_INVALID',
    message: 'a newer request has taken over this upload',
  },
  UPLOAD_UNKNOWN: {
    status: 404,
    code: 'BLOB_UPLOAD_UNKNOWN',
    message: 'upload is not known to this repository',
  },
} as const satisfies Record<string, { status: number; code: string; message: string }>

/** A row of {@link ERRORS}. */
export type ErrorId = keyof typeof ERRORS

/** The data that an error may have in addition to its row of the table. */
export interface ErrorOptions {
  /** Replaces the table's message: what was wrong, and what would be right. */
  message?: string
  /** The details of each entry of the error body; one entry if absent. */
  details?: readonly object[]
  cause?: unknown
}

/**
 * The only error type that becomes an answer. Any other error becomes a 500 without text. Section "Error Codes" of the OCI Distribution
 * Specification.
 */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly id: ErrorId
  readonly details: readonly object[]

  constructor(id: ErrorId, options: ErrorOptions = {}) {
    super(options.message ?? ERRORS[id].message, { cause: options.cause })
    this.id = id
    this.details = options.details ?? []
  }
}

/**
 * An entry of an error body. Several errors have the same `code`, so `detail.reason` says which row of the table it is. With
 * `detail.requestId`, operators find the request in the log.
 */
export interface ErrorEntry {
  code: string
  message: string
  detail: { reason: ErrorId; requestId: string }
}

/** The entries of an error's body, at least one. Section "Error Codes" of the OCI Distribution Specification. */
export function errorEntries({ id, message, details }: RegistryError, requestId: string): ErrorEntry[] {
  const { code } = ERRORS[id]
  const known = details.length === 0 ? [{}] : details
  return known.map((detail) => ({ code, message, detail: { reason: id, ...detail, requestId } }))
}
