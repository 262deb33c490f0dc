import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** For tests that look into a process: only Linux tells. */
export const NO_FIGURES = process.platform !== 'linux' && 'only Linux tells what a process holds'

const MIB = 1024 * 1024
const TICKS_PER_SECOND = 100
const PATIENCE_MS = 400_000

/** The memory that a process has in use, in MiB. */
export async function memoryOf(pid: number): Promise<number> {
  return await statusOf(pid, 'VmRSS')
}

/** The address space that a process has reserved, in MiB, whether it uses it or not. */
export async function addressSpaceOf(pid: number): Promise<number> {
  return await statusOf(pid, 'VmSize')
}

async function statusOf(pid: number, field: 'VmRSS' | 'VmSize'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return (Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024) / MIB
}

/** How many descriptors a process has open: files, connections and what else it has. */
export async function descriptorsOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length
}

/** The seconds of processor time that a process has used. */
export async function processorSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Watches the memory of a process. @returns what ends that and tells the most that was seen, in MiB */
export function watchMemory(pid: number): () => Promise<number> {
  let most = 0
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, await memoryOf(pid))
      await sleep(20)
    }
  })()
  return async () => {
    isOver = true
    await watching
    return most
  }
}

/** Waits for a figure to be at most this. Rejects with what it is if that takes minutes. */
export async function settlesAt(what: string, limit: number, figure: () => Promise<number>): Promise<number> {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const now = await figure()
    if (now <= limit) return now
    if (Date.now() > deadline) throw new Error(`${what}: ${now}, and it should come down to ${limit}`)
    await sleep(50)
  }
}
