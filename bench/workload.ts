import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { prepareLoad, type ReadyLoad } from './generator.ts'
import type { LoadResult, Plan } from './load/plan.ts'
import { resetPeak, usageOf } from './process-usage.ts'
import { type Seeder, seederOf } from './seed.ts'
import type { RunningSystem, System } from './system.ts'

/** What one thing done is: it decides in which units figures are shown. */
export type Unit = 'request' | 'image' | 'byte' | 'start' | 'idle'

/** What one round of one workload on one system showed. */
export interface Figures {
  /** Latencies in milliseconds. */
  median?: number
  p99?: number
  /** Requests, images or bytes a second. */
  rate?: number
  /** Processor time of all of the server's processes: milliseconds for a request or an image, seconds for a GiB. */
  cpu?: number
  /** The most memory that the server had meanwhile, in bytes. */
  peak?: number
  /** How busy the threads of the load generator were, of 1. */
  load?: number
  /** How many were done. */
  count: number
  failed: number
  firstFailure?: string
  /** Why nothing was measured. */
  note?: string
}

/** How large and how long a run is. */
export interface Scale {
  /** Of each measured window, at least 0.1. */
  seconds: number
  /** Small sizes and one number of clients for each workload: it shows that all works, and says nothing of speed. */
  quick: boolean
}

/** A workload with one number of clients. */
export interface Case {
  /** Such as `pull/1g/32`. */
  name: string
  /** In plain words. */
  label: string
  unit: Unit
  /** Whether it is the only one of its family in a quick run. */
  isMain: boolean
  /** Gets a load ready on a running system; or says why it has none. */
  load(running: RunningSystem, scale: Scale): Promise<ReadyLoad | { note: string }>
}

/** Cases that want the same content. */
export interface Family {
  name: string
  cases: readonly Case[]
  /** Whether a server of files can do it. */
  readOnly: boolean
  seed(seeder: Seeder, scale: Scale): Promise<void>
}

/** Something that is measured by starting systems, not by load. */
export interface Trial {
  name: string
  label: string
  unit: Unit
  serves(system: System): boolean
  measure(system: System, folder: string, scale: Scale): Promise<Figures>
}

const GIB = 1024 ** 3

/** Puts the content of a family into a running system. */
export async function seedSystem(seed: Family['seed'], running: RunningSystem, scale: Scale): Promise<void> {
  const seeder = await seederOf(running)
  try {
    await seed(seeder, scale)
  } finally {
    seeder.close()
  }
}

/** Measures one case: the load gets ready, then the clock starts. */
export async function measureCase(each: Case, running: RunningSystem, scale: Scale): Promise<Figures> {
  try {
    const ready = await each.load(running, scale)
    if ('note' in ready) return { count: 0, failed: 0, note: ready.note }
    await writeBack(running.folder)
    resetPeak(running.pid)
    const before = usageOf(running.pid)
    const result = await ready.run()
    const after = usageOf(running.pid)
    return figuresOf(each.unit, result, { cpu: after.cpuSeconds - before.cpuSeconds, peak: after.peak })
  } catch (error) {
    return failure(error)
  }
}

/** The figures of what could not be measured. */
export function failure(error: unknown): Figures {
  const [line = ''] = (error as Error).message.split('\n')
  return { count: 0, failed: 1, firstFailure: line }
}

/** Has the kernel write what an earlier case left unwritten, so that this one doesn't pay for it. */
async function writeBack(folder: string): Promise<void> {
  await promisify(execFile)('sync', ['-f', folder])
}

function figuresOf(unit: Unit, result: LoadResult, server: { cpu: number; peak: number }): Figures {
  const { count, bytes, seconds, median, p99, failed, firstFailure, cpuSeconds, threads } = result
  return {
    median,
    p99,
    rate: (unit === 'byte' ? bytes : count) / seconds,
    cpu: unit === 'byte' ? server.cpu / (bytes / GIB) : (server.cpu * 1000) / count,
    peak: server.peak,
    load: cpuSeconds / seconds / threads,
    count,
    failed,
    ...(firstFailure !== undefined && { firstFailure }),
  }
}

let nextId = 1

/** Numbers of content that no other push of this run has. @returns the first of them */
export function takeIds(count: number): number {
  const first = nextId
  nextId += count
  return first
}

type PlanWithout<Field extends string, P = Plan> = P extends Plan ? Omit<P, Field> : never

/** Plans for our own generator, as {@link Case.load} wants them. */
export function generated(plan: (scale: Scale) => PlanWithout<'address' | 'seconds'>): Case['load'] {
  return async ({ address }, scale) =>
    await prepareLoad({ ...plan(scale), address, seconds: scale.seconds } as Plan)
}
