import { setTimeout as sleep } from 'node:timers/promises'
import { usageOf } from '../process-usage.ts'
import { type Seeder, seederOf, seedImage } from '../seed.ts'
import { type System, startSystem } from '../system.ts'
import type { Figures, Trial } from '../workload.ts'
import { APP } from './small-reads.ts'

const IDLE_SECONDS = 2
const QUICK_IDLE_SECONDS = 0.2

/** What is measured without load: how long a start takes, and what a server needs that does nothing. */
export const STARTS: readonly Trial[] = [
  {
    name: 'start/empty',
    label: 'start to the first answer, empty',
    unit: 'start',
    serves: () => true,
    measure: async (system, folder) => await timedStart(system, folder),
  },
  {
    name: 'start/killed',
    label: 'start to the first answer, after kill -9 with an image',
    unit: 'start',
    serves: ({ kind }) => kind !== 'files',
    async measure(system, folder) {
      await startAndKill(system, folder)
      return await timedStart(system, folder)
    },
  },
  {
    name: 'idle',
    label: 'memory when idle',
    unit: 'idle',
    serves: () => true,
    async measure(system, folder, { quick }) {
      const running = await startSystem(system, folder)
      await sleep((quick ? QUICK_IDLE_SECONDS : IDLE_SECONDS) * 1000)
      const { resident } = usageOf(running.pid)
      await running.stop()
      return { peak: resident, count: 1, failed: 0 }
    },
  },
]

async function timedStart(system: System, folder: string): Promise<Figures> {
  const running = await startSystem(system, folder)
  await running.stop()
  return { median: running.startMilliseconds, count: 1, failed: 0 }
}

async function startAndKill(system: System, folder: string): Promise<void> {
  const running = await startSystem(system, folder)
  const seeder: Seeder = await seederOf(running)
  await seedImage(seeder, APP, APP.image)
  seeder.close()
  await running.stop('SIGKILL')
}
