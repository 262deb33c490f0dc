/** A request as a case makes it. */
export interface ProbeRequest {
  method: string
  /** Path and query, or an absolute URL as a registry gave it. */
  target: string
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array
  /** Sends the body with `Transfer-Encoding: chunked` and no length. */
  streamed?: boolean
  /** Ends the reading of the answer once this text is in its body: for answers without an end. */
  until?: string
}

/** An answer, read whole up to a bound. */
export interface ProbeAnswer {
  status: number
  headers: Headers
  body: Uint8Array
  /** How long the body was, where only its beginning is kept. */
  size?: number
  /** The last request of those that redirects asked for. */
  redirected?: { method: string; url: string }
  /** Whether a password or token was shown. */
  isAuthorized?: boolean
}

/** What was sent and what came. */
export interface Exchange {
  request: ProbeRequest & {
    url: string
    /** All bytes that were sent, each character one, where no fetch would send them. */
    raw?: string
  }
  answer?: ProbeAnswer
  /** Why there is no answer. */
  problem?: string
}
