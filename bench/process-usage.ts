import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** What a process and all below it have used. */
export interface ProcessUsage {
  /** User and system time together. */
  cpuSeconds: number
  /** Memory that is resident now, in bytes. */
  resident: number
  /** The most that was resident since {@link resetPeak}, each process by itself, in bytes. */
  peak: number
  descriptors: number
}

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** Adds up what a process and everything that it started use. What ended is missing, unless its parent has waited for it. */
export function usageOf(pid: number): ProcessUsage {
  const total: ProcessUsage = { cpuSeconds: 0, resident: 0, peak: 0, descriptors: 0 }
  for (const each of processTree(pid)) {
    const fields = statFields(each)
    const status = read(`/proc/${each}/status`)
    total.cpuSeconds += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND || 0
    total.resident += kibibytes(status, 'VmRSS')
    total.peak += kibibytes(status, 'VmHWM')
    total.descriptors += countEntries(`/proc/${each}/fd`)
  }
  return total
}

/** Forgets how much memory a process and those below it ever had. */
export function resetPeak(pid: number): void {
  for (const each of processTree(pid)) {
    try {
      writeFileSync(`/proc/${each}/clear_refs`, '5')
    } catch {
      // It is gone, or another user's: then the peak is that of its life.
    }
  }
}

/** The processor time of children of this process that have ended, in seconds. */
export function endedChildrenCpu(): number {
  const fields = statFields(process.pid)
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND
}

function processTree(root: number): number[] {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (Number.isInteger(pid)) parents.set(pid, Number(statFields(pid)[1]))
  }
  const tree = [root]
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child)
  }
  return tree
}

/** Fields of /proc/<pid>/stat behind the name, which may hold anything; none if the process is gone. */
function statFields(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`)
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

function kibibytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
}

function countEntries(folder: string): number {
  try {
    return readdirSync(folder).length
  } catch {
    return 0
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
