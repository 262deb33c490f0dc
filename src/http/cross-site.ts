import { RegistryError } from '../oci/error.ts'
import type { HttpRequest } from './message.ts'

/** A request of a frame is a navigation too, but not one of the whole page. */
const FRAMES = ['iframe', 'frame', 'embed', 'object', 'fencedframe']

/**
 * Refuses requests that a page of another site makes a browser send. Without accounts nothing else would stop them. Only links to the
 * registry are allowed. Programs that aren't browsers send none of these headers.
 *
 * @throws RegistryError DENIED
 */
export function refuseCrossSite(request: HttpRequest): void {
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (isRead ? mayRead(request) : mayWrite(request)) return
  const what = isRead ? 'read from' : 'write to'
  throw new RegistryError('DENIED', { message: `a page of another site may not ${what} this registry` })
}

function mayRead(request: HttpRequest): boolean {
  const site = request.header('sec-fetch-site')
  // Browsers send the relation only to hosts that they trust, but they send the origin with each request whose answer a page wants to read.
  if (site === undefined) return isOwnOrigin(request)
  if (site === 'same-origin' || site === 'same-site' || site === 'none') return true
  const isNavigation = request.header('sec-fetch-mode') === 'navigate'
  return isNavigation && !FRAMES.includes(request.header('sec-fetch-dest') ?? '')
}

function mayWrite(request: HttpRequest): boolean {
  const site = request.header('sec-fetch-site')
  return (site === undefined || site === 'same-origin' || site === 'none') && isOwnOrigin(request)
}

function isOwnOrigin(request: HttpRequest): boolean {
  const origin = request.header('origin')
  if (origin === undefined) return true
  // Behind a proxy the page's own host may be known only from the headers of the proxy, or from the public URL.
  return isOneOf(origin, [(request.header('host') ?? '').toLowerCase(), request.origin.host])
}

function isOneOf(origin: string, hosts: readonly string[]): boolean {
  const host = URL.parse(origin)?.host ?? ''
  return host !== '' && hosts.includes(host)
}
