import { parseIpAddress } from '../ip-address.ts'
import { parsePathPrefix } from '../oci/path-prefix.ts'
import { type ForwardedElement, listMembers, parseForwarded, parseNodeAddress } from './forwarded.ts'
import { newRequestId, parseRequestId } from './request-id.ts'

/** Who sent a request, and the URL of the registry as that client sees it. This is the only source of both; all other code asks it. */
export interface RequestOrigin {
  /**
   * The client's IP address, in the form of `parseIpAddress`. Undefined if it is unknown: a trusted proxy hides it, names something that is
   * not an address, or names two; or a request came over a Unix socket without information about its client. Never the address of a proxy
   * in place of an unknown client, so that the permissions of the proxy do not apply to everyone behind it.
   */
  readonly address: string | undefined
  readonly scheme: 'http' | 'https'
  /** Name or address, with the port if one was given, in lower case; empty if the request has no well-formed host. */
  readonly host: string
  /** The path before `/v2/` in the client's URL, such as `/registry`; usually empty. */
  readonly prefix: string
  /** The id of the request in the answer and in logs: given by a trusted proxy, or made here. */
  readonly requestId: string
}

/** The connection that a request came over. */
export interface Connection {
  /** The IP address of its other end, `unix` on a Unix socket, undefined if it isn't known. */
  peer: string | undefined
  isEncrypted: boolean
}

/** The settings that determine the origin of requests. */
export interface OriginSettings {
  /** The URL by which clients reach the registry, regardless of the request. */
  publicUrl?: Pick<RequestOrigin, 'scheme' | 'host' | 'prefix'> | undefined
  /** Whether a proxy at an address, or at the other end of the Unix socket, is trusted to report its client. */
  isTrusted?(peer: string): boolean
}

/** The value of a header by its lower-case name; several of one name joined by commas. */
export type HeaderReader = (name: string) => string | undefined

/** Determines where a request came from. */
export type OriginReader = (connection: Connection, header: HeaderReader) => RequestOrigin

/** What trusted proxies reported. Each part is undefined if they reported nothing usable. */
interface Statement {
  /** Undefined if no proxy named a client; null if the name is not an address. */
  address?: string | null | undefined
  scheme?: RequestOrigin['scheme'] | undefined
  host?: string | undefined
  prefix?: string | undefined
  requestId?: string | undefined
}

/** More proxies in a row than any real deployment has. Further entries are ignored. */
const MAX_HOPS = 32
const HOST = /^(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::\d{1,5})?$/

/**
 * Makes the function that determines where requests came from. Without settings it uses the connection and `Host`. Headers of proxies count
 * only on connections from a trusted proxy. If two of them contradict each other, neither counts: a proxy writes one of them, and passes on
 * the other as the client sent it.
 */
export function originReader({ publicUrl, isTrusted = () => false }: OriginSettings = {}): OriginReader {
  return ({ peer, isEncrypted }, header) => {
    const direct = peer === undefined || peer === 'unix' ? peer : parseIpAddress(peer)
    const isProxy = direct !== undefined && isTrusted(direct)
    const said = isProxy ? readStatement(header, isTrusted) : NOTHING_SAID
    const ownAddress = direct === 'unix' ? undefined : direct
    return {
      address: said.address === undefined ? ownAddress : (said.address ?? undefined),
      scheme: publicUrl?.scheme ?? said.scheme ?? (isEncrypted ? 'https' : 'http'),
      host: publicUrl?.host ?? said.host ?? parseHost(header('host')) ?? '',
      prefix: publicUrl?.prefix ?? said.prefix ?? '',
      requestId: said.requestId ?? newRequestId(),
    }
  }
}

const NOTHING_SAID: Statement = {}

function readStatement(header: HeaderReader, isTrusted: (peer: string) => boolean): Statement {
  const standard = readForwarded(header('forwarded'), isTrusted)
  const address = clientOf(listMembers(header('x-forwarded-for') ?? ''), isTrusted)?.address
  return {
    address: together(standard.address, address, null),
    scheme: together(standard.scheme, parseScheme(nearest(header, 'x-forwarded-proto')), undefined),
    host: together(standard.host, parseHost(nearest(header, 'x-forwarded-host')), undefined),
    prefix: parsePathPrefix(nearest(header, 'x-forwarded-prefix') ?? ''),
    requestId: parseRequestId(header('x-request-id')),
  }
}

/** The combined value of two headers: the value of the only one that is present, or the value on which both agree. */
function together<Value>(
  first: Value | undefined,
  second: Value | undefined,
  contradiction: Value | undefined,
): Value | undefined {
  if (first === undefined) return second
  return second === undefined || first === second ? first : contradiction
}

/** The member that the nearest proxy wrote: those before it may come from the client. */
function nearest(header: HeaderReader, name: string): string | undefined {
  return listMembers(header(name) ?? '').at(-1)
}

function readForwarded(text: string | undefined, isTrusted: (peer: string) => boolean): Statement {
  if (text === undefined) return {}
  const elements = parseForwarded(text)
  if (elements === undefined) return { address: null }
  const speaksOfClients = elements.some((element) => element.for !== undefined)
  const nodes = speaksOfClients ? elements.map((element) => element.for ?? '') : []
  const client = clientOf(nodes, isTrusted)
  // Each of these was written by a trusted proxy; the farthest proxy knows best what the client sent.
  const trusted = elements.slice(client?.index ?? -1)
  return {
    address: client?.address,
    scheme: parseScheme(firstOf(trusted, 'proto')),
    host: parseHost(firstOf(trusted, 'host')),
  }
}

function firstOf(elements: readonly ForwardedElement[], name: keyof ForwardedElement): string | undefined {
  return elements.find((element) => element[name] !== undefined)?.[name]
}

/**
 * The client among the nodes that a request passed, the nearest last. It is the first from the right that is not a trusted proxy, or else
 * the leftmost.
 *
 * @returns its address; null if the entry is not an address; undefined if there are no nodes
 */
function clientOf(
  nodes: readonly string[],
  isTrusted: (peer: string) => boolean,
): { address: string | null; index: number } | undefined {
  const last = Math.max(0, nodes.length - MAX_HOPS)
  for (let index = nodes.length - 1; index >= last; index--) {
    const address = parseNodeAddress(nodes[index] ?? '')
    if (address === undefined) return { address: null, index }
    if (index === 0 || !isTrusted(address)) return { address, index }
  }
  return nodes.length === 0 ? undefined : { address: null, index: last }
}

function parseScheme(text: string | undefined): RequestOrigin['scheme'] | undefined {
  const scheme = text?.toLowerCase()
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}

function parseHost(text: string | undefined): string | undefined {
  const host = text?.toLowerCase()
  return host !== undefined && HOST.test(host) ? host : undefined
}
