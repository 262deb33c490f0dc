import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { SweepTimes } from './sweep-times.ts'

const PROGRAM = fileURLToPath(new URL('./sweep-program.ts', import.meta.url))
const DAY_MS = 86_400_000

/** How a sweep of its own process differs from one round over all that is queued, undisturbed. */
export interface SweepOptions {
  /** The process is killed as soon as this holds. */
  isTime?: () => boolean
  times?: SweepTimes
  /** Variables of its environment beside ours. */
  env?: Record<string, string>
}

/** Sweeps a data folder in a process of its own, which may be killed meanwhile. */
export async function sweep(data: string, options: SweepOptions = {}): Promise<{ killed: boolean }> {
  const retention = {
    uploads: DAY_MS,
    unusedBlobs: DAY_MS,
    deletedManifests: DAY_MS,
    history: DAY_MS,
    garbage: 0,
  }
  const { isTime = () => false, times = { retention, rounds: [Date.now()] }, env } = options
  const child = spawn(process.execPath, [PROGRAM, data, JSON.stringify(times)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  const ended = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), ended])
  // No pause in between: the sweeper deletes many files in a millisecond.
  while (child.exitCode === null && child.signalCode === null && !isTime()) await nextTurn()
  child.kill('SIGKILL')
  const [code, signal] = await ended
  assert.ok(code === 0 || signal === 'SIGKILL', `the sweeper ended with ${code}`)
  return { killed: signal === 'SIGKILL' }
}

/** Whether one of some files of the blob store is gone. */
export function isOneGone(data: string, keys: readonly string[]): boolean {
  return keys.some((key) => !existsSync(join(data, 'blobs', key.slice(0, 2), key)))
}
