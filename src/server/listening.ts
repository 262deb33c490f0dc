import type { Logger } from 'pino'
import { type Config, ConfigError, OPEN_TO_ANYBODY } from '../config.ts'
import { FileLockedError, lockFile } from '../file-lock.ts'
import { InheritedSocketError, openInheritedListener } from '../http/inherited-listener.ts'
import { type Listener, type NetworkAddress, openListener } from '../http/listener.ts'
import { openUnixListener, SocketFileError } from '../http/unix-listener.ts'
import { isLoopback } from '../loopback.ts'

/** The listeners of a server, and the URLs by which clients reach it. */
export interface Listening {
  listener: Listener
  /** Such as `http://127.0.0.1:5000` or `unix:/run/stowage/stowage.sock`. */
  urls: readonly string[]
}

/**
 * Listens on the address of `--listen`, or on sockets that were passed to this process.
 *
 * @param inherited descriptors of those sockets; if there are any, `--listen` is not used
 * @throws ConfigError if a Unix socket or an inherited one can't be used, or the error of listening, such as EADDRINUSE
 */
export async function openListening(
  config: Config,
  { inherited, log }: { inherited: readonly number[]; log: Logger },
): Promise<Listening> {
  try {
    return inherited.length > 0 ? await openInherited(config, inherited) : await openOwn(config, log)
  } catch (cause) {
    const isExpected = cause instanceof SocketFileError || cause instanceof InheritedSocketError
    throw isExpected ? new ConfigError(cause.message, { cause }) : cause
  }
}

async function openOwn(config: Config, log: Logger): Promise<Listening> {
  const { listener, place } = await openPlace(config.listen, config, log)
  return { listener, urls: [typeof place === 'string' ? unixUrl(place) : urlOf(config, place)] }
}

/**
 * Listens on the address of `--metrics-listen`.
 *
 * @throws as {@link openListening}
 */
export async function openMetricsListening(
  wanted: Config['listen'],
  config: Config,
  log: Logger,
): Promise<{ listener: Listener; url: string }> {
  try {
    const { listener, place } = await openPlace(wanted, config, log)
    return { listener, url: typeof place === 'string' ? unixUrl(place) : `http://${authorityOf(place)}` }
  } catch (cause) {
    throw cause instanceof SocketFileError ? new ConfigError(cause.message, { cause }) : cause
  }
}

/** @returns where it listens: the path of a Unix socket, or an address with the port that was assigned */
async function openPlace(
  wanted: Config['listen'],
  { socketMode: mode }: Pick<Config, 'socketMode'>,
  log: Logger,
): Promise<{ listener: Listener; place: string | NetworkAddress }> {
  if ('path' in wanted) {
    const { path } = wanted
    return { listener: await openUnixListener({ path, mode, claim: () => claimSocket(path) }), place: path }
  }
  const listener = await openListener(wanted)
  tellOfFallback(wanted, listener, log)
  return { listener, place: requestedAddress(wanted, listener) }
}

async function openInherited(config: Config, descriptors: readonly number[]): Promise<Listening> {
  const listener = await openInheritedListener(descriptors)
  const { addresses, socketFiles } = listener
  const open = addresses.find(({ host }) => !isLoopback(host))
  if (open !== undefined && !config.allowAnonymous) {
    listener.close()
    const message = `${authorityOf(open)}, which was passed to this process, ${OPEN_TO_ANYBODY}`
    throw new InheritedSocketError(message)
  }
  return {
    listener,
    urls: [...addresses.map((place) => urlOf(config, place)), ...socketFiles.map(unixUrl)],
  }
}

function claimSocket(path: string): { release(): void } {
  const lock = `${path}.lock`
  try {
    return lockFile(lock)
  } catch (cause) {
    if (cause instanceof FileLockedError) throw SocketFileError.inUse(path, cause)
    throw new SocketFileError(`${lock} cannot be used: ${(cause as Error).message}`, { cause })
  }
}

function tellOfFallback({ host }: NetworkAddress, { addresses }: Listener, log: Logger): void {
  const hosts = addresses.map((place) => place.host)
  if (hosts.includes(host) || host !== '::') return
  log.warn({ addresses: hosts }, 'this system has no IPv6; only IPv4 connections are accepted')
}

/**
 * The requested host, which may be a name, with the port that was assigned. A server that listens on all addresses may have fallen back to
 * IPv4 only.
 */
function requestedAddress({ host }: NetworkAddress, { addresses }: Listener): NetworkAddress {
  const [first] = addresses
  return { host: host === '::' ? (first?.host ?? host) : host, port: first?.port ?? 0 }
}

function urlOf({ tlsCert }: Config, place: NetworkAddress): string {
  return `${tlsCert === undefined ? 'http' : 'https'}://${authorityOf(place)}`
}

function unixUrl(path: string): string {
  return `unix:${path}`
}

function authorityOf({ host, port }: NetworkAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
