import { type Form, InvalidValue } from './form.ts'

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** The value of `never`, in milliseconds: longer than dates can express, and exact. */
export const NEVER = 99_999_999 * UNITS.d
/** A timer that is set to more than 24 days fires at once. */
const MAX_STOP = UNITS.d
/** More days would not be exact in milliseconds. */
const TIME = /^(\d{1,8})([smhd])$/

/** `90s`, `30m`, `24h`, `7d`, `never` or `0`, in milliseconds. */
export const TIME_KEPT: Form<number> = timeOf('time', () => undefined)

/** How long something may be unused before it is deleted. */
export const EXPIRY: Form<number> = timeOf('time', (time) =>
  time > 0
    ? undefined
    : 'cannot be 0, since content would be deleted while it is being pushed; use never to turn this off',
)

/** At most a day. */
export const DELAY: Form<number> = timeOf('time, to `1d`', (time) =>
  time <= MAX_STOP ? undefined : 'must be 1d or less',
)

/** At most a day, or without a limit. */
export const TIMEOUT: Form<number> = timeOf('time, to `1d`, or `never`', (time) =>
  time <= MAX_STOP || time === NEVER ? undefined : 'must be 1d or less, or never',
)

/** @param problem returns the problem of a time in milliseconds, if there is one */
function timeOf(unit: string, problem: (time: number) => string | undefined): Form<number> {
  return {
    unit,
    schema: { anyOf: [{ type: 'string', pattern: '^(\\d{1,8}[smhd]|never|0)$' }, { const: 0 }] },
    parse(text) {
      const time = parseTime(text)
      const found = problem(time)
      if (found !== undefined) throw new InvalidValue(found)
      return time
    },
  }
}

function parseTime(text: string): number {
  if (text === '0') return 0
  if (text === 'never') return NEVER
  const match = TIME.exec(text)
  if (match !== null) return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]
  throw new InvalidValue('must be a whole number and a unit: 90s, 30m, 24h or 7d; or never; or 0')
}
