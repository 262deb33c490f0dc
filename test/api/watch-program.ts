import { watchProgram } from './watch.ts'

/**
 * For `node --import`, in tests that run the server as a program of its own: an answer that docs/api/openapi.json does not describe makes
 * the program end with 70, and it says which.
 */
const misfits = watchProgram()

process.on('exit', () => {
  if (misfits.length === 0) return
  process.stderr.write(
    `answers that docs/api/openapi.json does not describe:\n${[...new Set(misfits)].join('\n')}\n`,
  )
  process.exitCode = 70
})
