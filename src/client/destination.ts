import { DestinationError } from './error.ts'
import { addressOf, isPublicAddress } from './public-address.ts'

/** The purpose of a request. A token endpoint may be on another host without being listed if it uses https. */
export type Purpose = 'api' | 'token'

/**
 * Throws DestinationError unless a request may be sent to a URL that the registry named.
 *
 * @returns whether the URL is at the registry's own host and port
 */
export type CheckDestination = (url: URL, purpose: Purpose) => boolean

/**
 * Decides where requests may go. A registry names URLs in `Location`, in redirects, in `Link`, in descriptors and as token realms, and each
 * of them makes this client send a request. Requests may go to the registry's own origin, and otherwise only to listed hosts. No requests
 * go to loopback, link-local and private addresses, listed or not, unless the registry itself is at that host and port. Names are resolved
 * later: the code that opens connections checks the address with `isPublicAddress`, except for the registry's own host and port.
 *
 * @param origin of the registry
 * @param allowedHosts `host` or `host:port`; without a port, the default one of the scheme
 */
export function openDestinations(origin: string, allowedHosts: readonly string[] = []): CheckDestination {
  const home = new URL(origin)
  const allowed = new Set(allowedHosts)
  return (url, purpose) => {
    const isHome = url.hostname === home.hostname && portOf(url) === portOf(home)
    if (url.origin === home.origin) return isHome
    if (!isHome && isLocal(url.hostname))
      throw new DestinationError(
        `the registry leads to ${url.origin}, a loopback, link-local or private address, so no requests are sent there`,
      )
    const isListed = allowed.has(url.host) || allowed.has(`${url.hostname}:${portOf(url)}`)
    if (isListed || (purpose === 'token' && url.protocol === 'https:')) return isHome
    throw new DestinationError(
      `the registry leads to ${url.origin}, which is not an allowed host, so no requests are sent there`,
      { unlisted: url },
    )
  }
}

/** Reads a host to which requests may go, in the form that URLs use. @returns undefined if it is not one */
export function parseAllowedHost(text: string): string | undefined {
  if (/[/?#@\\\s]/.test(text)) return undefined
  // The scheme determines the default port; this scheme has none.
  const url = URL.parse(`http://${text}`)
  if (url === null || url.hostname === '') return undefined
  return text.endsWith(':80') ? `${url.hostname}:80` : url.host
}

function portOf({ port, protocol }: URL): string {
  if (port !== '') return port
  return protocol === 'https:' ? '443' : '80'
}

function isLocal(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '')
  if (name === 'localhost' || name.endsWith('.localhost')) return true
  const address = addressOf(hostname)
  return address !== undefined && !isPublicAddress(address)
}
