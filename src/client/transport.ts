/** How one request is sent. */
export interface Route {
  /** Whether it goes to the registry's own host and port. For any other, only connections to public addresses are allowed. */
  isHome: boolean
  /** Whether it needs a connection that no earlier request has used. */
  isFresh: boolean
}

/**
 * Sends one request, without following redirects. This folder uses only web standards, so the program that uses it can choose how requests
 * are sent: the version of HTTP, and how addresses are checked.
 */
export type Fetch = (url: string, init: RequestInit, route: Route) => Promise<Response>

/** The transport of the platform. It chooses the version of HTTP, does not check addresses, and gives no control over connections. */
export const platformFetch: Fetch = (url, init) => fetch(url, init)
