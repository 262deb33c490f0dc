import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('./sweep-program.ts', import.meta.url))

/** Sweeps a data folder in a process of its own, which is killed as soon as a condition holds. */
export async function sweep(data: string, isTime: () => boolean = () => false): Promise<{ killed: boolean }> {
  const child = spawn(process.execPath, [PROGRAM, data], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), ended])
  // No pause in between: the sweeper deletes many files in a millisecond.
  while (child.exitCode === null && !isTime()) await nextTurn()
  child.kill('SIGKILL')
  const [code, signal] = await ended
  assert.ok(code === 0 || signal === 'SIGKILL', `the sweeper ended with ${code}`)
  return { killed: signal === 'SIGKILL' }
}

/** Whether one of some files of the blob store is gone. */
export function isOneGone(data: string, keys: readonly string[]): boolean {
  return keys.some((key) => !existsSync(join(data, 'blobs', key.slice(0, 2), key)))
}
