import { TextError } from './text-error.ts'

const MAX_DEPTH = 64
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

/**
 * Reads untrusted JSON. It is checked in one pass before it is parsed: at most 64 levels deep, UTF-8 without a byte order mark, no key
 * twice in one object and none named `__proto__`, so that no two readers of the same bytes can see different things.
 *
 * @throws TextError with the problem
 */
export function parseJson(bytes: Uint8Array): unknown {
  const text = decode(bytes)
  checkStructure(text)
  try {
    return JSON.parse(text)
  } catch {
    throw new TextError('is not well-formed JSON')
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new TextError('is not valid UTF-8')
  }
}

function checkStructure(text: string): void {
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const end = endOfString(text, at)
      if (isKey(text, end)) checkKey(text.slice(at, end + 1), open.at(-1))
      at = end
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (open.length === MAX_DEPTH) throw new TextError(`is nested more than ${MAX_DEPTH} levels deep`)
      open.push(code === OPEN_OBJECT ? new Set() : undefined)
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      open.pop()
    }
  }
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at
    if (code === BACKSLASH) at++
  }
  throw new TextError('is not well-formed JSON')
}

function isKey(text: string, endOfString: number): boolean {
  let at = endOfString + 1
  while (text.charCodeAt(at) <= 0x20) at++
  return text.charCodeAt(at) === COLON
}

function checkKey(quoted: string, keys: Set<string> | undefined): void {
  const key = unquote(quoted)
  if (!key.isWellFormed()) throw new TextError('has a key with half of a surrogate pair')
  if (key === '__proto__') throw new TextError('has a key named "__proto__"')
  if (keys?.has(key)) throw new TextError(`has the key ${quoted.slice(0, 100)} twice in one object`)
  keys?.add(key)
}

function unquote(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1)
  try {
    return JSON.parse(quoted)
  } catch {
    throw new TextError('is not well-formed JSON')
  }
}
