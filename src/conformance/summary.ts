import type { Group, Level, Version } from './case.ts'
import { type Exchange, formatCurl, isCredential, printable, textOf } from './exchange.ts'
import type { Result, Verdict } from './run.ts'

/** What can become of a case, the good first. */
export const VERDICTS = ['passed', 'warned', 'failed', 'skipped', 'unsupported'] as const

export type VerdictName = Verdict['verdict']

/** How many cases of each verdict. */
export type Counts = Record<VerdictName, number>

/** What became of all cases at one registry: plain data, safe to print, and the shape of the JSON report. */
export interface Report {
  /** Where the registry is: scheme, host and port. */
  registry: string
  /** `dev` where unreleased cases were run too. */
  specification: '1.1' | 'dev'
  /** RFC 3339. */
  started: string
  milliseconds: number
  /** Whether it has no failure in the group `specification`. */
  conforms: boolean
  /** Groups that cases were run of. */
  groups: Partial<Record<Group, Counts>>
  cases: CaseReport[]
}

/** A case and what became of it. */
export interface CaseReport {
  id: string
  title: string
  group: Group
  level: Level
  version: Version
  section: string
  sentence: string
  verdict: VerdictName
  milliseconds: number
  /** Where it failed, warned, or isn't supported: why. */
  message?: string
  /** What would have been right. */
  wanted?: string
  /** Where it was skipped: the id of the case that failed before. */
  because?: string
  exchange?: ExchangeReport
}

/** What went over the line, for people. */
export interface ExchangeReport {
  request: { method: string; url: string; headers: Record<string, string>; body?: string }
  response?: { status: number; headers: Record<string, string>; body?: string }
  /** Why there is no response. */
  problem?: string
  /** Repeats the request. */
  curl: string
}

/** One run, as it is told. */
export interface Run {
  registry: string
  specification: '1.1' | 'dev'
  started: Date
  milliseconds: number
  results: readonly Result[]
  /** What must not be told: a registry may send back what it was sent. */
  secrets: readonly string[]
}

const MAX_HEADERS = 40
const MAX_LINE = 1_000

/** Makes a report of a run. */
export function makeReport({ started, results, secrets, ...run }: Run): Report {
  const hide = hiderOf(secrets)
  const cases = results.map((result) => reportCase(result, hide))
  return {
    registry: run.registry,
    specification: run.specification,
    started: started.toISOString(),
    milliseconds: Math.round(run.milliseconds),
    conforms: !cases.some(({ group, verdict }) => group === 'specification' && verdict === 'failed'),
    groups: Object.fromEntries(
      [...new Set(cases.map(({ group }) => group))].map((group) => [
        group,
        countVerdicts(cases.filter((each) => each.group === group)),
      ]),
    ),
    cases,
  }
}

/** Counts the verdicts of cases. */
export function countVerdicts(cases: readonly CaseReport[]): Counts {
  const counts: Counts = { passed: 0, warned: 0, failed: 0, skipped: 0, unsupported: 0 }
  for (const { verdict } of cases) counts[verdict]++
  return counts
}

/** Whether a MUST of any group failed. */
export function hasFailures({ cases }: Report): boolean {
  return cases.some(({ verdict }) => verdict === 'failed')
}

/** Why a case did not pass, in one line. */
export function reasonOf({ message, because }: CaseReport): string {
  return because === undefined ? (message ?? '') : `needs ${because}, which did not pass`
}

/** The specification's in the order of their first cases, then the other groups. */
export function sectionsOf(reports: readonly Report[]): string[] {
  const cases = reports.flatMap((report) => report.cases)
  const isOurs = ({ group }: CaseReport) => group === 'specification'
  return [...new Set([...cases.filter(isOurs), ...cases.filter((each) => !isOurs(each))].map(sectionOf))]
}

/** Under which heading a case is shown; groups other than the specification's have no sections of it. */
export function sectionOf({ group, section }: CaseReport): string {
  return group === 'specification' ? section : GROUP_NAMES[group]
}

/** How groups are called to people. */
export const GROUP_NAMES: Readonly<Record<Group, string>> = {
  specification: 'Specification',
  clients: 'Real clients',
  hostile: 'Hostile requests',
  extensions: 'Extensions',
}

type Hide = (text: string) => string

function hiderOf(secrets: readonly string[]): Hide {
  // What is shorter would be found in every other word.
  const known = secrets.filter(({ length }) => length >= 4)
  return (text) => known.reduce((shown, secret) => shown.replaceAll(secret, '(secret)'), text)
}

function line(text: string, hide: Hide): string {
  const shown = printable(hide(text)).replace(/\s+/g, ' ')
  return shown.length > MAX_LINE ? `${shown.slice(0, MAX_LINE)} …`.toWellFormed() : shown
}

function reportCase(result: Result, hide: Hide): CaseReport {
  const { id, title, group, level, version, section, sentence } = result.case
  const told: CaseReport = {
    ...{ id, title, group, level, version, section, sentence, verdict: result.verdict },
    milliseconds: Math.round(result.milliseconds),
  }
  if (result.verdict === 'passed') return told
  if (result.verdict === 'skipped') return { ...told, because: result.because }
  const message = line(result.message, hide)
  if (result.verdict === 'unsupported') return { ...told, message }
  const { wanted, exchange } = result
  return {
    ...told,
    message,
    ...(wanted !== undefined && { wanted: line(wanted, hide) }),
    ...(exchange && { exchange: reportExchange(exchange, hide) }),
  }
}

function reportExchange({ request, answer, problem }: Exchange, hide: Hide): ExchangeReport {
  return {
    request: {
      method: request.method,
      url: line(request.url, hide),
      headers: headersOf(Object.entries(request.headers ?? {}), hide),
      ...bodyOf(request.body, hide),
    },
    ...(answer && {
      response: {
        status: answer.status,
        headers: headersOf(answer.headers, hide),
        ...bodyOf(answer.body, hide),
      },
    }),
    ...(problem !== undefined && { problem: line(problem, hide) }),
    curl: printable(hide(formatCurl(request))).replaceAll('\n', ' '),
  }
}

function headersOf(headers: Iterable<[string, string]>, hide: Hide): Record<string, string> {
  const shown = [...headers].slice(0, MAX_HEADERS).map(([name, value]) => {
    return [line(name, hide), isCredential(name) ? '(not shown)' : line(value, hide)]
  })
  return Object.fromEntries(shown)
}

function bodyOf(body: Uint8Array | undefined, hide: Hide): { body?: string } {
  return body === undefined || body.length === 0 ? {} : { body: hide(textOf(body)) }
}
