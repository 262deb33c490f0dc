import { parseIpAddress } from '../ip-address.ts'
import { QUOTED, scan, TOKEN, unescapeQuoted } from '../oci/field-value.ts'

/** What one proxy reported about the request that it received. */
export interface ForwardedElement {
  /** The node identifier of the sender, as it was written. */
  for?: string
  proto?: string
  host?: string
}

const PAIR = new RegExp(`[ \\t]*(${TOKEN})=(?:${QUOTED}|(${TOKEN}))[ \\t]*`, 'y')
const BETWEEN_PAIRS = /[ \t]*;[ \t]*/y
const BETWEEN_ELEMENTS = /[ \t]*(?:,[ \t,]*|$)/y

/**
 * Reads a `Forwarded` header. Each of its elements was added by one proxy, the nearest last.
 *
 * @returns undefined if the header is malformed, since then no part of it can be attributed to a proxy
 * @see RFC 7239, section 4
 */
export function parseForwarded(header: string): ForwardedElement[] | undefined {
  const scanner = scan(header)
  const elements: ForwardedElement[] = []
  scanner.take(BETWEEN_ELEMENTS)
  while (!scanner.isAtEnd()) {
    const pairs = new Map<string, string>()
    do {
      const pair = scanner.take(PAIR)
      if (pair === undefined) continue
      const [, name = '', quoted, bare = ''] = pair
      // A parameter must not occur twice in an element.
      if (pairs.has(name.toLowerCase())) return undefined
      pairs.set(name.toLowerCase(), quoted === undefined ? bare : unescapeQuoted(quoted))
    } while (scanner.take(BETWEEN_PAIRS) !== undefined)
    if (scanner.take(BETWEEN_ELEMENTS) === undefined) return undefined
    elements.push(Object.fromEntries(pairs))
  }
  return elements
}

/**
 * Reads the address of a node, with or without a port. An IPv6 address with a port must be in brackets.
 *
 * @returns in the form of {@link parseIpAddress}; undefined for `unknown`, a hidden identifier such as `_proxy7`, and anything else
 * @see RFC 7239, section 6; several proxies write `X-Forwarded-For` with a port too
 */
export function parseNodeAddress(text: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^[\]%]+)\]|([\d.]+))(?::(?:\d{1,5}|_[\w.-]+))?$/.exec(text) ?? []
  if (bracketed === undefined) return parseIpAddress(plain ?? text)
  return bracketed.includes(':') ? parseIpAddress(bracketed) : undefined
}

/** The members of a header that is a list between commas, empty ones left out. @see RFC 9110, section 5.6.1 */
export function listMembers(header: string): string[] {
  return header
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '')
}
