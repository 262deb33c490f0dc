import { TextError } from './text-error.ts'

/** Whether a name matches a pattern. */
export type GlobMatcher = (name: string) => boolean

const ASCII = 128
const SLASH = '/'.charCodeAt(0)
const WORD = 32

/** The names that a pattern is for. */
interface Names {
  /** In messages. */
  noun: string
  character: RegExp
  /** All characters except the slash, by their codes. */
  any: Element
  maxLength: number
}

/** One character of a name: which ones it may be, by their codes. */
type Element = ReadonlySet<number>

interface Glob {
  elements: readonly Element[]
  /** The indexes of the elements before which any text without a slash may appear. */
  stars: ReadonlySet<number>
  /** The indexes of the elements before which any text may appear. */
  doubleStars: ReadonlySet<number>
}

const TAGS = namesOf('tags', /^[a-zA-Z0-9._-]$/, 128)
const REPOSITORIES = namesOf('repository names', /^[a-z0-9._/-]$/, 255)

function namesOf(noun: string, character: RegExp, maxLength: number): Names {
  const codes = Array.from({ length: ASCII }, (_, code) => code)
  const any = codes.filter((code) => code !== SLASH && character.test(String.fromCharCode(code)))
  return { noun, character, any: new Set(any), maxLength }
}

/**
 * Parses a pattern for whole tags: `*` matches any characters, `?` matches one, `[abc]` and `[a-c]` match one of these, and `[!abc]`
 * matches one that is not one of these.
 *
 * @returns a function that matches in one pass over the tag, regardless of the pattern
 * @throws TextError if it is not a valid pattern, or contains characters that a tag cannot contain
 */
export function parseTagGlob(text: string): GlobMatcher {
  return parseGlob(text, TAGS)
}

/**
 * Parses a pattern for whole repository names, which is one as for tags, except that `*`, `?` and `[!abc]` do not match a slash. `**` matches
 * any characters.
 *
 * @returns a function that matches in one pass over the name, regardless of the pattern
 * @throws TextError if it is not a valid pattern, or contains characters that a repository name cannot contain
 */
export function parseRepositoryGlob(text: string): GlobMatcher {
  const misplaced = text.search(/^\/|\/\/|\/$/)
  if (misplaced !== -1)
    throw new TextError('has a slash where repository names cannot have one', text, misplaced)
  return parseGlob(text, REPOSITORIES)
}

function parseGlob(text: string, names: Names): GlobMatcher {
  if (text === '') throw new TextError('is empty', text, 0)
  const elements: Element[] = []
  const stars = new Set<number>()
  const doubleStars = new Set<number>()
  for (let at = 0; at < text.length; ) {
    const character = text[at]
    if (elements.length === names.maxLength && character !== '*') {
      throw new TextError(
        `can only match more than ${names.maxLength} characters, and ${names.noun} are not longer than that`,
        text,
        at,
      )
    }
    if (character === '*') {
      const isDouble = text[at + 1] === '*'
      if (isDouble) doubleStars.add(elements.length)
      else stars.add(elements.length)
      at += isDouble ? 2 : 1
    } else if (character === '[') {
      const set = parseSet(text, at, names)
      elements.push(set.element)
      at = set.end
    } else {
      elements.push(character === '?' ? names.any : new Set([nameCharacter(text, at, names)]))
      at++
    }
  }
  return compile({ elements, stars, doubleStars })
}

function parseSet(text: string, start: number, names: Names): { element: Element; end: number } {
  const isNegated = text[start + 1] === '!'
  const first = start + (isNegated ? 2 : 1)
  const end = text.indexOf(']', first)
  if (end === -1) throw new TextError('has a "[" without a closing "]"', text, start)
  if (end === first) throw new TextError('has "[" and "]" with nothing between them', text, start)
  const named = new Set<number>()
  for (let at = first; at < end; at++) {
    const from = nameCharacter(text, at, names)
    // At either end a dash is literal.
    const isRange = text[at + 1] === '-' && at + 2 < end
    const to = isRange ? nameCharacter(text, at + 2, names) : from
    if (to < from)
      throw new TextError(`has the range "${text.slice(at, at + 3)}", which is in reverse order`, text, at)
    for (let code = from; code <= to; code++) named.add(code)
    if (isRange) at += 2
  }
  const element = isNegated ? new Set([...names.any].filter((code) => !named.has(code))) : named
  return { element, end: end + 1 }
}

function nameCharacter(text: string, at: number, names: Names): number {
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0)
  if (names.character.test(character)) return character.charCodeAt(0)
  throw new TextError(`has ${JSON.stringify(character)}, which ${names.noun} cannot contain`, text, at)
}

/**
 * Follows all paths through the pattern at once: bit n is set if the name so far matches the first n elements. So no pattern can cause
 * backtracking.
 */
function compile({ elements, stars, doubleStars }: Glob): GlobMatcher {
  const words = Math.floor(elements.length / WORD) + 1
  const accepting = new Int32Array(ASCII * words)
  for (const [index, element] of elements.entries()) {
    for (const code of element) setBit(accepting, code * words, index + 1)
  }
  const atSlash = new Int32Array(words)
  for (const index of doubleStars) setBit(atSlash, 0, index)
  const elsewhere = atSlash.slice()
  for (const index of stars) setBit(elsewhere, 0, index)
  return (name) => {
    const state = new Int32Array(words)
    setBit(state, 0, 0)
    for (let at = 0; at < name.length; at++) {
      const code = name.charCodeAt(at)
      if (code >= ASCII) return false
      step(state, { accepting, row: code * words, staying: code === SLASH ? atSlash : elsewhere })
    }
    return hasBit(state, elements.length)
  }
}

function step(
  state: Int32Array,
  { accepting, row, staying }: { accepting: Int32Array; row: number; staying: Int32Array },
): void {
  let carry = 0
  for (let word = 0; word < state.length; word++) {
    const before = state[word] ?? 0
    state[word] = (((before << 1) | carry) & (accepting[row + word] ?? 0)) | (before & (staying[word] ?? 0))
    carry = before >>> (WORD - 1)
  }
}

function setBit(words: Int32Array, start: number, bit: number): void {
  const at = start + Math.floor(bit / WORD)
  words[at] = (words[at] ?? 0) | (1 << (bit % WORD))
}

function hasBit(words: Int32Array, bit: number): boolean {
  return ((words[Math.floor(bit / WORD)] ?? 0) & (1 << (bit % WORD))) !== 0
}
