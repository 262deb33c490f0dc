import { lookup } from 'node:dns/promises'
import { createServer, isIP, type Server, type Socket } from 'node:net'

/** A connection from which nothing was read yet, so that it can be passed to another thread. */
export type AcceptedConnection = Socket

/** Where to listen: an IP address of this machine or a name that resolves to some, and a port; 0 takes any free port. */
export interface NetworkAddress {
  host: string
  port: number
}

/** Accepts connections, and does nothing else with them. */
export interface Listener {
  /** The IP addresses that are listened on, with their ports. */
  readonly addresses: readonly NetworkAddress[]
  /** The paths of the Unix sockets that are listened on. */
  readonly socketFiles: readonly string[]
  /** Sets the receiver of all connections. Connections that were accepted before are delivered at once. */
  deliverTo(take: (connection: AcceptedConnection) => void): void
  /** Stops accepting connections, and drops those that were not delivered. */
  close(): void
}

/** An address cannot be listened on; `host` and `port` say which one, if a name resolves to several. */
export type ListenError = NodeJS.ErrnoException & { address?: string; port?: number }

const BACKLOG = 1024
/** How often another free port is tried if the one that the first address got is taken on the second. */
const TRIES = 10
/** The system does not have such an address, or not even its address family: IPv6 may not be available. */
const ABSENT = ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL']
const EVERYWHERE = { ipv6: '::', ipv4: '0.0.0.0' }
/** Independent of the hosts file of the system, and of which of the two a client tries first. RFC 6761, section 6.3 */
const LOCALHOST = ['127.0.0.1', '::1']

/**
 * Listens on every address that a host resolves to. Only the system decides whether an address is free, at the moment when it is bound, so
 * that if two servers start at the same time, one of them fails.
 *
 * `::` also accepts IPv4 connections, and means all IPv4 addresses if IPv6 is not available.
 *
 * @throws ListenError of the system, such as EADDRINUSE, or of the look-up of a name
 */
export async function openListener({ host, port }: NetworkAddress): Promise<Listener> {
  const addresses = await addressesOf(host)
  const delivery = new Delivery()
  for (let left = TRIES; ; left--) {
    try {
      const servers = await listenOnAll(addresses, port, delivery)
      return listenerOf(servers, delivery)
    } catch (error) {
      const mayBeBadLuck = port === 0 && addresses.length > 1 && left > 1
      if (!mayBeBadLuck || (error as ListenError).code !== 'EADDRINUSE') throw error
    }
  }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  if (host.toLowerCase() === 'localhost') return LOCALHOST
  const found = await lookup(host, { all: true })
  return [...new Set(found.map(({ address }) => address))]
}

async function listenOnAll(
  addresses: readonly string[],
  wanted: number,
  delivery: Delivery,
): Promise<Server[]> {
  const servers: Server[] = []
  let port = wanted
  let absent: unknown
  for (const host of addresses) {
    try {
      const server = await listenOn({ host, port }, delivery)
      port = portOf(server)
      servers.push(server)
    } catch (error) {
      if (!isAbsent(error)) {
        for (const server of servers) server.close()
        throw error
      }
      absent = error
    }
  }
  if (servers.length === 0) throw absent
  return servers
}

async function listenOn(place: NetworkAddress, delivery: Delivery): Promise<Server> {
  try {
    return await startListening(place, delivery)
  } catch (error) {
    if (place.host !== EVERYWHERE.ipv6 || !isAbsent(error)) throw error
    return await startListening({ ...place, host: EVERYWHERE.ipv4 }, delivery)
  }
}

function isAbsent(error: unknown): boolean {
  return ABSENT.includes((error as NodeJS.ErrnoException).code ?? '')
}

/**
 * Listens at a place or on an inherited descriptor.
 *
 * @throws the error of the system
 */
export function startListening(
  place: NetworkAddress | { path: string } | { fd: number },
  delivery: Delivery,
): Promise<Server> {
  // The options that an HTTP server uses. Nothing may be read from a connection before it is delivered, otherwise it can't be passed to
  // another thread.
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
  server.on('connection', (connection) => delivery.take(connection))
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...place, backlog: BACKLOG, exclusive: true }, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}

function portOf(server: Server): number {
  return addressOf(server)?.port ?? 0
}

/** The address that a server listens on; undefined if that is a Unix socket. */
function addressOf(server: Server): NetworkAddress | undefined {
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? { host: bound.address, port: bound.port } : undefined
}

/** Combines servers that deliver in the same way into one listener. @param socketFiles the paths of those that are Unix sockets */
export function listenerOf(
  servers: readonly Server[],
  delivery: Delivery,
  socketFiles: readonly string[] = [],
): Listener {
  return {
    addresses: servers.map(addressOf).filter((place) => place !== undefined),
    socketFiles,
    deliverTo: (take) => delivery.begin(take),
    close() {
      for (const server of servers) server.close()
      delivery.end()
    },
  }
}

/** Delivers connections to their receiver once it is set. */
export class Delivery {
  #waiting: AcceptedConnection[] = []
  #take: (connection: AcceptedConnection) => void = (connection) => void this.#waiting.push(connection)

  take(connection: AcceptedConnection): void {
    this.#take(connection)
  }

  begin(take: (connection: AcceptedConnection) => void): void {
    this.#take = take
    for (const connection of this.#waiting.splice(0)) take(connection)
  }

  end(): void {
    this.begin((connection) => connection.destroy())
  }
}
