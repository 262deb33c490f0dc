import { TextError } from './text-error.ts'

/** Whether a tag matches a pattern. */
export type TagMatcher = (tag: string) => boolean

const TAG_CHARACTER = /^[a-zA-Z0-9._-]$/
const ASCII = 128
const MAX_TAG_LENGTH = 128
const WORD = 32

/** One character of a tag: which ones it may be, by their codes. */
type Element = ReadonlySet<number>

interface Glob {
  elements: readonly Element[]
  /** The indexes of the elements before which any text may appear. */
  stars: ReadonlySet<number>
}

const ANY: Element = new Set(
  Array.from({ length: ASCII }, (_, code) => code).filter((code) =>
    TAG_CHARACTER.test(String.fromCharCode(code)),
  ),
)

/**
 * Parses a pattern for whole tags: `*` matches any characters, `?` matches one, `[abc]` and `[a-c]` match one of these, and `[!abc]`
 * matches one that is not one of these.
 *
 * @returns a function that matches in one pass over the tag, regardless of the pattern
 * @throws TextError if it is not a valid pattern, or contains characters that a tag cannot contain
 */
export function parseGlob(text: string): TagMatcher {
  if (text === '') throw new TextError('is empty', text, 0)
  const elements: Element[] = []
  const stars = new Set<number>()
  for (let at = 0; at < text.length; ) {
    const character = text[at]
    if (elements.length === MAX_TAG_LENGTH && character !== '*') {
      throw new TextError(
        `can only match more than ${MAX_TAG_LENGTH} characters, and tags are not longer than that`,
        text,
        at,
      )
    }
    if (character === '*') {
      stars.add(elements.length)
      at++
    } else if (character === '[') {
      const set = parseSet(text, at)
      elements.push(set.element)
      at = set.end
    } else {
      elements.push(character === '?' ? ANY : new Set([tagCharacter(text, at)]))
      at++
    }
  }
  return compile({ elements, stars })
}

function parseSet(text: string, start: number): { element: Element; end: number } {
  const isNegated = text[start + 1] === '!'
  const first = start + (isNegated ? 2 : 1)
  const end = text.indexOf(']', first)
  if (end === -1) throw new TextError('has a "[" without a closing "]"', text, start)
  if (end === first) throw new TextError('has "[" and "]" with nothing between them', text, start)
  const named = new Set<number>()
  for (let at = first; at < end; at++) {
    const from = tagCharacter(text, at)
    // At either end a dash is literal.
    const isRange = text[at + 1] === '-' && at + 2 < end
    const to = isRange ? tagCharacter(text, at + 2) : from
    if (to < from)
      throw new TextError(`has the range "${text.slice(at, at + 3)}", which is in reverse order`, text, at)
    for (let code = from; code <= to; code++) named.add(code)
    if (isRange) at += 2
  }
  const element = isNegated ? new Set([...ANY].filter((code) => !named.has(code))) : named
  return { element, end: end + 1 }
}

function tagCharacter(text: string, at: number): number {
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0)
  if (TAG_CHARACTER.test(character)) return character.charCodeAt(0)
  throw new TextError(`has ${JSON.stringify(character)}, which tags cannot contain`, text, at)
}

/**
 * Follows all paths through the pattern at once: bit n is set if the tag so far matches the first n elements. So no pattern can cause
 * backtracking.
 */
function compile({ elements, stars }: Glob): TagMatcher {
  const words = Math.floor(elements.length / WORD) + 1
  const accepting = new Int32Array(ASCII * words)
  for (const [index, element] of elements.entries()) {
    for (const code of element) setBit(accepting, code * words, index + 1)
  }
  const staying = new Int32Array(words)
  for (const index of stars) setBit(staying, 0, index)
  return (tag) => {
    const state = new Int32Array(words)
    setBit(state, 0, 0)
    for (let at = 0; at < tag.length; at++) {
      const code = tag.charCodeAt(at)
      if (code >= ASCII) return false
      step(state, { accepting, row: code * words, staying })
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
