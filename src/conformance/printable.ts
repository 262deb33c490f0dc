/**
 * Text with a mark in place of each character that would do something to a terminal, can't be seen, or turns the order of others around:
 * controls but tabs and line feeds, line and paragraph separators, direction marks, zero-width and other format characters, all that
 * Unicode wants ignored where it can't be shown, noncharacters, and halves of surrogate pairs.
 */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(
      /[^\P{Cc}\t\n]|[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/gu,
      '\ufffd',
    )
}

/** The text of bytes; its last character may be cut. @returns undefined if it is not UTF-8 */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true })
  } catch {
    return undefined
  }
}
