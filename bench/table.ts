import { median } from './statistics.ts'
import type { Figures, Unit } from './workload.ts'

/** All rounds of one workload on one system. */
export interface SystemRounds {
  system: string
  kind: 'stowage' | 'peer' | 'files'
  rounds: readonly Figures[]
}

/** All that is known of one workload. */
export interface CaseRounds {
  name: string
  label: string
  unit: Unit
  systems: readonly SystemRounds[]
}

/** What is shown of a system: medians of its rounds. */
interface Row extends SystemRounds {
  figures: Figures
}

const HEADINGS = ['', 'median', 'p99', 'rate', 'server CPU', 'peak memory', 'generator', 'failed']
const MIB = 1024 ** 2
type Figure = 'median' | 'p99' | 'rate' | 'cpu' | 'peak' | 'load'
const FIGURES: readonly Figure[] = ['median', 'p99', 'rate', 'cpu', 'peak', 'load']

/**
 * Lays out all workloads as one table in plain text, and below each what failed first, and the ratios of Stowage to what
 * it is compared with.
 *
 * @param against the name of the system to compare with; the best peer of each workload if absent
 */
export function formatTable(cases: readonly CaseRounds[], against?: string): string {
  const blocks = cases.map((each) => ({ each, rows: each.systems.map(rowOf) }))
  const cells = [
    HEADINGS,
    ...blocks.flatMap(({ each, rows }) => [
      [each.label, '', '', '', '', '', '', ''],
      ...rows.map((row) => cellsOf(each.unit, row)),
      ['', '', '', '', '', '', '', ''],
    ]),
  ]
  const widths = HEADINGS.map((_, column) =>
    Math.max(...cells.filter((row) => column > 0 || row[1] !== '').map((row) => row[column]?.length ?? 0)),
  )
  const lines = cells.map((row) => lineOf(row, widths))
  let at = 0
  for (const { each, rows } of blocks) {
    at += rows.length + 2
    lines[at] = [...failures(rows), ...ratios(each.unit, rows, against)]
      .map((text) => `    ${text}\n`)
      .join('')
  }
  return lines.join('\n')
}

function lineOf(row: readonly string[], widths: readonly number[]): string {
  const [name = '', ...rest] = row
  return [name.padEnd(widths[0] ?? 0), ...rest.map((cell, index) => cell.padStart(widths[index + 1] ?? 0))]
    .join('  ')
    .trimEnd()
}

function rowOf(rounds: SystemRounds): Row {
  return { ...rounds, figures: mediansOf(rounds.rounds) }
}

/** The median of each figure over rounds; failures are added up. */
export function mediansOf(rounds: readonly Figures[]): Figures {
  const sum = (field: 'count' | 'failed') => rounds.reduce((total, round) => total + round[field], 0)
  const result: Figures = { count: sum('count'), failed: sum('failed') }
  for (const figure of FIGURES) {
    const values = rounds.map((round) => round[figure]).filter((value) => value !== undefined)
    const usable = values.filter((value) => Number.isFinite(value))
    if (usable.length > 0) result[figure] = median(usable)
  }
  const note = rounds.find((round) => round.note !== undefined)?.note
  const firstFailure = rounds.find((round) => round.firstFailure !== undefined)?.firstFailure
  return {
    ...result,
    ...(note !== undefined && { note }),
    ...(firstFailure !== undefined && { firstFailure }),
  }
}

function cellsOf(unit: Unit, { system, figures }: Row): string[] {
  const { note, median: middle, p99, rate, cpu, peak, load, failed } = figures
  if (note !== undefined) return [`  ${system}`, note, '', '', '', '', '', '']
  return [
    `  ${system}`,
    cell(middle, milliseconds),
    cell(p99, milliseconds),
    cell(rate, (value) => formatRate(unit, value)),
    cell(cpu, (value) => (unit === 'byte' ? `${value.toFixed(2)} s/GiB` : `${value.toFixed(3)} ms`)),
    cell(peak, (value) => `${Math.round(value / MIB)} MiB`),
    cell(load, (value) => `${Math.round(value * 100)} %`),
    String(failed),
  ]
}

function cell(value: number | undefined, format: (value: number) => string): string {
  return value === undefined ? '-' : format(value)
}

function milliseconds(value: number): string {
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(2)} ms`
}

function formatRate(unit: Unit, value: number): string {
  if (unit === 'byte') return `${Math.round(value / 1e6).toLocaleString('en')} MB/s`
  return `${Math.round(value).toLocaleString('en')}${unit === 'image' ? ' images/s' : '/s'}`
}

/** What decides who is best: a rate, the time to start, or memory. */
function decisive(unit: Unit): { figure: Figure; isLessBetter: boolean } {
  if (unit === 'start') return { figure: 'median', isLessBetter: true }
  if (unit === 'idle') return { figure: 'peak', isLessBetter: true }
  return { figure: 'rate', isLessBetter: false }
}

function failures(rows: readonly Row[]): string[] {
  return rows.flatMap(({ system, figures: { failed, firstFailure } }) =>
    failed > 0 ? [`${failed} of ${system} failed, first ${firstFailure}`] : [],
  )
}

function ratios(unit: Unit, rows: readonly Row[], against: string | undefined): string[] {
  const own = rows.find(({ kind, system }) => kind === 'stowage' && system !== against)
  if (own === undefined) return []
  if (against !== undefined) {
    const other = rows.find(({ system }) => system === against)
    return other ? compare(unit, own, other) : []
  }
  const { figure, isLessBetter } = decisive(unit)
  const peers = rows
    .filter(({ kind, figures }) => kind === 'peer' && figures[figure] !== undefined)
    .sort((one, two) => (two.figures[figure] ?? 0) - (one.figures[figure] ?? 0))
  const best = isLessBetter ? peers.at(-1) : peers[0]
  const files = rows.find(({ kind }) => kind === 'files')
  return [best, files].filter((row) => row !== undefined).flatMap((row) => compare(unit, own, row))
}

/** How Stowage stands to another, in ratios of its figures to theirs. */
function compare(unit: Unit, own: Row, other: Row): string[] {
  const { figure } = decisive(unit)
  const parts = [...new Set<Figure>([figure, 'rate', 'median', 'p99', 'cpu', 'peak'])].flatMap((each) => {
    const ratio = (own.figures[each] ?? NaN) / (other.figures[each] ?? NaN)
    return Number.isFinite(ratio) ? [`${FIGURE_NAMES[each]} ${ratio.toFixed(2)}x`] : []
  })
  return parts.length > 0 ? [`${own.system} to ${other.system}: ${parts.join(', ')}`] : []
}

const FIGURE_NAMES: Readonly<Record<Figure, string>> = {
  median: 'median',
  p99: 'p99',
  rate: 'rate',
  cpu: 'CPU',
  peak: 'memory',
  load: 'generator',
}
