import { TextError } from './text-error.ts'

const TIME = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(\.\d{1,9})?(Z|([+-])(\d{2}):(\d{2}))$/i
const MINUTE = 60_000

/**
 * Reads a time as RFC 3339 writes it: `2026-01-31T12:00:00Z`, optionally with a fraction of a second and another offset than Z. A space
 * before the offset counts as a plus, which decoding a query turns into a space. A leap second counts as the one after it.
 *
 * @returns milliseconds since the epoch
 * @throws TextError
 * @see RFC 3339, section 5.6
 */
export function parseTime(text: string): number {
  const match = TIME.exec(text.replace(/ (?=\d{2}:\d{2}$)/, '+'))
  if (match === null)
    throw new TextError('must be a time, such as 2026-01-31T12:00:00Z or 2026-01-31T12:00:00+02:00', text, 0)
  const [, date = '', clock = '', fraction = '', , sign, hours = '0', minutes = '0'] = match
  const plain = clock.endsWith(':60') ? `${clock.slice(0, -2)}59` : clock
  const utc = Date.parse(`${date}T${plain}Z`)
  // Date.parse accepts days after the end of a month.
  const exists = !Number.isNaN(utc) && new Date(utc).toISOString().startsWith(`${date}T${plain}`)
  if (!exists || Number(hours) > 23 || Number(minutes) > 59)
    throw new TextError('is a time that does not exist', text, 0)
  const offset = (Number(hours) * 60 + Number(minutes)) * MINUTE * (sign === '-' ? -1 : 1)
  const leap = plain === clock ? 0 : 1000
  return utc + leap + Math.floor(Number(`0${fraction}`) * 1000) - offset
}

/** Writes a time as RFC 3339 does, in UTC with milliseconds. @param time milliseconds since the epoch */
export function formatTime(time: number): string {
  return new Date(time).toISOString()
}
