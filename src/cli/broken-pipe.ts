/** What shells show of a program that SIGPIPE ended. Node ignores that signal, and has the write fail instead. */
const BROKEN_PIPE = 141

let onBroken: (() => void) | undefined

/**
 * Ends the program quietly, as others end, once nobody reads what it writes: `stowage … | head -1` shows no stack. A server that has told
 * its greeting goes on instead, since its log may go to the same pipe.
 */
export function endWhereNobodyReads(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      process.exitCode = BROKEN_PIPE
      if (onBroken === undefined) process.exit(BROKEN_PIPE)
      onBroken()
    })
}

/** Has something else done where nobody reads any more: what must be finished before the end. */
export function finishWhereNobodyReads(finish: () => void): void {
  onBroken = finish
}
