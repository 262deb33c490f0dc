/**
 * Every error that a client of the registry can meet: the status it is sent with, its `code` in the error body, and what it
 * says when nothing better is known. Codes of 4xx answers are those of the specification's table of error codes.
 */
export const ERRORS = {
  BLOB_UNKNOWN: { status: 404, code: 'BLOB_UNKNOWN', message: 'blob is not known to this repository' },
  BLOB_NEEDED: { status: 405, code: 'DENIED', message: 'a manifest of this repository needs this blob' },
  BODY_INVALID: { status: 400, code: 'UNSUPPORTED', message: 'body is not what this endpoint takes' },
  BODY_TOO_LARGE: { status: 413, code: 'SIZE_INVALID', message: 'body is larger than 64 KiB' },
  BODY_TYPE_UNSUPPORTED: {
    status: 415,
    code: 'UNSUPPORTED',
    message: 'body must be JSON, and Content-Type must say so',
  },
  CONTENT_GONE: {
    status: 409,
    code: 'MANIFEST_BLOB_UNKNOWN',
    message: 'what this needs is not kept any more',
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
    message: 'this registry computes sha256, sha512 and blake3 digests only',
  },
  EXPECTATION_FAILED: { status: 417, code: 'UNSUPPORTED', message: 'the only expectation is 100-continue' },
  EXTENSION_UNKNOWN: {
    status: 404,
    code: 'EXTENSION_UNKNOWN',
    message: 'extension is not known to this registry',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    code: 'UNSUPPORTED',
    message: 'request has too many or too long headers',
  },
  HISTORY_PRUNED: {
    status: 410,
    code: 'UNSUPPORTED',
    message: 'what happened that long ago is not kept any more',
  },
  HOST_UNKNOWN: {
    status: 421,
    code: 'DENIED',
    message:
      'this registry does not answer to the name that the request gives; --allowed-hosts lists those it has',
  },
  MANIFEST_BLOB_UNKNOWN: {
    status: 400,
    code: 'MANIFEST_BLOB_UNKNOWN',
    message: 'manifest names content that this repository does not have',
  },
  MANIFEST_DELETED: {
    status: 409,
    code: 'MANIFEST_UNKNOWN',
    message: 'manifest was deleted; undelete it first',
  },
  MANIFEST_EXISTS: { status: 409, code: 'DENIED', message: 'manifest is not deleted' },
  MANIFEST_INVALID: { status: 400, code: 'MANIFEST_INVALID', message: 'manifest is invalid' },
  MANIFEST_NEEDED: {
    status: 405,
    code: 'DENIED',
    message: 'another manifest of this repository needs this manifest',
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
    message: 'this endpoint does not answer this method',
  },
  NAME_INVALID: { status: 400, code: 'NAME_INVALID', message: 'repository name is malformed' },
  NAME_UNKNOWN: { status: 404, code: 'NAME_UNKNOWN', message: 'repository is not known to this registry' },
  NOT_ACCEPTABLE: {
    status: 406,
    code: 'UNSUPPORTED',
    message: 'this endpoint has no answer of a media type that Accept allows',
  },
  PARAMETER_INVALID: { status: 400, code: 'UNSUPPORTED', message: 'a query parameter is malformed' },
  PRECONDITION_FAILED: {
    status: 412,
    code: 'DENIED',
    message: 'the tag is not in the state that the request asked for',
  },
  RANGE_UNSATISFIABLE: { status: 416, code: 'SIZE_INVALID', message: 'range lies outside of the content' },
  REPOSITORY_DELETING: {
    status: 409,
    code: 'DENIED',
    message: 'repository is being deleted; try again when that is done',
  },
  REQUEST_INVALID: { status: 400, code: 'UNSUPPORTED', message: 'request is not well-formed HTTP' },
  REQUEST_TIMEOUT: { status: 408, code: 'UNSUPPORTED', message: 'request did not arrive in time' },
  ROUTE_UNKNOWN: { status: 404, code: 'UNSUPPORTED', message: 'this registry has no such endpoint' },
  SIZE_INVALID: { status: 400, code: 'SIZE_INVALID', message: 'length does not match the content' },
  STORAGE_FULL: {
    status: 507,
    code: 'UNAVAILABLE',
    message:
      'the registry has no space left; what it holds is safe, and deleting still works. Its operator can free space with `stowage collect --now`',
  },
  TAG_INVALID: { status: 400, code: 'NAME_INVALID', message: 'tag is malformed' },
  TRANSFER_CODING_UNSUPPORTED: {
    status: 501,
    code: 'UNSUPPORTED',
    message: 'this registry takes no transfer coding but a single chunked',
  },
  UNAVAILABLE: {
    status: 503,
    code: 'UNAVAILABLE',
    message: 'the registry cannot tell whether this was done; try again',
  },
  UNKNOWN: { status: 500, code: 'UNKNOWN', message: 'the registry failed to answer this request' },
  UPLOAD_INVALID: { status: 400, code: 'BLOB_UPLOAD_INVALID', message: 'upload request is malformed' },
  UPLOAD_OUT_OF_ORDER: {
    status: 416,
    code: 'BLOB_UPLOAD_INVALID',
    message: 'chunk does not begin where the upload ends',
  },
  UPLOAD_TAKEN_OVER: {
    status: 409,
    code: 'BLOB_UPLOAD_INVALID',
    message: 'a newer request has taken this upload over',
  },
  UPLOAD_UNKNOWN: {
    status: 404,
    code: 'BLOB_UPLOAD_UNKNOWN',
    message: 'upload is not known to this repository',
  },
} as const satisfies Record<string, { status: number; code: string; message: string }>

/** A row of {@link ERRORS}. */
export type ErrorId = keyof typeof ERRORS

/** What an error may carry beside its row of the table. */
export interface ErrorOptions {
  /** Said instead of the table's message: what was wrong, and what would be right. */
  message?: string
  /** One entry of the error body each; one entry without detail if absent. */
  details?: readonly unknown[]
  cause?: unknown
}

/**
 * The one error that becomes an answer; anything else thrown is a 500 without text.
 * Section "Error Codes" of the OCI Distribution Specification.
 */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly id: ErrorId
  readonly details: readonly unknown[]

  constructor(id: ErrorId, options: ErrorOptions = {}) {
    super(options.message ?? ERRORS[id].message, { cause: options.cause })
    this.id = id
    this.details = options.details ?? []
  }
}
