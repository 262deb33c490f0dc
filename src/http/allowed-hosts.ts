import { createHash } from 'node:crypto'
import { parseIpAddress } from '../ip-address.ts'
import { RegistryError } from '../oci/error.ts'

/** Refuses requests to a host that is not the registry's. @throws RegistryError HOST_UNKNOWN */
export type HostCheck = (host: string | undefined) => void

/** What a {@link HostCheck} is made from. */
export interface HostSettings {
  /** Names in lower case; `*.` at the beginning matches any subdomain. */
  allowedHosts: readonly string[]
  /** The host, with or without a port, by which clients reach the registry. */
  publicHost: string | undefined
  log: { warn(fields: object, message: string): void }
  /** The hosts that were logged. All threads may share it, so that each host is logged once. By default only this check uses it. */
  logged?: Int32Array
}

/** A page can name any number of hosts. After this many, no more are logged. */
const MAX_LOGGED_HOSTS = 256

const PORT = /:\d*$/
const MAX_SHOWN = 255

/**
 * Makes the check that refuses requests for foreign hosts. If an attacker resolves the name of a page to an address of this registry, the
 * browser considers both the same origin, and the page could read and write everything. But its requests name the attacker's host. As long
 * as there are no accounts, this concerns requests to every address. IP addresses and loopback names are allowed, since no name server
 * resolves them.
 */
export function hostCheck({
  allowedHosts,
  publicHost,
  log,
  logged = memoryOfLoggedHosts(),
}: HostSettings): HostCheck {
  const names = new Set(allowedHosts)
  if (publicHost !== undefined) names.add(nameOf(publicHost))
  const below = allowedHosts.filter((name) => name.startsWith('*.')).map((name) => name.slice(1))
  let lastAccepted: string | undefined
  return (host) => {
    // An HTTP/1.0 request may have no Host, but no browser uses HTTP/1.0. Most requests are for the same host as the one before.
    if (host === undefined || host === lastAccepted) return
    const name = nameOf(host)
    const isBelow = () => below.some((suffix) => name.endsWith(suffix) && name.length > suffix.length)
    if (isAddress(name) || isLoopbackName(name) || names.has(name) || isBelow()) {
      lastAccepted = host
      return
    }
    const shown = JSON.stringify(name.slice(0, MAX_SHOWN))
    if (claim(logged, name)) {
      log.warn(
        { host: name.slice(0, MAX_SHOWN) },
        'a request for an unknown host was refused; see --allowed-hosts',
      )
    }
    throw new RegistryError('HOST_UNKNOWN', {
      message: `this registry does not accept the host name ${shown}; to accept it, add it to --allowed-hosts`,
    })
  }
}

/** Memory in which all threads of a server remember which hosts were logged. */
export function memoryOfLoggedHosts(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(MAX_LOGGED_HOSTS * Int32Array.BYTES_PER_ELEMENT))
}

/** The host without its port, in lower case, and without the dot that ends an absolute name. */
function nameOf(host: string): string {
  return host.toLowerCase().replace(PORT, '').replace(/\.$/, '')
}

function isAddress(name: string): boolean {
  const [, bracketed] = /^\[(.*)\]$/.exec(name) ?? []
  return parseIpAddress(bracketed ?? name) !== undefined
}

/** RFC 6761, section 6.3 */
function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}

/** Adds a name. Returns whether it was new and there was room for it. */
function claim(places: Int32Array, name: string): boolean {
  // Zero marks a free slot.
  const mark = createHash('sha256').update(name).digest().readInt32LE() | 1
  for (let index = 0; index < places.length; index++) {
    const found = Atomics.compareExchange(places, index, 0, mark)
    if (found === 0) return true
    if (found === mark) return false
  }
  return false
}
