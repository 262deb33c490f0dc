import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FAMILIES, isWanted, TRIALS, wantedFamilies } from './catalogue.ts'
import { checkOut } from './checkout.ts'
import { describeMachine } from './machine.ts'
import { OptionError, type Options, parseOptions, USAGE } from './options.ts'
import { runSeries } from './rounds.ts'
import type { System } from './system.ts'
import { findSystems, isThere, PROJECT, stowage } from './systems.ts'
import { type CaseRounds, formatTable } from './table.ts'

/** The systems of a run. */
interface Field {
  systems: readonly System[]
  /** The system that Stowage is compared with; the best peer if undefined. */
  against?: string
}

/** `npm run bench`: measures Stowage beside every other registry of this machine. @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args)
  if (options === 'help') return say(USAGE)
  const found = await findSystems()
  if (options.list) return list([stowage('stowage', PROJECT), ...found.systems])
  for (const line of found.missing) progress(line)
  if (!(await isThere('wrk'))) throw new OptionError('there is no wrk: run .ci/bench-setup')
  progress('401 is not measured: no accounts yet; 404-route is the cheapest refusal of each')
  const folder = await mkdtemp(join(tmpdir(), 'stowage-bench-'))
  try {
    return await withField(options, { folder, peers: found.systems }, async (field) => {
      return await measure(options, field, folder)
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Two versions or two ways of Stowage are measured by themselves, unless others are named. */
async function withField(
  options: Options,
  { folder, peers }: { folder: string; peers: readonly System[] },
  use: (field: Field) => Promise<number>,
): Promise<number> {
  const { against, variant } = options
  const own = stowage('stowage', PROJECT)
  if (variant !== undefined) {
    const other = stowage(`stowage ${variant}`, PROJECT, variant.split(' '))
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

async function measure(options: Options, { systems, against }: Field, folder: string): Promise<number> {
  const { rounds, seconds, quick, only, json } = options
  const machine = describeMachine(folder)
  const cases = await runSeries({
    families: wantedFamilies(only, quick),
    trials: TRIALS.filter((trial) => isWanted(trial, only)),
    systems,
    rounds,
    scale: { seconds, quick },
    folder,
    progress,
  })
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine, options, cases }, null, 2)}\n`)
  say(`${JSON.stringify(machine)}\n${formatTable(cases, against)}`)
  return verdict(cases)
}

function verdict(cases: readonly CaseRounds[]): number {
  const rounds = cases.flatMap(({ systems }) => systems.flatMap((system) => system.rounds))
  const failed = rounds.reduce((sum, each) => sum + each.failed, 0)
  if (cases.length === 0) progress('no workload has such a name: see --list')
  if (failed > 0) progress(`${failed} requests failed`)
  return failed > 0 || cases.length === 0 ? 1 : 0
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
