/**
 * Text with a mark in place of each character that would control a terminal, is invisible, or reverses the order of others: controls except
 * tabs and line feeds, line and paragraph separators, direction marks, zero-width and other format characters, all characters that are
 * ignorable by default in Unicode, noncharacters, and halves of surrogate pairs.
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
