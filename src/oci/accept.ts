interface Range {
  // In lower case, such as text/html; a star matches anything.
  type: string
  /** Its weight, from 0 to 1. */
  quality: number
}

const QUALITY = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i

/**
 * Chooses the media type of an answer.
 *
 * @param accept the header, if there is one; malformed parts and parameters of media types are ignored
 * @param offered media types, the best first: it is chosen if the client prefers several equally
 * @returns undefined if the client accepts none of them
 * @see RFC 9110, section 12.5.1
 */
export function chooseMediaType(
  accept: string | undefined,
  offered: readonly [string, ...string[]],
): string | undefined {
  if (accept === undefined || accept.trim() === '') return offered[0]
  const ranges = accept.split(',').flatMap(parseMediaRange)
  let chosen: string | undefined
  let best = 0
  for (const type of offered) {
    const quality = qualityOf(type, ranges)
    if (quality <= best) continue
    chosen = type
    best = quality
  }
  return chosen
}

function parseMediaRange(part: string): Range[] {
  const [type = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
  if (!/^[^\s/]+\/[^\s/]+$/.test(type)) return []
  const quality = parameters.flatMap((parameter) => QUALITY.exec(parameter)?.[1] ?? [])[0]
  return [{ type, quality: Number(quality ?? 1) }]
}

/** The weight of a type according to the most specific range. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const [kind] = type.split('/', 1)
  for (const wanted of [type.toLowerCase(), `${kind}/*`, '*/*']) {
    const range = ranges.find((one) => one.type === wanted)
    if (range !== undefined) return range.quality
  }
  return 0
}
