interface Range {
  // In lower case, such as text/html; a star stands for any.
  type: string
  /** How much it is wanted, from 0 to 1. */
  quality: number
}

const QUALITY = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i

/**
 * Chooses what an answer is sent in.
 *
 * @param accept the header, if there is one; what is malformed in it is passed over, as parameters of media types are
 * @param offered media types, the best first: it is taken where the client likes several equally
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

/** What the most exact range says of a type. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const [kind] = type.split('/', 1)
  for (const wanted of [type.toLowerCase(), `${kind}/*`, '*/*']) {
    const range = ranges.find((one) => one.type === wanted)
    if (range !== undefined) return range.quality
  }
  return 0
}
