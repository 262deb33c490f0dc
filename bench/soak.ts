import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type AbortedUploads, abortUploads, settledUsage } from './aborted-uploads.ts'
import { type Course, coursesOf, type Sample } from './flatness.ts'
import { prepareLoad } from './generator.ts'
import { contentOf, MIB } from './load/content.ts'
import type { Plan } from './load/plan.ts'
import { seederOf, seedImage } from './seed.ts'
import { type RunningSystem, startSystem, withFolder } from './system.ts'
import { PROJECT, stowage } from './systems.ts'
import { takeIds } from './workload.ts'
import { APP } from './workloads/small-reads.ts'

const USAGE = `Usage: npm run soak -- [flags]
  --minutes <n>   of mixed load (60)
  --aborts <n>    uploads that are broken off after it (10000)`
const LEAST_SEGMENTS = 12
const LONGEST_SEGMENT_SECONDS = 60
const LARGE_ID = 2 ** 43
const LARGE_BYTES = 10 * MIB
const SECOND_OF_LARGE_PUSHES = 15
const KEPT_IMAGES = 1000
/** Short, so that what is collected is collected meanwhile. */
const FLAGS = ['--upload-expiry', '10s', '--unused-blob-expiry', '30s']
/** A sweep comes each minute, and leaves what is younger than it may be. */
const SWEEP_SECONDS = 200
const IDS = 1_000_000
const ABORT_MEMORY_SHARE = 1.15
/** Buffers that the first of them are received into, and that are kept for the next: 32 MiB was within noise of what is kept. */
const ABORT_MEMORY = 128 * MIB
const ABORT_DESCRIPTORS = 8

/** `npm run soak`: whether a server under load stays as it is. @returns the exit code: 1 if it doesn't, or if a request failed */
async function main(args: readonly string[]): Promise<number> {
  const { minutes, aborts } = optionsOf(args)
  return await withFolder(async (folder) => {
    const running = await startSystem(stowage('stowage', PROJECT, { flags: FLAGS }), folder)
    try {
      return await soak(running, minutes, aborts)
    } finally {
      await running.stop()
    }
  })
}

async function soak(running: RunningSystem, minutes: number, aborts: number): Promise<number> {
  const count = Math.max(LEAST_SEGMENTS, Math.ceil((minutes * 60) / LONGEST_SEGMENT_SECONDS))
  const seconds = (minutes * 60) / count
  const large = contentOf(LARGE_ID, LARGE_BYTES)
  const seeder = await seederOf(running)
  await seedImage(seeder, APP, APP.image)
  await seeder.blob('bench/large', large)
  seeder.close()
  const samples: Sample[] = []
  let failed = 0
  const start = performance.now()
  for (let segment = 0; segment < count; segment++) {
    failed += await runSegment(running, seconds, `/v2/bench/large/blobs/${large.digest}`)
    const sample = await takeSample(running, (performance.now() - start) / 1000)
    samples.push(sample)
    say(describe(sample))
  }
  const courses = coursesOf(samples)
  for (const course of courses) say(describeCourse(course))
  const aborted = await abortUploads(running, aborts)
  const left = await uploadsLeft(running)
  const isClean = describeAborts(aborted, left)
  say(`${failed} requests failed`)
  return courses.every(({ isFlat }) => isFlat) && isClean && failed === 0 ? 0 : 1
}

/** Small images that come and go, and large blobs, both ways at once. @returns how many requests failed */
async function runSegment({ address }: RunningSystem, seconds: number, path: string): Promise<number> {
  const pushes = Math.ceil(seconds * SECOND_OF_LARGE_PUSHES)
  const both = { address, seconds }
  const plans: Plan[] = [
    {
      ...{ kind: 'images', ...both, clients: 8, repositories: ['bench/app-0', 'bench/app-1'] },
      ...{ pullsOfFour: 3, keep: KEPT_IMAGES, firstId: takeIds(IDS) },
    },
    { kind: 'pull', ...both, clients: 2, path, id: LARGE_ID, size: LARGE_BYTES },
    {
      ...{ kind: 'push', ...both, clients: 2, repository: 'bench/large', streamed: true, deleted: true },
      ...{ size: LARGE_BYTES, count: pushes, firstId: takeIds(pushes) },
    },
  ]
  const loads = await Promise.all(plans.map(prepareLoad))
  const results = await Promise.all(loads.map(async (load) => await load.run()))
  for (const { firstFailure } of results) if (firstFailure !== undefined) say(`  failed: ${firstFailure}`)
  return results.reduce((sum, result) => sum + result.failed, 0)
}

async function takeSample(running: RunningSystem, seconds: number): Promise<Sample> {
  const { resident, descriptors } = await settledUsage(running.pid)
  return { seconds, resident, descriptors, uploads: countUploads(running) }
}

function countUploads({ folder }: RunningSystem): number {
  const database = new DatabaseSync(join(folder, 'data/metadata.sqlite'), { readOnly: true, timeout: 5000 })
  try {
    return Number(database.prepare('SELECT count(*) AS count FROM uploads').get()?.count)
  } finally {
    database.close()
  }
}

/** Waits until uploads that were broken off have expired. @returns how many have not */
async function uploadsLeft(running: RunningSystem): Promise<number> {
  const end = performance.now() + SWEEP_SECONDS * 1000
  for (;;) {
    const left = countUploads(running)
    if (left === 0 || performance.now() > end) return left
    await sleep(1000)
  }
}

function describe({ seconds, resident, descriptors, uploads }: Sample): string {
  const memory = `${Math.round(resident / MIB)} MiB`.padStart(9)
  return `${seconds.toFixed(0).padStart(5)} s ${memory} ${String(descriptors).padStart(5)} descriptors ${uploads} uploads`
}

function describeCourse({ figure, early, late, limit, isFlat }: Course): string {
  const shown = (value: number) =>
    figure === 'resident' ? `${Math.round(value / MIB)} MiB` : String(Math.round(value))
  return `${figure}: ${isFlat ? 'flat' : 'NOT FLAT'}, early ${shown(early)}, late ${shown(late)}, limit ${shown(limit)}`
}

function describeAborts({ count, before, after, failed }: AbortedUploads, left: number): boolean {
  const memoryLimit = before.resident * ABORT_MEMORY_SHARE + ABORT_MEMORY
  const isClean =
    left === 0 &&
    failed === 0 &&
    after.resident <= memoryLimit &&
    after.descriptors <= before.descriptors + ABORT_DESCRIPTORS
  const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`
  say(
    `${count} aborted uploads: ${isClean ? 'nothing stays' : 'SOMETHING STAYS'}, memory ${mib(before.resident)}, then ${mib(after.resident)} (limit ${mib(memoryLimit)}), ` +
      `descriptors ${before.descriptors}, then ${after.descriptors}, ${left} uploads not expired, ${failed} failed`,
  )
  return isClean
}

function optionsOf(args: readonly string[]): { minutes: number; aborts: number } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '60' },
      aborts: { type: 'string', default: '10000' },
    },
  })
  const minutes = Number(values.minutes)
  const aborts = Number(values.aborts)
  if (minutes > 0 && aborts > 0) return { minutes, aborts }
  throw new Error(USAGE)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  return 2
})
