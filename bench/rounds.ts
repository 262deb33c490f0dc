import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type System, startSystem } from './system.ts'
import type { CaseRounds } from './table.ts'
import {
  type Family,
  type Figures,
  failure,
  measureCase,
  type Scale,
  seedSystem,
  type Trial,
  type Unit,
} from './workload.ts'

/** What is run. */
export interface Series {
  families: readonly Family[]
  trials: readonly Trial[]
  systems: readonly System[]
  rounds: number
  scale: Scale
  /** Systems write below it; each gets a folder of its own, which goes when its turn is over. */
  folder: string
  /** Told before each turn. */
  progress: (line: string) => void
}

interface Named {
  name: string
  label: string
  unit: Unit
}

/** Keeps figures by workload and system, in the order in which they first came. */
interface Ledger {
  add(each: Named, system: System, figures: Figures): void
  cases(): CaseRounds[]
}

/**
 * Runs everything: of each family round by round, in each round system by system, so that what else happens on the machine hits all alike.
 * A quick run starts each system only once.
 */
export async function runSeries(series: Series): Promise<CaseRounds[]> {
  const ledger = openLedger()
  const { families, trials, scale } = series
  const groups = scale.quick ? [families] : families.map((family) => [family])
  for (const group of groups) {
    await eachTurn(series, group.length === 1 ? (group[0]?.name ?? '') : 'all', async (system, folder) => {
      await measureFamilies(group, { system, folder, scale, ledger })
    })
  }
  for (const trial of trials) {
    await eachTurn(series, trial.name, async (system, folder) => {
      if (trial.serves(system))
        ledger.add(trial, system, await measureTrial(trial, { system, folder, scale }))
    })
  }
  return ledger.cases()
}

async function eachTurn(
  { systems, rounds, folder, progress }: Series,
  name: string,
  turn: (system: System, folder: string) => Promise<void>,
): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    for (const system of systems) {
      progress(`${name}, round ${round} of ${rounds}, ${system.name}`)
      const own = await mkdtemp(join(folder, `${system.name.replaceAll('/', '-')}-`))
      try {
        await turn(system, own)
      } finally {
        await rm(own, { recursive: true, force: true })
      }
    }
  }
}

/** What goes wrong with a system is shown in its rows; the others go on. */
async function measureFamilies(
  families: readonly Family[],
  { system, folder, scale, ledger }: { system: System; folder: string; scale: Scale; ledger: Ledger },
): Promise<void> {
  const wanted = families.filter(({ readOnly }) => readOnly || system.kind !== 'files')
  if (wanted.length === 0) return
  const fail = (each: Named, error: unknown) => ledger.add(each, system, failure(error))
  const running = await startSystem(system, folder).catch((error: unknown) => {
    for (const { cases } of wanted) for (const each of cases) fail(each, error)
    return undefined
  })
  if (running === undefined) return
  try {
    for (const { cases, seed } of wanted) {
      const problem = await seedSystem(seed, running, scale).then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      for (const each of cases) {
        if (problem !== undefined) fail(each, problem.error)
        else ledger.add(each, system, await measureCase(each, running, scale))
      }
    }
  } finally {
    await running.stop()
  }
}

async function measureTrial(
  trial: Trial,
  { system, folder, scale }: { system: System; folder: string; scale: Scale },
): Promise<Figures> {
  try {
    return await trial.measure(system, folder, scale)
  } catch (error) {
    return failure(error)
  }
}

function openLedger(): Ledger {
  const cases = new Map<string, Named & { systems: Map<string, { system: System; rounds: Figures[] }> }>()
  return {
    add({ name, label, unit }, system, figures) {
      const each = cases.get(name) ?? { name, label, unit, systems: new Map() }
      const own = each.systems.get(system.name) ?? { system, rounds: [] }
      own.rounds.push(figures)
      each.systems.set(system.name, own)
      cases.set(name, each)
    },
    cases: () =>
      [...cases.values()].map(({ systems, ...each }) => ({
        ...each,
        systems: [...systems.values()].map(({ system: { name, kind }, rounds }) => ({
          system: name,
          kind,
          rounds,
        })),
      })),
  }
}
