import { QUOTED, type Scanner, scan, TOKEN, unescapeQuoted } from './field-value.ts'

const BETWEEN = /[ \t]*(?:,[ \t,]*|$)/y
const TARGET = /[ \t]*<([^<>\s]*)>/y
const PARAMETER = new RegExp(
  `[ \\t]*;(?:[ \\t]*(${TOKEN})(?:[ \\t]*=[ \\t]*(?:${QUOTED}|(${TOKEN})))?)?`,
  'y',
)

/**
 * Makes the `Link` header that leads to the next page of a list: a path without host, so that it is valid behind any proxy.
 *
 * @param path of the list
 * @param parameters of the next page; those that are undefined are left out
 * @see RFC 8288; OCI Distribution Specification, "Listing Tags"
 */
export function formatNextLink(
  path: string,
  parameters: [name: string, value: string | undefined][],
): string {
  const query = parameters
    .filter((parameter): parameter is [string, string] => parameter[1] !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')
  return `<${path}?${query}>; rel="next"`
}

/**
 * Reads a `Link` header, which may contain several links.
 *
 * @returns the target of the first whose relation is `next`, as it is written; undefined if there is none, or the header is malformed
 * @see RFC 8288, section 3
 */
export function parseNextLink(header: string): string | undefined {
  const scanner = scan(header)
  scanner.take(BETWEEN)
  let next: string | undefined
  while (!scanner.isAtEnd()) {
    const target = scanner.take(TARGET)?.[1]
    if (target === undefined) return undefined
    if (takeRelations(scanner).includes('next')) next ??= target
    if (scanner.take(BETWEEN) === undefined) return undefined
  }
  return next
}

/** Takes the parameters of a link; only the first `rel` counts. */
function takeRelations(scanner: Scanner): string[] {
  let relations: string | undefined
  for (let found = scanner.take(PARAMETER); found !== undefined; found = scanner.take(PARAMETER)) {
    const [, name, quoted, bare] = found
    if (name?.toLowerCase() === 'rel')
      relations ??= quoted === undefined ? (bare ?? '') : unescapeQuoted(quoted)
  }
  return (relations ?? '').toLowerCase().split(/[ \t]+/)
}
