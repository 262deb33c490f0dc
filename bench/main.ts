import { writeFile } from 'node:fs/promises'
import { FAMILIES, isWanted, TRIALS, wantedFamilies } from './catalogue.ts'
import { checkOut } from './checkout.ts'
import { openGrowth } from './growth.ts'
import { describeMachine } from './machine.ts'
import { formatMemory, type MemoryReport, measureMemory } from './memory.ts'
import { OptionError, type Options, parseOptions, USAGE } from './options.ts'
import { runSeries } from './rounds.ts'
import { type System, withFolder } from './system.ts'
import { findSystems, isThere, PROJECT, stowage } from './systems.ts'
import { type CaseRounds, formatTable } from './table.ts'
import type { Family, Trial } from './workload.ts'

/** The systems of a run. */
interface Field {
  systems: readonly System[]
  /** The system that Stowage is compared with; the best peer if undefined. */
  against?: string
}

/** All that was found. */
interface Results {
  cases: CaseRounds[]
  memory?: MemoryReport
}

/** Workloads that no peer has. */
const OWN = ['growth', 'memory']

/** `npm run bench`: measures Stowage beside every other registry of this machine. @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args)
  if (options === 'help') return say(USAGE)
  const found = await findSystems()
  if (options.list) return list([stowage('stowage', PROJECT), ...found.systems])
  for (const line of found.missing) progress(line)
  if (!(await isThere('wrk'))) throw new OptionError('there is no wrk: run .ci/bench-setup')
  progress('401 is not measured: no accounts yet; 404-route is the cheapest refusal of each')
  return await withFolder(async (folder) => {
    const results = await runAll(options, { folder, peers: found.systems })
    if (options.json !== undefined) await writeJson(options.json, { folder, options, results })
    return verdict(results)
  })
}

/** The workloads that are wanted: those beside peers, and then those that only Stowage has. Those take long, so a full run must name them. */
async function runAll(
  options: Options,
  { folder, peers }: { folder: string; peers: readonly System[] },
): Promise<Results> {
  const { only, quick } = options
  const isOwn = (name: string) => OWN.some((own) => name.startsWith(own))
  const isNamed = (own: string) =>
    only.length === 0 ? quick : only.some((name) => name.startsWith(own) || own.startsWith(name))
  const results: Results = { cases: [] }
  say(JSON.stringify(describeMachine(folder)))
  if (only.length === 0 || !only.every(isOwn)) {
    results.cases = await withField(options, { folder, peers }, async (field) => {
      const trials = TRIALS.filter((trial) => isWanted(trial, only))
      return await measure(options, { ...field, families: wantedFamilies(FAMILIES, options), trials }, folder)
    })
  }
  if (isNamed('growth')) results.cases = [...results.cases, ...(await runGrowth(options, folder))]
  if (isNamed('memory')) results.memory = await runMemory(options, folder)
  return results
}

async function runGrowth(options: Options, folder: string): Promise<CaseRounds[]> {
  const scale = { seconds: options.seconds, quick: options.quick }
  const growth = await openGrowth(folder, { fresh: options.fresh, scale, progress })
  const trials = growth.trials.filter((trial) => isWanted(trial, options.only))
  return await measure(
    options,
    { ...growth, families: wantedFamilies(growth.families, options), trials },
    folder,
  )
}

async function runMemory({ seconds, quick, size }: Options, folder: string): Promise<MemoryReport> {
  const scale = { seconds, quick }
  const report = await measureMemory(stowage('stowage', PROJECT), folder, { scale, size, progress })
  say(formatMemory(report))
  return report
}

async function writeJson(
  path: string,
  { folder, options, results }: { folder: string; options: Options; results: Results },
): Promise<void> {
  const machine = describeMachine(folder)
  await writeFile(path, `${JSON.stringify({ machine, options, ...results }, null, 2)}\n`)
}

/** Two versions or two ways of Stowage are measured by themselves, unless others are named. */
async function withField(
  options: Options,
  { folder, peers }: { folder: string; peers: readonly System[] },
  use: (field: Field) => Promise<CaseRounds[]>,
): Promise<CaseRounds[]> {
  const { against, variant } = options
  const own = stowage('stowage', PROJECT)
  if (variant !== undefined) {
    const other = stowage(`stowage ${variant}`, PROJECT, { flags: variant.split(' ') })
    return await use(fieldOf(own, { other, peers, options }))
  }
  if (against === undefined) return await use({ systems: chosen([own, ...peers], options.systems) })
  const checkout = await checkOut(against, folder)
  try {
    return await use(fieldOf(own, { other: stowage(`stowage@${against}`, checkout.folder), peers, options }))
  } finally {
    await checkout.remove()
  }
}

function fieldOf(
  own: System,
  { other, peers, options }: { other: System; peers: readonly System[]; options: Options },
): Field {
  const named = chosen(peers, options.systems?.filter((name) => name !== own.name) ?? [])
  return { systems: [own, other, ...named], against: other.name }
}

/** Measures workloads and prints their table. */
async function measure(
  { rounds, seconds, quick }: Options,
  { systems, against, families, trials }: Field & { families: readonly Family[]; trials: readonly Trial[] },
  folder: string,
): Promise<CaseRounds[]> {
  const scale = { seconds, quick }
  const cases = await runSeries({ families, trials, systems, rounds, scale, folder, progress })
  if (cases.length > 0) say(formatTable(cases, against))
  return cases
}

function verdict({ cases, memory }: Results): number {
  const rounds = cases.flatMap(({ systems }) => systems.flatMap((system) => system.rounds))
  const counts = [...rounds, ...(memory ? [memory, memory.aborted] : [])].map((each) => each.failed)
  const failed = counts.reduce((sum, count) => sum + count, 0)
  if (counts.length === 0) progress('no workload has such a name: see --list')
  if (failed > 0) progress(`${failed} requests failed`)
  return failed > 0 || counts.length === 0 ? 1 : 0
}

function chosen(all: readonly System[], names: readonly string[] | undefined): System[] {
  const unknown = names?.find((name) => !all.some((system) => system.name === name))
  if (unknown !== undefined) throw new OptionError(`there is no system ${unknown} on this machine`)
  return all.filter(({ name }) => names?.includes(name) ?? true)
}

function list(systems: readonly System[]): number {
  const cases = [...FAMILIES.flatMap((family) => family.cases), ...TRIALS]
  const width = Math.max(...cases.map(({ name }) => name.length))
  for (const { name, label } of cases) say(`${name.padEnd(width)}  ${label}`)
  say('growth, growth/<name>: a registry with a million tags and manifests beside a small one (only Stowage)')
  say('memory: many large pushes and slow readers at once, and aborted uploads (only Stowage)')
  return say(`systems: ${systems.map(({ name }) => name).join(', ')}`)
}

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`)
}

process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  progress(error instanceof OptionError ? error.message : (error.stack ?? error.message))
  return 2
})
