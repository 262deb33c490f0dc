/** Quotes text as one literal word of a POSIX shell. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_.,:/@%+=-]+$/.test(text) && !text.startsWith('-')
    ? text
    : `'${text.replaceAll("'", `'\\''`)}'`
}

/** The quoted `printf` format that produces the given bytes, one per character. */
export function formatPrintf(bytes: string): string {
  const text = bytes.replaceAll(/[^\x20-\x7e]|[%\\']/g, (character) => {
    if (character === '\r') return '\\r'
    if (character === '\n') return '\\n'
    return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`
  })
  return `'${text}'`
}
