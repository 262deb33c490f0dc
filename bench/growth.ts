import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { prepareLoad } from './generator.ts'
import {
  type GrownRegistry,
  type GrownSize,
  grownRegistry,
  REFERRED,
  TAGGED,
  tagName,
} from './grown-registry.ts'
import { type System, startSystem } from './system.ts'
import { PROJECT, stowage } from './systems.ts'
import type { Case, Family, Scale, Trial } from './workload.ts'
import { readLoad } from './workloads/small-request.ts'

/** What is measured on a registry that has much, and on one that has little. */
export interface Growth {
  families: readonly Family[]
  trials: readonly Trial[]
  systems: readonly System[]
  /** The system with little in it, which the other is compared with. */
  against: string
}

const SMALL: GrownSize = { tags: 200, repositories: 100, referrers: 20 }
const LARGE: GrownSize = { tags: 1_000_000, repositories: 100_000, referrers: 10_000 }
const QUICK: GrownSize = { tags: 20_000, repositories: 2000, referrers: 1000 }
const CONNECTIONS = [1, 16]
const MAIN_CONNECTIONS = 16
const KEPT = join(PROJECT, '.cache/bench')
/** More than a server stores in that time, and few enough for 48 bits. */
const IDS_PER_MILLISECOND = 20

/** A read of a grown registry; the path depends on how much is in it. */
interface GrownRead {
  name: string
  label: string
  method: 'GET' | 'HEAD'
  path(registry: GrownRegistry): string
}

const READS: readonly GrownRead[] = [
  {
    name: 'tags-first',
    label: 'first 100 tags',
    method: 'GET',
    path: () => `/v2/${TAGGED}/tags/list?n=100`,
  },
  {
    name: 'tags-middle',
    label: '100 tags from the middle',
    method: 'GET',
    path: ({ size }) => `/v2/${TAGGED}/tags/list?n=100&last=${tagName(Math.floor(size.tags / 2) - 1)}`,
  },
  {
    name: 'get-manifest-tag',
    label: 'GET manifest by tag',
    method: 'GET',
    path: ({ size }) => `/v2/${TAGGED}/manifests/${tagName(Math.floor(size.tags / 2))}`,
  },
  {
    name: 'head-blob',
    label: 'HEAD blob',
    method: 'HEAD',
    path: ({ blob }) => `/v2/${TAGGED}/blobs/${blob}`,
  },
  {
    name: 'referrers',
    label: 'first 10 referrers of one subject',
    method: 'GET',
    path: ({ subject }) => `/v2/${REFERRED}/referrers/${subject}?n=10`,
  },
  {
    name: 'catalog',
    label: '50 repositories from the middle',
    method: 'GET',
    path: () => '/v2/_catalog?n=50&last=bench/many-5',
  },
]

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
  return {
    families: [...READS.map((read) => readFamily(read, registries)), PUSHES],
    trials: [killedStart()],
    systems: [...registries].map(([name, { data }]) => stowage(name, PROJECT, { data })),
    against: 'small',
  }
}

function readFamily(
  { name, label, method, path }: GrownRead,
  registries: Map<string, GrownRegistry>,
): Family {
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
          return await readLoad(
            running,
            { method, path: path(registry), status: 200 },
            { connections, scale },
          )
        },
      }),
    ),
  }
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

function killedStart(): Trial {
  return {
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
}
