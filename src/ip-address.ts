import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net'

/** A range of IP addresses, as in CIDR notation. */
export interface AddressRange {
  /** In the form of {@link parseIpAddress}. */
  address: string
  /** How many leading bits an address must share: up to 32 for IPv4, up to 128 for IPv6. */
  prefixLength: number
}

const MAPPED = '::ffff:'
const MAPPED_BITS = 96

/**
 * Normalizes an IP address, so that two texts can be compared. IPv6 is in lower case and shortest form, without a zone. An IPv6 address
 * that maps an IPv4 one (`::ffff:192.0.2.1`) becomes IPv4.
 *
 * @returns undefined if the text is not an address
 */
export function parseIpAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  if (!isIPv6(text)) return undefined
  const { address } = new SocketAddress({ address: text, family: 'ipv6' })
  const embedded = address.startsWith(MAPPED) ? address.slice(MAPPED.length) : ''
  return isIPv4(embedded) ? embedded : address
}

/**
 * Reads a range such as `10.0.0.0/8` or `fd00::/8`; a single address is a range of one. A range of IPv4 addresses in IPv6 form becomes one
 * of IPv4.
 *
 * @returns undefined if the text is not a range
 */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [, written = '', length] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = parseIpAddress(written)
  if (address === undefined) return undefined
  const bits = isIPv4(written) ? 32 : 128
  const prefixLength = length === undefined ? bits : Number(length)
  if (prefixLength > bits) return undefined
  if (bits === 32 || !isIPv4(address)) return { address, prefixLength }
  if (prefixLength < MAPPED_BITS) return undefined
  return { address, prefixLength: prefixLength - MAPPED_BITS }
}

/** Makes the function that tests whether an address, in the form of {@link parseIpAddress}, is in one of some ranges. */
export function addressMatcher(ranges: readonly AddressRange[]): (address: string) => boolean {
  if (ranges.length === 0) return () => false
  const list = new BlockList()
  for (const { address, prefixLength } of ranges) list.addSubnet(address, prefixLength, familyOf(address))
  return (address) => list.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6'
}
