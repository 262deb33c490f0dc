/** The base of all errors of this folder. Any other error of a request comes from the platform's fetch. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError'
}

/** A request would have gone to a forbidden destination: a host that is not listed, or a local address. Nothing was sent there. */
export class DestinationError extends ClientError {
  override readonly name = 'DestinationError'
  /** The URL whose host would have to be listed; undefined if listing it would not help. */
  readonly unlisted: URL | undefined

  constructor(message: string, { unlisted }: { unlisted?: URL } = {}) {
    super(message)
    this.unlisted = unlisted
  }
}

/** A token endpoint did not return a token, or the challenge did not name one. */
export class TokenError extends ClientError {
  override readonly name = 'TokenError'
}

/** The registry responded with something that the specification does not allow, or that is too large. */
export class InvalidResponseError extends ClientError {
  override readonly name = 'InvalidResponseError'
}

/** Content does not have the digest by which it was requested or pushed. */
export class DigestError extends ClientError {
  override readonly name = 'DigestError'
}

/** One entry of an error body. @see OCI Distribution Specification, "Error Codes" */
export interface ErrorEntry {
  code: string
  message: string
  detail?: unknown
}

/** The registry refused a request, or failed to handle it. */
export class ResponseError extends ClientError {
  override readonly name = 'ResponseError'
  readonly status: number
  /** The entries of the error body; none if it has another form. */
  readonly errors: readonly ErrorEntry[]

  /** @param what the request, such as `GET /v2/app/manifests/v1` */
  constructor(what: string, { status, errors }: { status: number; errors: readonly ErrorEntry[] }) {
    const [first] = errors
    super(`${what} returned ${status}${first === undefined ? '' : ` ${first.code}: ${first.message}`}`)
    this.status = status
    this.errors = errors
  }
}
