const INTERVAL_MS = 500
const CLEAR_LINE = '\r\u001B[K'

/** One line on a terminal that tells how far something is; lines that stay can be written above it. */
export interface Progress {
  /** @param text is only made when it is time to show it */
  show(text: () => string): void
  /** Writes a line to the standard error that stays, also where that is no terminal. */
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
