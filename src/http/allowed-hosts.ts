import { createHash } from 'node:crypto'
import { parseIpAddress } from '../ip-address.ts'
import { RegistryError } from '../oci/error.ts'

/** Refuses what is sent to a host that is not the registry's. @throws RegistryError HOST_UNKNOWN */
export type HostCheck = (host: string | undefined) => void

/** What makes a {@link HostCheck}. */
export interface HostSettings {
  /** Names in lower case; `*.` at the beginning stands for any name below. */
  allowedHosts: readonly string[]
  /** The host, with or without a port, that clients reach the registry by. */
  publicHost: string | undefined
  log: { warn(fields: object, message: string): void }
  /** What was logged, which all threads may share, so that each host is logged once; by default of this check alone. */
  logged?: Int32Array
}

/** A page can name any number of hosts; beyond this many nothing more is logged. */
const MAX_LOGGED_HOSTS = 256

const PORT = /:\d*$/
const MAX_SHOWN = 255

/**
 * Makes what refuses requests for foreign hosts. A page whose name an attacker resolves to an address of this registry is of the same
 * origin for its browser, and could read and write everything; but its requests name the attacker's host. While there are no accounts
 * this concerns requests to every address. IP addresses and loopback names are not resolved by anybody's name server.
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
    // None in HTTP/1.0, which no browser speaks. Most requests are for the same host as the one before.
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

/** Memory in which all threads of a server can remember what hosts were logged. */
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

/** Whether a name was not there yet, and has its place now. */
function claim(places: Int32Array, name: string): boolean {
  // Zero is a place that is free.
  const mark = createHash('sha256').update(name).digest().readInt32LE() | 1
  for (let index = 0; index < places.length; index++) {
    const found = Atomics.compareExchange(places, index, 0, mark)
    if (found === 0) return true
    if (found === mark) return false
  }
  return false
}
