import { setTimeout as sleep } from 'node:timers/promises'
import { prepareLoad } from './generator.ts'
import { type ProcessUsage, usageOf } from './process-usage.ts'
import type { RunningSystem } from './system.ts'

/** What a server held before uploads were broken off, and after. */
export interface AbortedUploads {
  count: number
  before: ProcessUsage
  after: ProcessUsage
  failed: number
}

const CLIENTS = 32
const UPLOAD_BYTES = 128 * 1024
/** The collector lets a process grow to what it takes for enough before it works for real. */
const WARM_UP_SHARE = 0.5
const MAX_SECONDS = 1800
const SETTLE_MS = 500
const SETTLE_TRIES = 20

/** Begins uploads, sends half of each and breaks the connection. The first half only warms up. */
export async function abortUploads(running: RunningSystem, count: number): Promise<AbortedUploads> {
  const first = Math.ceil(count * WARM_UP_SHARE)
  const warm = await abort(running, first)
  const before = await settledUsage(running.pid)
  const rest = await abort(running, count - first)
  const after = await settledUsage(running.pid)
  return { count, before, after, failed: warm + rest }
}

async function abort({ address }: RunningSystem, count: number): Promise<number> {
  const shape = { kind: 'abort', repository: 'bench/aborted', size: UPLOAD_BYTES, clients: CLIENTS } as const
  const load = await prepareLoad({ ...shape, address, count, seconds: MAX_SECONDS })
  return (await load.run()).failed
}

/** What a process uses when its descriptors don't become fewer any more. */
export async function settledUsage(pid: number): Promise<ProcessUsage> {
  let usage = usageOf(pid)
  for (let tries = 0; tries < SETTLE_TRIES; tries++) {
    await sleep(SETTLE_MS)
    const next = usageOf(pid)
    const isSettled = next.descriptors >= usage.descriptors
    usage = next
    if (isSettled) break
  }
  return usage
}
