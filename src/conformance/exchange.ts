/** A request as a case makes it. */
export interface ProbeRequest {
  method: string
  /** Path and query, or an absolute URL as the registry returned it. */
  target: string
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array
  /** Sends the body with `Transfer-Encoding: chunked` and no length. */
  streamed?: boolean
  /** Stops reading the answer once its body contains this text, for answers without an end. */
  until?: string
}

/** An answer, read completely up to a limit. */
export interface ProbeAnswer {
  status: number
  headers: Headers
  body: Uint8Array
  /** The length of the body, if only its beginning is kept. */
  size?: number
  /** The last request after all redirects. */
  redirected?: { method: string; url: string }
  /** Whether a password or token was sent. */
  isAuthorized?: boolean
}

/** A request and its answer. */
export interface Exchange {
  request: ProbeRequest & {
    url: string
    /** All bytes that were sent, one per character, if fetch could not send them. */
    raw?: string
  }
  answer?: ProbeAnswer
  /** Why there is no answer. */
  problem?: string
}
