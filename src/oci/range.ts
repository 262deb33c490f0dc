/** Bytes `start` to `end` of content, both inclusive, counted from 0. */
export interface ByteRange {
  start: number
  end: number
}

const MAX_RANGES = 1024
const UNIT = /^[ \t]*bytes[ \t]*$/i
const RANGE = /^[ \t]*(\d*)-(\d*)[ \t]*$/
const CONTENT_RANGE = /^[ \t]*(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:(\d{1,15})|\*))?[ \t]*$/

/**
 * Reads a `Range` header against content of a known size. Ends are clamped. Ranges that are malformed, more than 1,024, or together longer
 * than the content (so that they overlap) are ignored, and all are refused if one ends before it begins, as RFC 9110 allows. A request for
 * the last bytes of empty content is also ignored: it can be satisfied, but `Content-Range` cannot express that.
 *
 * @param size of the content in bytes
 * @returns undefined if the header is to be ignored, an empty array if no range can be satisfied or one is invalid, else the ranges as
 * requested
 * @see RFC 9110, section 14.2
 */
export function parseRange(header: string, size: number): ByteRange[] | undefined {
  const equals = header.indexOf('=')
  if (!UNIT.test(header.slice(0, Math.max(0, equals)))) return undefined
  const parts = header.slice(equals + 1).split(',')
  if (parts.length > MAX_RANGES) return undefined
  const ranges: ByteRange[] = []
  let total = 0
  let isInvalid = false
  let isWhole = false
  for (const part of parts) {
    const [, first = '', last = ''] = RANGE.exec(part) ?? []
    if (first === '' && last === '') return undefined
    if (first !== '' && last !== '' && Number(last) < Number(first)) isInvalid = true
    if (first === '' && Number(last) > 0 && size === 0) isWhole = true
    const range = satisfy(first, last, size)
    if (range === undefined) continue
    ranges.push(range)
    total += range.end - range.start + 1
  }
  if (isInvalid) return []
  if (isWhole) return undefined
  return ranges.length > 1 && total > size ? undefined : ranges
}

function satisfy(first: string, last: string, size: number): ByteRange | undefined {
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start > end ? undefined : { start, end }
}

/**
 * Reads the `Content-Range` of a chunk that is uploaded: `<start>-<end>`, also with the unit and the total that some clients add.
 *
 * @returns undefined if it is malformed, ends before it starts, or exceeds its total
 * @see OCI Distribution Specification, "Pushing a blob in chunks"; RFC 9110, section 14.4
 */
export function parseContentRange(header: string): ByteRange | undefined {
  const match = CONTENT_RANGE.exec(header)
  if (match === null) return undefined
  const range = { start: Number(match[1]), end: Number(match[2]) }
  const total = match[3] === undefined ? Number.POSITIVE_INFINITY : Number(match[3])
  return range.end < range.start || range.end >= total ? undefined : range
}
