/** Parts of the grammar of header fields, as sources of regular expressions. @see RFC 9110, section 5.6 */
export const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** A quoted string; the text between the quotes is a group, which {@link unescapeQuoted} decodes. */
export const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"'

/** The text that a quoted string represents. */
export function unescapeQuoted(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}

/**
 * Takes one item after the other from a text, so that no part of it is scanned more than a few times.
 *
 * @param take matches a sticky expression where the last match ended; undefined, and nothing taken, if it doesn't match there
 */
export interface Scanner {
  take(pattern: RegExp): RegExpExecArray | undefined
  isAtEnd(): boolean
}

/** Reads a text from its beginning. */
export function scan(text: string): Scanner {
  let at = 0
  return {
    take(pattern) {
      pattern.lastIndex = at
      const match = pattern.exec(text) ?? undefined
      if (match !== undefined) at += match[0].length
      return match
    },
    isAtEnd: () => at === text.length,
  }
}
