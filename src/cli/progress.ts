const INTERVAL_MS = 500
const CLEAR_LINE = '\r\u001B[K'

/** A progress line on a terminal. Permanent lines can be written above it. */
export interface Progress {
  /** @param text called only when it is time to show the text */
  show(text: () => string): void
  /** Writes a permanent line to the standard error, even if that is not a terminal. */
  say(line: string): void
  close(): void
}

/** Shows progress on the standard error if it is a terminal. */
export function openProgress(): Progress {
  const { stderr } = process
  let shownAt = Number.NEGATIVE_INFINITY
  const clear = () => {
    if (shownAt !== Number.NEGATIVE_INFINITY) stderr.write(CLEAR_LINE)
    shownAt = Number.NEGATIVE_INFINITY
  }
  return {
    show(text) {
      const now = performance.now()
      if (!stderr.isTTY || now - shownAt < INTERVAL_MS) return
      stderr.write(`${CLEAR_LINE}${text()}`)
      shownAt = now
    },
    say(line) {
      clear()
      stderr.write(`${line}\n`)
    },
    close: clear,
  }
}
