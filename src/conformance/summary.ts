import { isCredential } from '../client/session.ts'
import type { Group, Level, Version } from './case.ts'
import type { Exchange } from './exchange.ts'
import { decodeText, printable } from './printable.ts'
import { type RepetitionOptions, repetitionOf } from './repetition.ts'
import type { Result, Verdict } from './run.ts'
import { type Hider, openHider } from './secret.ts'

/** The possible verdicts of a case, the good ones first. */
export const VERDICTS = ['passed', 'warned', 'failed', 'undecided', 'skipped', 'unsupported'] as const

export type VerdictName = Verdict['verdict']

/** The number of cases for each verdict. */
export type Counts = Record<VerdictName, number>

/** The outcome of all cases at one registry: plain data, safe to print, and the format of the JSON report. */
export interface Report {
  /** Where the registry is: scheme, host and port. */
  registry: string
  /** `dev` if unreleased cases were run too. */
  specification: '1.1' | 'dev'
  /** RFC 3339. */
  started: string
  milliseconds: number
  /** Whether no MUST of the group `specification` failed or is undecided. */
  conforms: boolean
  /** Other origins that issued tokens: scheme, host and port. They received the credentials, if there were any. */
  tokenEndpoints: string[]
  /** Groups whose cases were run. */
  groups: Partial<Record<Group, Counts>>
  cases: CaseReport[]
}

/** A case and its outcome. */
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
  /** The reason if it failed, warned, or isn't supported. */
  message?: string
  /** The expected result. */
  wanted?: string
  /** The actual result. */
  got?: string
  /** If it was skipped: the id of the case that failed before. */
  because?: string
  exchange?: ExchangeReport
}

/** An exchange in readable form. */
export interface ExchangeReport {
  request: { method: string; url: string; headers: Record<string, string>; body?: string }
  response?: { status: number; headers: Record<string, string>; body?: string }
  /** Why there is no response. */
  problem?: string
  /** Shell lines that repeat it: first the pushes, then the request itself; comments if that is not possible. */
  repeat: readonly string[]
}

/** One run, as it is reported. */
export interface Run {
  registry: string
  specification: '1.1' | 'dev'
  started: Date
  milliseconds: number
  results: readonly Result[]
  /** Secrets that must not be shown: a registry may send back what it received. */
  secrets: readonly string[]
  tokenEndpoints?: readonly string[]
  /** How requests are repeated. @param id of the case */
  repetition?(id: string): Pick<RepetitionOptions, 'bodyFile' | 'http2' | 'hasOwnAuthorities'>
}

const MAX_HEADERS = 40
const MAX_BODY = 2_000
const MAX_LINE = 1_000

/** Makes a report of a run. */
export function makeReport({ started, results, secrets, tokenEndpoints = [], ...run }: Run): Report {
  const hider = openHider(secrets)
  const cases = results.map((result) =>
    reportCase(result, { origin: run.registry, hider, ...run.repetition?.(result.case.id) }),
  )
  return {
    registry: run.registry,
    specification: run.specification,
    started: started.toISOString(),
    milliseconds: Math.round(run.milliseconds),
    conforms: !cases.some((each) => each.group === 'specification' && isOpen(each)),
    tokenEndpoints: tokenEndpoints.map((each) => line(each, hider)),
    groups: Object.fromEntries(
      [...new Set(cases.map(({ group }) => group))].map((group) => [
        group,
        countVerdicts(cases.filter((each) => each.group === group)),
      ]),
    ),
    cases,
  }
}

/** Whether a case shows that a MUST is or may be violated. */
function isOpen({ level, verdict }: CaseReport): boolean {
  return verdict === 'failed' || (verdict === 'undecided' && level === 'MUST')
}

/** Whether a registry offers nothing of a group, for example of extensions, which are optional. */
export function offersNone(counts: Counts): boolean {
  return (
    counts.unsupported > 0 && VERDICTS.every((verdict) => verdict === 'unsupported' || counts[verdict] === 0)
  )
}

/** Counts the verdicts of cases. */
export function countVerdicts(cases: readonly CaseReport[]): Counts {
  const counts: Counts = { passed: 0, warned: 0, failed: 0, undecided: 0, skipped: 0, unsupported: 0 }
  for (const { verdict } of cases) counts[verdict]++
  return counts
}

/** Whether a MUST of any group failed. */
export function hasFailures({ cases }: Report): boolean {
  return cases.some(({ verdict }) => verdict === 'failed')
}

/** Whether something of any group could not be decided. */
export function hasUndecided({ cases }: Report): boolean {
  return cases.some(({ verdict }) => verdict === 'undecided')
}

/** Why a case did not pass, in one line. */
export function reasonOf({ message, because }: CaseReport): string {
  return because === undefined ? (message ?? '') : `needs ${because}, which did not pass`
}

/** Sections of the specification in the order of their first cases, then the other groups. */
export function sectionsOf(reports: readonly Report[]): string[] {
  const cases = reports.flatMap((report) => report.cases)
  const isOurs = ({ group }: CaseReport) => group === 'specification'
  return [...new Set([...cases.filter(isOurs), ...cases.filter((each) => !isOurs(each))].map(sectionOf))]
}

/** The heading under which a case is shown. Groups other than the specification's have no sections. */
export function sectionOf({ group, section }: CaseReport): string {
  return group === 'specification' ? section : GROUP_NAMES[group]
}

/** The displayed names of groups. */
export const GROUP_NAMES: Readonly<Record<Group, string>> = {
  specification: 'Specification',
  clients: 'Real clients',
  hostile: 'Hostile requests',
  extensions: 'Extensions',
}

function line(text: string, { hideInCut }: Hider): string {
  const shown = printable(hideInCut(text)).replace(/\s+/g, ' ')
  return shown.length > MAX_LINE ? `${shown.slice(0, MAX_LINE)} …`.toWellFormed() : shown
}

function reportCase(result: Result, repetition: RepetitionOptions): CaseReport {
  const { hider } = repetition
  const { id, title, group, level, version, section, sentence } = result.case
  const told: CaseReport = {
    ...{ id, title, group, level, version, section, sentence, verdict: result.verdict },
    milliseconds: Math.round(result.milliseconds),
  }
  if (result.verdict === 'passed') return told
  if (result.verdict === 'skipped') return { ...told, because: result.because }
  const message = line(result.message, hider)
  if (result.verdict === 'unsupported') return { ...told, message }
  const { wanted, got } = result.verdict === 'undecided' ? {} : result
  const exchange = result.exchanges.at(-1)
  const { lines } = repetitionOf(result.exchanges, repetition)
  return {
    ...told,
    message,
    ...(wanted !== undefined && { wanted: line(wanted, hider) }),
    ...(got !== undefined && { got: line(got, hider) }),
    ...(exchange && { exchange: { ...reportExchange(exchange, hider), repeat: lines } }),
  }
}

function reportExchange(
  { request, answer, problem }: Exchange,
  hider: Hider,
): Omit<ExchangeReport, 'repeat'> {
  const sent = request.raw === undefined ? request.body : new TextEncoder().encode(request.raw)
  return {
    request: {
      method: line(request.method, hider),
      url: line(request.url, hider),
      headers: headersOf(Object.entries(request.headers ?? {}), hider),
      ...bodyOf(sent, hider),
    },
    ...(answer && {
      response: {
        status: answer.status,
        headers: headersOf(answer.headers, hider),
        ...bodyOf(answer.body, hider, answer.size),
      },
    }),
    ...(problem !== undefined && { problem: line(problem, hider) }),
  }
}

function headersOf(headers: Iterable<[string, string]>, hider: Hider): Record<string, string> {
  const shown = [...headers].slice(0, MAX_HEADERS).map(([name, value]) => {
    return [line(name, hider), isCredential(name) ? '(not shown)' : line(value, hider)]
  })
  return Object.fromEntries(shown)
}

function bodyOf(body: Uint8Array | undefined, hider: Hider, size = body?.length): { body?: string } {
  return body === undefined || size === undefined || size === 0 ? {} : { body: textOf(body, size, hider) }
}

/** A body as text for people. Secrets are removed before it is cut, otherwise half of one could remain. */
function textOf(body: Uint8Array, size: number, { hide, longest }: Hider): string {
  const text = decodeText(body.subarray(0, MAX_BODY + 4 * longest))
  if (text === undefined) return `(${size} bytes that are not text)`
  const shown = printable(hide(text))
  const rest = size > MAX_BODY ? ` … (${size} bytes in all)` : ''
  return `${shown.slice(0, MAX_BODY)}${rest}`.toWellFormed()
}
