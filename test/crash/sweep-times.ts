import { randomBytes } from 'node:crypto'
import { StoreClock } from '../../src/metadata/sqlite/store-clock.ts'
import type { Retention } from '../../src/registry/parts.ts'
import { localRegistry } from '../../src/registry/registry.ts'
import { openDataFolder } from '../../src/stores/data-folder.ts'

/** What a sweeper of a folder that no server has is told. All in milliseconds. */
export interface SweepTimes {
  retention: Retention
  /** What the clock says at each round. */
  rounds: number[]
}

/** Sweeps a folder that no server has, once for each of these times. */
export async function sweepFolder(
  data: string,
  { retention, rounds }: SweepTimes,
  onOpen = () => {},
): Promise<void> {
  const clock = new StoreClock()
  const folder = await openDataFolder(data, { clock })
  try {
    const registry = localRegistry({
      ...folder,
      retention,
      clock: () => clock.now(),
      random: randomBytes,
    })
    onOpen()
    for (const round of rounds) {
      clock.set(round)
      await registry.maintenance.sweep(new AbortController().signal)
    }
  } finally {
    await folder.close()
  }
}
