/** Bytes `start` to `end` of content, both inclusive, counted from 0. */
export interface ByteRange {
  start: number
  end: number
}

const MAX_RANGES = 1024
const RANGE = /^(\d*)-(\d*)$/
const CONTENT_RANGE = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/

/**
 * Reads a `Range` header against content of a known size. Ends are clamped. Ranges that are malformed, more than 1,024, or together
 * longer than the content (so that they overlap) are ignored, as RFC 9110 allows.
 *
 * @param size of the content in bytes
 * @returns undefined if the header is to be ignored, an empty array if no range can be satisfied, else the ranges as asked for
 * @see RFC 9110, section 14.2
 */
export function parseRange(header: string, size: number): ByteRange[] | undefined {
  const equals = header.indexOf('=')
  if (header.slice(0, Math.max(0, equals)).trim().toLowerCase() !== 'bytes') return undefined
  const parts = header.slice(equals + 1).split(',')
  if (parts.length > MAX_RANGES) return undefined
  const ranges: ByteRange[] = []
  let total = 0
  for (const part of parts) {
    const spec = RANGE.exec(part.trim())
    if (spec === null || (spec[1] === '' && spec[2] === '')) return undefined
    const range = satisfy(spec[1] ?? '', spec[2] ?? '', size)
    if (range === undefined) continue
    ranges.push(range)
    total += range.end - range.start + 1
  }
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
 * @returns undefined if it is malformed or ends before it starts
 * @see OCI Distribution Specification, "Pushing a blob in chunks"
 */
export function parseContentRange(header: string): ByteRange | undefined {
  const match = CONTENT_RANGE.exec(header.trim())
  if (match === null) return undefined
  const range = { start: Number(match[1]), end: Number(match[2]) }
  return range.end < range.start ? undefined : range
}
