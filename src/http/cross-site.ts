import { RegistryError } from '../oci/error.ts'
import type { HttpRequest } from './message.ts'

const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

/**
 * Refuses writes that a page of another site makes a browser send: without accounts nothing else would stop them. Programs that
 * aren't browsers send neither header.
 *
 * @param onlyLoopback whether this registry is reached by loopback alone; then a page that names any other host has had it
 *   resolved to this machine, which is an attack
 * @throws RegistryError DENIED
 */
export function refuseCrossSite(request: HttpRequest, onlyLoopback: boolean): void {
  if (request.method === 'GET' || request.method === 'HEAD') return
  const site = request.header('sec-fetch-site')
  const origin = request.header('origin')
  if (site === undefined && origin === undefined) return
  const host = (request.header('host') ?? '').toLowerCase()
  const isOwnSite = site === undefined || site === 'same-origin' || site === 'none'
  // Behind a proxy the page's own host may be known only from what the proxy told, or from the public URL.
  const isOwnOrigin = origin === undefined || isOneOf(origin, [host, request.origin.host])
  if (isOwnSite && isOwnOrigin && (!onlyLoopback || LOOPBACK_HOST.test(host))) return
  throw new RegistryError('DENIED', { message: 'a page of another site may not write to this registry' })
}

function isOneOf(origin: string, hosts: readonly string[]): boolean {
  const host = URL.parse(origin)?.host ?? ''
  return host !== '' && hosts.includes(host)
}
