import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { prepareLoad } from './generator.ts'
import { type GrownRegistry, type GrownSize, grownRegistry, TAGGED } from './grown-registry.ts'
import { GROWN_READS, type GrownRead } from './growth-reads.ts'
import { usageOf } from './process-usage.ts'
import { type RunningSystem, type System, startSystem } from './system.ts'
import { PROJECT, stowage } from './systems.ts'
import type { Case, Family, Scale, Trial } from './workload.ts'
import { type Asked, readLoad } from './workloads/small-request.ts'

/** What is measured on a registry that has much, and on one that has little. */
export interface Growth {
  families: readonly Family[]
  trials: readonly Trial[]
  systems: readonly System[]
  /** The system with little in it, which the other is compared with. */
  against: string
}

/** Large enough that each page is as long as in the other. */
const SMALL: GrownSize = { tags: 1000, repositories: 400, referrers: 20, listed: 1000 }
const LARGE: GrownSize = { tags: 1_000_000, repositories: 100_000, referrers: 10_000, listed: 1_000_000 }
const QUICK: GrownSize = { tags: 20_000, repositories: 2000, referrers: 1000, listed: 20_000 }
const CONNECTIONS = [1, 16]
const MAIN_CONNECTIONS = 16
const SETTLE_SECONDS = 900
/** Longer than a server waits between two looks at what has changed. */
const SETTLE_WINDOW_MS = 4000
/** Of processor time in such a window. */
const RESTING_SECONDS = 0.1
/** Registries are kept between runs, and what was deleted in them or happened long ago must not go meanwhile. */
const FLAGS = ['--keep-deleted', '36500d', '--keep-history', '36500d']
const KEPT = join(PROJECT, '.cache/bench')
/** More than a server stores in that time, and few enough for 48 bits. */
const IDS_PER_MILLISECOND = 20

/**
 * Makes both registries, or takes those of an earlier run, and says what is measured on them. Pushes of each run stay in them.
 *
 * @param folder for registries that are not kept, as those of a quick run
 */
export async function openGrowth(
  folder: string,
  { fresh, scale, progress }: { fresh: boolean; scale: Scale; progress: (line: string) => void },
): Promise<Growth> {
  const below = scale.quick ? folder : KEPT
  await mkdir(below, { recursive: true })
  const registries = new Map<string, GrownRegistry>()
  for (const [name, size] of [
    ['grown', scale.quick ? QUICK : LARGE],
    ['small', SMALL],
  ] as const) {
    progress(
      `a registry of ${size.tags} tags, ${size.repositories} repositories, ${size.referrers} referrers`,
    )
    registries.set(name, await grownRegistry(join(below, `${name}-registry`), size, { fresh, progress }))
  }
  const systems = [...registries].map(([name, { data }]) => stowage(name, PROJECT, { data, flags: FLAGS }))
  for (const system of systems) {
    progress(`${system.name} counts what is in it`)
    await settle(system, folder)
  }
  return {
    families: [...GROWN_READS.map((each) => readFamily(each, registries)), PUSHES],
    trials: [START, KILLED_START],
    systems,
    against: 'small',
  }
}

/** Waits until a server has nothing left to do: what has changed is counted off the way of requests, which would be measured with them. */
async function settle(system: System, folder: string): Promise<void> {
  const running = await startSystem(system, folder)
  try {
    const end = performance.now() + SETTLE_SECONDS * 1000
    await sleep(SETTLE_WINDOW_MS)
    for (let before = usageOf(running.pid).cpuSeconds; performance.now() < end; ) {
      await sleep(SETTLE_WINDOW_MS)
      const { cpuSeconds } = usageOf(running.pid)
      if (cpuSeconds - before < RESTING_SECONDS) return
      before = cpuSeconds
    }
  } finally {
    await running.stop()
  }
}

function readFamily(grown: GrownRead, registries: Map<string, GrownRegistry>): Family {
  const { name, label } = grown
  return {
    name: `growth/${name}`,
    readOnly: true,
    async seed() {},
    cases: CONNECTIONS.map(
      (connections): Case => ({
        name: `growth/${name}/${connections}`,
        label: `${label}, ${connections} ${connections === 1 ? 'connection' : 'connections'}`,
        unit: 'request',
        isMain: connections === MAIN_CONNECTIONS,
        async load(running, scale) {
          const registry = registries.get(running.system.name)
          if (registry === undefined) throw new Error(`${running.system.name} has no grown registry`)
          return await readLoad(running, await requestOf(grown, registry, running), { connections, scale })
        },
      }),
    ),
  }
}

/** All accept anything: what is listed has a media type of its own. */
const ACCEPT = 'Accept: */*'

async function requestOf(
  { method, path, isConditional }: GrownRead,
  registry: GrownRegistry,
  { address: { host, port } }: RunningSystem,
): Promise<Asked> {
  const asked = { method, path: path(registry), headers: [ACCEPT], status: 200 }
  if (!isConditional) return asked
  const { headers } = await fetch(`http://${host}:${port}${asked.path}`, { method: 'HEAD' })
  return { ...asked, headers: [ACCEPT, `If-None-Match: ${headers.get('etag')}`], status: 304 }
}

/** Into the repository that has all tags. What an earlier run pushed must not come again, so the clock numbers it. */
const PUSHES: Family = {
  name: 'growth/push-image',
  readOnly: false,
  async seed() {},
  cases: CONNECTIONS.map((clients) => ({
    name: `growth/push-image/${clients}`,
    label: `push of small images, ${clients} ${clients === 1 ? 'client' : 'clients'}`,
    unit: 'image',
    isMain: clients === MAIN_CONNECTIONS,
    load: async ({ address }, { seconds }) => {
      const firstId = Date.now() * IDS_PER_MILLISECOND
      const shape = { kind: 'images', clients, repositories: [TAGGED], pullsOfFour: 0, firstId } as const
      return await prepareLoad({ ...shape, address, seconds })
    },
  })),
}

const START: Trial = {
  name: 'growth/start',
  label: 'start to the first answer',
  unit: 'start',
  serves: () => true,
  async measure(system, folder) {
    const only = await startSystem(system, folder)
    await only.stop()
    return { median: only.startMilliseconds, count: 1, failed: 0 }
  },
}

const KILLED_START: Trial = {
  name: 'growth/start-killed',
  label: 'start to the first answer, after kill -9',
  unit: 'start',
  serves: () => true,
  async measure(system, folder) {
    const first = await startSystem(system, folder)
    await first.stop('SIGKILL')
    const second = await startSystem(system, folder)
    await second.stop()
    return { median: second.startMilliseconds, count: 1, failed: 0 }
  },
}
