/** How one request goes out. */
export interface Route {
  /** Whether it goes to the tested registry's own host and port; to any other, only public addresses may be connected to. */
  isHome: boolean
  /** Whether it needs a connection that no earlier request has used. */
  isFresh: boolean
}

/**
 * Sends one request, without following redirects. This folder runs on web standards alone, so whoever has it run says how: which version
 * of HTTP, and how addresses are checked.
 */
export type Fetch = (url: string, init: RequestInit, route: Route) => Promise<Response>

/** What the platform has: it chooses the version of HTTP, and neither checks addresses nor tells connections apart. */
export const platformFetch: Fetch = (url, init) => fetch(url, init)

/** What came back for bytes that need not be HTTP. */
export interface RawAnswer {
  /** The statuses of all final answers, in their order; none if the connection just ended. */
  statuses: readonly number[]
  text: string
  /** Whether the other side ended the connection. */
  ended: boolean
}

/**
 * Sends bytes to the tested registry on a connection of their own, each character one byte, and reads until that ends, nothing more
 * comes, or a bound on bytes or time is reached. Throws Undecided if there is no connection, or nothing comes and it does not end.
 */
export type SendRaw = (bytes: string, options?: { end?: boolean }) => Promise<RawAnswer>
