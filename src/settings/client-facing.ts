import { type AddressRange, parseAddressRange } from '../ip-address.ts'
import { parsePathPrefix } from '../oci/path-prefix.ts'
import { type Form, InvalidValue } from './form.ts'

/** Proxies that are trusted to report the client for which they forward. */
export interface TrustedProxies {
  /** A proxy at the other end of a Unix socket. */
  unixSocket: boolean
  ranges: readonly AddressRange[]
}

/** In a configuration file, several names may also be a list. */
const NAMES = { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] }

/** `none`, or names separated by commas. */
function namesIn(text: string): string[] {
  return text === 'none' ? [] : text.split(',').map((name) => name.trim())
}

/** Addresses, ranges and `unix`. */
export const TRUSTED_PROXIES: Form<TrustedProxies> = {
  unit: 'addresses, CIDR ranges, `unix`',
  schema: NAMES,
  isList: true,
  parse(text) {
    const names = namesIn(text)
    const ranges = names.filter((name) => name !== 'unix').map(parseAddressRange)
    const known = ranges.filter((range) => range !== undefined)
    if (known.length === ranges.length) return { unixSocket: names.includes('unix'), ranges: known }
    throw new InvalidValue(
      'must be none, or addresses and ranges separated by commas, such as 127.0.0.1,10.0.0.0/8,fd00::/8; unix for a Unix socket',
    )
  },
}

const HOST_NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,250}[a-z0-9_])?$/

/** Host names in lower case; `*.` matches any subdomain. */
export const HOST_NAMES: Form<readonly string[]> = {
  unit: 'names, `*.` for all below',
  schema: NAMES,
  isList: true,
  parse(text) {
    const names = namesIn(text.toLowerCase())
    if (names.every((name) => HOST_NAME.test(name))) return names
    throw new InvalidValue(
      'must be none, or host names without ports separated by commas, such as registry.example.com,*.registry.svc; addresses need not be listed',
    )
  },
}

/** The part of a URL before `/v2/`, parsed. */
export interface PublicUrl {
  scheme: 'http' | 'https'
  host: string
  prefix: string
}

/** The URL of a registry. */
export const PUBLIC_URL: Form<PublicUrl> = {
  unit: 'URL',
  schema: { type: 'string' },
  parse(text) {
    const url = URL.parse(text)
    const prefix = parsePathPrefix(url?.pathname ?? '')
    const isPlain = url !== null && url.username + url.password + url.search + url.hash === ''
    const scheme = url?.protocol.slice(0, -1)
    if (isPlain && (scheme === 'http' || scheme === 'https') && prefix !== undefined)
      return { scheme, host: url.host, prefix }
    throw new InvalidValue(
      'must be the part before /v2/ of the URL that clients use, such as https://registry.example.com or https://example.com/registry',
    )
  },
}
