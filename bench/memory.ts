import { statfsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AbortedUploads, abortUploads } from './aborted-uploads.ts'
import { prepareLoad, type StoppableLoad } from './generator.ts'
import { contentOf, MIB } from './load/content.ts'
import { resetPeak, usageOf } from './process-usage.ts'
import { seederOf } from './seed.ts'
import { type RunningSystem, type System, startSystem } from './system.ts'
import { type Scale, takeIds } from './workload.ts'

/** What memory a server needs while it has much to do. */
export interface MemoryReport {
  clients: number
  /** Of each push, in bytes. */
  pushSize: number
  /** Bytes. */
  idle: number
  peak: number
  failed: number
  firstFailure?: string
  aborted: AbortedUploads
}

const CLIENTS = 64
const QUICK_CLIENTS = 8
const READER_BYTES_PER_SECOND = 1e6
const READER_BLOB = 64 * MIB
const READER_ID = 2 ** 43
const MAX_PUSH = 1024 * MIB
const QUICK_PUSH = 4 * MIB
/** Of the free space, what pushes may take. */
const DISK_SHARE = 0.4
const IDLE_SECONDS = 2
const HOUR = 3600
const ABORTS = 10_000
const QUICK_ABORTS = 200

/**
 * Pushes as many large blobs at once as there are slow readers at the same time, then breaks uploads off.
 *
 * @param size of each push in bytes; as much as the disk allows, up to a GiB, if undefined
 */
export async function measureMemory(
  system: System,
  folder: string,
  { scale, size, progress }: { scale: Scale; size: number | undefined; progress: (line: string) => void },
): Promise<MemoryReport> {
  const clients = scale.quick ? QUICK_CLIENTS : CLIENTS
  const pushSize = size ?? (scale.quick ? QUICK_PUSH : sizeFor(folder, clients))
  const running = await startSystem(system, folder)
  try {
    await sleep(IDLE_SECONDS * 1000)
    const idle = usageOf(running.pid).resident
    const readers = await slowReaders(running, clients)
    progress(`${clients} pushes of ${Math.round(pushSize / MIB)} MiB and ${clients} slow readers`)
    const writers = await prepareLoad({
      ...{
        kind: 'push',
        repository: 'bench/memory',
        clients,
        count: clients,
        size: pushSize,
        streamed: false,
      },
      ...{ address: running.address, seconds: HOUR, firstId: takeIds(clients), deleted: true },
    })
    resetPeak(running.pid)
    const reading = readers.run()
    const pushed = await writers.run()
    const { peak } = usageOf(running.pid)
    readers.stop()
    const read = await reading
    const firstFailure = pushed.firstFailure ?? read.firstFailure
    const aborted = await abortUploads(running, scale.quick ? QUICK_ABORTS : ABORTS)
    return {
      ...{ clients, pushSize, idle, peak, aborted },
      failed: pushed.failed + read.failed,
      ...(firstFailure !== undefined && { firstFailure }),
    }
  } finally {
    await running.stop()
  }
}

async function slowReaders(running: RunningSystem, clients: number): Promise<StoppableLoad> {
  const blob = contentOf(READER_ID, READER_BLOB)
  const seeder = await seederOf(running)
  await seeder.blob('bench/read', blob)
  seeder.close()
  return await prepareLoad({
    ...{ kind: 'pull', clients, path: `/v2/bench/read/blobs/${blob.digest}`, id: READER_ID, size: blob.size },
    ...{ address: running.address, seconds: HOUR, pace: { bytesPerSecond: READER_BYTES_PER_SECOND } },
  })
}

function sizeFor(folder: string, clients: number): number {
  const { bavail, bsize } = statfsSync(folder)
  const each = (bavail * bsize * DISK_SHARE) / clients
  return Math.min(MAX_PUSH, Math.floor(each / MIB) * MIB)
}

/** Says it in lines, with what was aimed at. */
export function formatMemory({ clients, pushSize, idle, peak, failed, aborted }: MemoryReport): string {
  const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`
  const { count, before, after } = aborted
  return [
    `memory under ${clients} pushes of ${mib(pushSize)} and ${clients} readers of 1 MB/s`,
    `  idle ${mib(idle)}, peak ${mib(peak)}: ${Math.round((peak - idle) / 1e6)} MB above idle (goal: at most 250 MB)`,
    `  failed ${failed}`,
    `memory after ${count} aborted uploads`,
    `  before ${mib(before.resident)}, after ${mib(after.resident)}`,
    `  descriptors before ${before.descriptors}, after ${after.descriptors}`,
    `  failed ${aborted.failed}`,
  ].join('\n')
}
