/**
 * Whether an IP address can belong to another machine on the internet: it is not a loopback, link-local, private, multicast or reserved
 * address, and not an IPv6 address that contains one of those.
 *
 * @param address IPv4 in four decimal parts, or IPv6 without brackets; a zone after `%` makes it link-local
 * @see RFC 6890 and the special-purpose address registries of IANA
 */
export function isPublicAddress(address: string): boolean {
  const bytes = address.includes(':') ? parseIpv6(address) : parseIpv4(address)
  if (bytes === undefined) return false
  return bytes.length === 4 ? isPublicIpv4(bytes) : isPublicIpv6(bytes)
}

/** Whether a URL's host is an IP address, which is connected to without name resolution. */
export function addressOf(hostname: string): string | undefined {
  if (hostname.startsWith('[')) return hostname.slice(1, -1)
  return parseIpv4(hostname) === undefined ? undefined : hostname
}

/** IPv4 networks that are not public: the first bytes, and the length of the prefix in bits. */
const NOT_PUBLIC: readonly (readonly [bytes: readonly number[], bits: number])[] = [
  [[0], 8],
  [[10], 8],
  [[100, 64], 10],
  [[127], 8],
  [[169, 254], 16],
  [[172, 16], 12],
  [[192, 0, 0], 24],
  [[192, 0, 2], 24],
  [[192, 168], 16],
  [[198, 18], 15],
  [[198, 51, 100], 24],
  [[203, 0, 113], 24],
  [[224], 3],
]

function isPublicIpv4(bytes: readonly number[]): boolean {
  return !NOT_PUBLIC.some(([network, bits]) => isWithin(bytes, network, bits))
}

function isPublicIpv6(bytes: readonly number[]): boolean {
  // Addresses that contain an IPv4 address: mapped, NAT64, 6to4.
  if (isWithin(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 96)) return isPublicIpv4(bytes.slice(12))
  if (isWithin(bytes, [0, 0x64, 0xff, 0x9b], 96)) return isPublicIpv4(bytes.slice(12))
  if (isWithin(bytes, [0x20, 0x02], 16)) return isPublicIpv4(bytes.slice(2, 6))
  const isGlobal = isWithin(bytes, [0x20], 3)
  const isTeredo = isWithin(bytes, [0x20, 0x01, 0, 0], 32)
  const isForDocuments = isWithin(bytes, [0x20, 0x01, 0x0d, 0xb8], 32)
  return isGlobal && !isTeredo && !isForDocuments
}

function isWithin(bytes: readonly number[], network: readonly number[], bits: number): boolean {
  for (let at = 0; at < bits; at += 8) {
    const mask = bits - at >= 8 ? 0xff : (0xff << (8 - (bits - at))) & 0xff
    const index = at / 8
    if (((bytes[index] ?? 0) & mask) !== ((network[index] ?? 0) & mask)) return false
  }
  return true
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split('.')
  const isAddress = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)
  return isAddress ? parts.map(Number) : undefined
}

/** Parses an IPv6 address by way of a URL, which normalizes it. URLs refuse a zone. */
function parseIpv6(text: string): number[] | undefined {
  const hostname = URL.parse(`http://[${text}]`)?.hostname
  if (hostname === undefined) return undefined
  const [before = '', after] = hostname.slice(1, -1).split('::')
  const head = groupsOf(before)
  const tail = groupsOf(after ?? '')
  const gap = Array.from({ length: 8 - head.length - tail.length }, () => 0)
  return [...head, ...gap, ...tail].flatMap((group) => [group >> 8, group & 0xff])
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}
