import { type LookupAddress, lookup as lookUp } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { Agent, fetch as fetchBy } from 'undici'
import { isPublicAddress } from '../client/public-address.ts'
import type { Fetch } from '../client/transport.ts'

/** How requests are sent. */
export interface TransportOptions {
  /** Offers HTTP/2 over https; without it, always uses HTTP/1.1. */
  http2?: boolean
  lookup?: LookupFunction
}

/**
 * Sends requests with undici, the library behind Node's own fetch, since only undici lets us choose the version. Node's fetch offers HTTP/2
 * over https. A server may then end the only connection because of one request, and all others on it fail. Requests to any host except the
 * tested registry connect only to public addresses, whatever their names resolve to.
 */
export function openTransport({ http2 = false, lookup = lookUp }: TransportOptions = {}): Fetch {
  const openAgent = (isHome: boolean) =>
    new Agent({ allowH2: http2, connect: { lookup: isHome ? lookup : onlyPublic(lookup) } })
  const home = openAgent(true)
  const elsewhere = openAgent(false)
  return async (url, { signal, ...init }, { isHome, isFresh }) => {
    if (!isFresh)
      return await fetchBy(url, { ...init, signal: signal ?? null, dispatcher: isHome ? home : elsewhere })
    const agent = openAgent(isHome)
    try {
      return await fetchBy(url, { ...init, signal: signal ?? null, dispatcher: agent })
    } finally {
      // This ends once the answer is read.
      agent.close().catch(() => {})
    }
  }
}

/** Resolves names and fails if any of their addresses is not public. The checked addresses are those that are connected to. */
function onlyPublic(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, found, family) => {
      const addresses: readonly LookupAddress[] =
        typeof found === 'string' ? [{ address: found, family: family ?? 4 }] : found
      const local = error === null ? addresses.find(({ address }) => !isPublicAddress(address)) : undefined
      if (local === undefined) return callback(error, found, family)
      const problem = `${hostname} has the address ${local.address}, a loopback, link-local or private address, so no requests are sent to it`
      callback(new Error(problem), [])
    })
}
