/** Text as one word of a POSIX shell that stands for nothing but itself. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_.,:/@%+=-]+$/.test(text) && !text.startsWith('-')
    ? text
    : `'${text.replaceAll("'", `'\\''`)}'`
}

/** Bytes, each character one, as the quoted format of `printf` that makes them. */
export function formatPrintf(bytes: string): string {
  const text = bytes.replaceAll(/[^\x20-\x7e]|[%\\']/g, (character) => {
    if (character === '\r') return '\\r'
    if (character === '\n') return '\\n'
    return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`
  })
  return `'${text}'`
}
