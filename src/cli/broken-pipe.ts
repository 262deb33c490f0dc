/** The exit code that shells show for a program that SIGPIPE ended. Node ignores that signal and makes the write fail instead. */
const BROKEN_PIPE = 141

let onBroken: (() => void) | undefined

/**
 * Ends the program quietly, like other programs, once nothing reads its output: `stowage … | head -1` shows no stack. A server that has
 * printed its greeting continues instead, since its log may go to the same pipe.
 */
export function exitOnBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      process.exitCode = BROKEN_PIPE
      if (onBroken === undefined) process.exit(BROKEN_PIPE)
      onBroken()
    })
}

/** Calls `finish` instead of ending at once when nothing reads the output any more, for work that must be done before the end. */
export function finishOnBrokenPipe(finish: () => void): void {
  onBroken = finish
}
