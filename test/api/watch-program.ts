import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { watchProgram } from './watch.ts'

/**
 * For `node --import`, in tests that run the server as a program of its own: an answer that docs/api/openapi.json does not describe makes
 * the program end with 70, or be killed, and it says which.
 */
const misfits = watchProgram()

process.on('exit', () => {
  if (misfits.length === 0) return
  const lines = [...new Set(misfits)].join('\n')
  writeSync(2, `answers that docs/api/openapi.json does not describe:\n${lines}\n`)
  process.exitCode = 70
  // A thread's code is its own.
  if (!isMainThread) process.kill(process.pid, 'SIGKILL')
})
