/** How one request is sent. */
export interface Route {
  /** Whether it goes to the registry's own host and port; to any other, only public addresses may be connected to. */
  isHome: boolean
  /** Whether it needs a connection that no earlier request has used. */
  isFresh: boolean
}

/**
 * Sends one request, without following redirects. This folder runs on web standards alone, so whoever has it run may say how: which
 * version of HTTP, and how addresses are checked.
 */
export type Fetch = (url: string, init: RequestInit, route: Route) => Promise<Response>

/** What the platform has: it chooses the version of HTTP, and neither checks addresses nor tells connections apart. */
export const platformFetch: Fetch = (url, init) => fetch(url, init)
