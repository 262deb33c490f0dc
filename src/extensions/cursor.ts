import { TextError } from '../oci/text-error.ts'

type Scalar = string | number
type Kind = 'string' | 'number'
type Scalars<Kinds extends readonly Kind[]> = {
  -readonly [Index in keyof Kinds]: Kinds[Index] extends 'number' ? number : string
}

const VERSION = 1
const MAX_LENGTH = 2048

/**
 * Where a list goes on, as text that means nothing to a client.
 *
 * @param list which list it is of, and in which order: a cursor of one is refused by another
 * @param values what the last entry of the page stood at in that order
 */
export function formatCursor(list: string, values: readonly Scalar[]): string {
  return Buffer.from(JSON.stringify([VERSION, list, ...values])).toString('base64url')
}

/**
 * Reads a cursor.
 *
 * @param kinds of its values, in their order
 * @throws TextError if it is none of this list
 */
export function parseCursor<const Kinds extends readonly Kind[]>(
  text: string,
  list: string,
  kinds: Kinds,
): Scalars<Kinds> {
  const [version, ofList, ...values] = decode(text)
  const known = version === VERSION && typeof ofList === 'string'
  if (known && ofList !== list) {
    const problem = `is of another list or order ("${ofList}", not "${list}"); follow the Link headers as they are`
    throw new TextError(problem, text, 0)
  }
  const fits = values.length === kinds.length && values.every((value, index) => isOf(value, kinds[index]))
  // Text that was changed may still decode to the same.
  if (!known || !fits || formatCursor(list, values as Scalar[]) !== text) throw malformed(text)
  return values as Scalars<Kinds>
}

function isOf(value: unknown, kind: Kind | undefined): boolean {
  return kind === 'number' ? Number.isSafeInteger(value) : typeof value === 'string'
}

function decode(text: string): unknown[] {
  if (text === '' || text.length > MAX_LENGTH) throw malformed(text)
  try {
    const decoded: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (Array.isArray(decoded)) return decoded
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw malformed(text)
}

function malformed(text: string): TextError {
  return new TextError('is no cursor of this registry; leave it out to begin at the first page', text, 0)
}
