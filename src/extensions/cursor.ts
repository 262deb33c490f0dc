import { parameterError } from '../api/parameter.ts'
import type { RegistryError } from '../oci/error.ts'

type Scalar = string | number
type Kind = 'string' | 'number'
type Scalars<Kinds extends readonly Kind[]> = {
  -readonly [Index in keyof Kinds]: Kinds[Index] extends 'number' ? number : string
}

const VERSION = 1
const MAX_LENGTH = 2048

/**
 * Where a list continues, as text that is opaque to clients.
 *
 * @param list identifies the list and its order: a list refuses the cursors of another
 * @param values the position of the last entry of the page in that order
 */
export function formatCursor(list: string, values: readonly Scalar[]): string {
  return Buffer.from(JSON.stringify([VERSION, list, ...values])).toString('base64url')
}

/**
 * Reads the parameter `cursor`.
 *
 * @param kinds of its values, in their order
 * @throws RegistryError PARAMETER_INVALID if it is not a cursor of this list
 */
export function parseCursor<const Kinds extends readonly Kind[]>(
  text: string,
  list: string,
  kinds: Kinds,
): Scalars<Kinds> {
  const [version, ofList, ...values] = decode(text)
  const known = version === VERSION && typeof ofList === 'string'
  if (known && ofList !== list) {
    const problem = `belongs to a different list or order (${ofList.slice(0, 100)}, not ${list}); follow Link headers without changing them`
    throw parameterError('cursor', problem)
  }
  const fits = values.length === kinds.length && values.every((value, index) => isOf(value, kinds[index]))
  // Altered text may still decode to the same bytes.
  if (!known || !fits || formatCursor(list, values as Scalar[]) !== text) throw malformed()
  return values as Scalars<Kinds>
}

function isOf(value: unknown, kind: Kind | undefined): boolean {
  return kind === 'number' ? Number.isSafeInteger(value) : typeof value === 'string'
}

function decode(text: string): unknown[] {
  if (text === '' || text.length > MAX_LENGTH) throw malformed()
  try {
    const decoded: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (Array.isArray(decoded)) return decoded
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw malformed()
}

function malformed(): RegistryError {
  return parameterError('cursor', 'was not issued by this registry; omit it to start at the first page')
}
