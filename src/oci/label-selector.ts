import { TextError } from './text-error.ts'

/** A condition for the label of one key. With `notin` and `absent` the label may be absent. */
export interface LabelRequirement {
  key: string
  operator: 'in' | 'notin' | 'exists' | 'absent'
  /** At least one for `in` and `notin`; otherwise empty. */
  values: readonly string[]
}

/** Labels of an image config. */
export type Labels = Readonly<Record<string, string>>

interface Cursor {
  readonly text: string
  at: number
}

/** Characters that end a word that isn't in quotes. A comparison with an unknown operator must not become part of a name. */
const SPECIAL = /[\s,()=!<>"]/
/** A list compares each with the labels of up to 10,000 manifests. */
const MAX_REQUIREMENTS = 100
const MAX_VALUES = 1_000
const QUOTES = 'text with spaces or any of , ( ) = ! < > " is written in double quotes'

/**
 * Parses a label selector in the syntax of Kubernetes: requirements separated by commas, all of which must hold. `key=value`, `key==value`,
 * `key!=value`, `key in (one, two)`, `key notin (one, two)`, `key` and `!key`. Keys and values may be any text. If they contain characters
 * of the grammar, they must be in double quotes, where `\"` and `\\` represent a quote and a backslash.
 *
 * At most 100 requirements, with 1,000 values between them.
 *
 * @throws TextError
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
export function parseLabelSelector(text: string): LabelRequirement[] {
  const cursor = { text, at: 0 }
  const requirements: LabelRequirement[] = []
  let values = 0
  do {
    const start = cursor.at
    requirements.push(readRequirement(cursor))
    if (requirements.length > MAX_REQUIREMENTS)
      throw new TextError(`has more than ${MAX_REQUIREMENTS} requirements`, text, start)
    values += requirements.at(-1)?.values.length ?? 0
    if (values > MAX_VALUES) throw new TextError(`has more than ${MAX_VALUES} values`, text, start)
    skipSpace(cursor)
  } while (accept(cursor, ','))
  if (cursor.at < text.length)
    throw new TextError(`has ${shown(cursor)} where "," or the end is expected`, text, cursor.at)
  return requirements
}

function readRequirement(cursor: Cursor): LabelRequirement {
  skipSpace(cursor)
  const isAbsent = accept(cursor, '!')
  skipSpace(cursor)
  const key = readText(cursor)
  if (!key)
    throw new TextError(`has ${shown(cursor)} where the key of a label is expected`, cursor.text, cursor.at)
  if (isAbsent) return { key, operator: 'absent', values: [] }
  skipSpace(cursor)
  if (accept(cursor, '!=')) return { key, operator: 'notin', values: [readValue(cursor)] }
  if (accept(cursor, '==') || accept(cursor, '=')) return { key, operator: 'in', values: [readValue(cursor)] }
  const start = cursor.at
  const word = readWord(cursor)
  if (word === '') return { key, operator: 'exists', values: [] }
  if (word === 'in' || word === 'notin') return { key, operator: word, values: readValues(cursor) }
  const problem = `has ${JSON.stringify(word)} where "=", "==", "!=", "in", "notin", "," or the end is expected; ${QUOTES}`
  throw new TextError(problem, cursor.text, start)
}

function readValues(cursor: Cursor): string[] {
  const { text } = cursor
  skipSpace(cursor)
  if (!accept(cursor, '(')) throw new TextError(`has ${shown(cursor)} where "(" is expected`, text, cursor.at)
  skipSpace(cursor)
  if (text[cursor.at] === ')')
    throw new TextError('has "(" and ")" with no value between them', text, cursor.at)
  const values: string[] = []
  do {
    values.push(readValue(cursor))
    skipSpace(cursor)
  } while (accept(cursor, ','))
  if (!accept(cursor, ')'))
    throw new TextError(`has ${shown(cursor)} where "," or ")" is expected; ${QUOTES}`, text, cursor.at)
  return values
}

/** A value, which may be empty. */
function readValue(cursor: Cursor): string {
  skipSpace(cursor)
  const value = readText(cursor) ?? ''
  skipSpace(cursor)
  const next = cursor.text[cursor.at]
  if (next === undefined || next === ',' || next === ')') return value
  throw new TextError(`has ${shown(cursor)} after a value; ${QUOTES}`, cursor.text, cursor.at)
}

/** Text in quotes or without; undefined if there is none. */
function readText(cursor: Cursor): string | undefined {
  if (cursor.text[cursor.at] === '"') return readQuoted(cursor)
  const word = readWord(cursor)
  return word === '' ? undefined : word
}

function readWord(cursor: Cursor): string {
  const start = cursor.at
  while (cursor.at < cursor.text.length && !SPECIAL.test(cursor.text[cursor.at] ?? '')) cursor.at++
  return cursor.text.slice(start, cursor.at)
}

function readQuoted(cursor: Cursor): string {
  const { text } = cursor
  const start = cursor.at
  let value = ''
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at]
    if (character === '"') {
      cursor.at = at + 1
      return value
    }
    if (character === '\\') at++
    const isEscaped = text[at] === '"' || text[at] === '\\'
    if (character === '\\' && !isEscaped)
      throw new TextError('has a backslash that is not followed by a quote or a backslash', text, at - 1)
    value += text[at] ?? ''
  }
  throw new TextError('has a quote that is never closed', text, start)
}

function skipSpace(cursor: Cursor): void {
  while (/\s/.test(cursor.text[cursor.at] ?? '')) cursor.at++
}

function accept(cursor: Cursor, token: string): boolean {
  if (!cursor.text.startsWith(token, cursor.at)) return false
  cursor.at += token.length
  return true
}

function shown({ text, at }: Cursor): string {
  const code = text.codePointAt(at)
  return code === undefined ? 'its end' : JSON.stringify(String.fromCodePoint(code))
}

/** Whether labels meet every requirement. */
export function matchesLabels(requirements: readonly LabelRequirement[], labels: Labels): boolean {
  return requirements.every((requirement) => matches(requirement, labels))
}

function matches({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  // Keys are untrusted: "constructor" is a label only if the image has it.
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  if (operator === 'exists') return value !== undefined
  if (operator === 'absent') return value === undefined
  const isNamed = value !== undefined && values.includes(value)
  return operator === 'in' ? isNamed : !isNamed
}
