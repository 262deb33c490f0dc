import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { Credentials } from '../conformance/authorization.ts'
import { type Group, NotSupported } from '../conformance/case.ts'
import { type Selected, selectCases } from '../conformance/catalog.ts'
import { formatHtmlReport } from '../conformance/html-report.ts'
import { formatJsonReport } from '../conformance/json-report.ts'
import { formatJunitReport } from '../conformance/junit-report.ts'
import type { Existing, Send } from '../conformance/probe.ts'
import {
  assertRegistry,
  parseRegistryAddress,
  RegistryAddressError,
} from '../conformance/registry-address.ts'
import { type Result, runCases } from '../conformance/run.ts'
import { openSession } from '../conformance/session.ts'
import { hasFailures, makeReport, type Report } from '../conformance/summary.ts'
import { parseDigest } from '../oci/digest.ts'
import { parseRepositoryName, parseTag } from '../oci/reference.ts'
import { ConformanceTerminal } from './conformance-terminal.ts'
import { USAGE, UsageError } from './usage-error.ts'

/** What the program ends with if it was told to stop, as shells have it. */
const INTERRUPTED = 130

/** What was asked for. */
export interface ConformanceOptions {
  spec: '1.1' | 'dev'
  user?: string
  passwordStdin?: true
  repository?: string
  only?: string[]
  group?: Group[]
  readOnly?: true
  readTag?: string
  readDigest?: string
  readBlob?: string
  list?: true
  concurrency: number
  junit?: string
  json?: string
  html?: string
}

/** Runs the command. @throws UsageError if it was asked for something that can't be done */
export async function runConformance(urls: string[], options: ConformanceOptions): Promise<void> {
  const selected = selectCases({
    specification: options.spec,
    ...(options.only && { only: options.only }),
    ...(options.group && { groups: options.group }),
    readOnly: options.readOnly === true,
  })
  if (selected.asked.size === 0) throw new UsageError('no case is called so; --list tells them all', USAGE)
  const terminal = new ConformanceTerminal()
  if (options.list) return terminal.list(selected.cases.filter(({ id }) => selected.asked.has(id)))
  const origins = readOrigins(urls)
  checkOptions(origins, options)
  const credentials = await readCredentials(options)
  try {
    const sessions = await Promise.all(origins.map((origin) => openChecked(origin, credentials, options)))
    const reports: Report[] = []
    const { signal } = stopOnInterrupt()
    for (const session of sessions) {
      reports.push(await test(session, { options, selected, terminal, signal }))
      if (signal.aborted) throw new UsageError('stopped; what was pushed is deleted again', INTERRUPTED)
    }
    terminal.tellSummaries(reports)
    await writeReports(reports, options)
    process.exitCode = reports.some(hasFailures) ? 1 : 0
  } catch (error) {
    throw error instanceof RegistryAddressError ? new UsageError(error.message, USAGE) : error
  }
}

/** The first interruption lets running cases clean up; a second one doesn't wait for them. */
function stopOnInterrupt(): AbortController {
  const controller = new AbortController()
  process.once('SIGINT', () => {
    controller.abort()
    process.once('SIGINT', () => process.exit(INTERRUPTED))
  })
  return controller
}

function readOrigins(urls: readonly string[]): string[] {
  if (urls.length === 0) throw new UsageError('give the URL of a registry', USAGE)
  try {
    return [...new Set(urls.map(parseRegistryAddress))]
  } catch (error) {
    throw new UsageError((error as Error).message, USAGE)
  }
}

function checkOptions(origins: readonly string[], options: ConformanceOptions): void {
  const { user, passwordStdin, readOnly, readTag, readDigest, readBlob, repository } = options
  if ((user === undefined) !== (passwordStdin === undefined))
    throw new UsageError('--user and --password-stdin belong together', USAGE)
  if (user?.includes(':')) throw new UsageError('the name of a user has no colon', USAGE)
  if (user !== undefined && origins.length > 1)
    throw new UsageError('--user is for one registry: its password is shown to no other', USAGE)
  if (!readOnly && (readTag ?? readDigest ?? readBlob) !== undefined)
    throw new UsageError('--read-tag, --read-digest and --read-blob need --read-only', USAGE)
  if (readOnly && repository === undefined)
    throw new UsageError('--read-only needs --repository, the one to read in', USAGE)
  if (repository !== undefined && parseRepositoryName(repository) === undefined)
    throw new UsageError(`${JSON.stringify(repository)} is no name of a repository`, USAGE)
  if (readTag !== undefined && parseTag(readTag) === undefined)
    throw new UsageError(`${JSON.stringify(readTag)} is no tag`, USAGE)
  for (const digest of [readDigest, readBlob])
    if (digest !== undefined && parseDigest(digest) === undefined)
      throw new UsageError(`${JSON.stringify(digest)} is no digest`, USAGE)
}

async function readCredentials({ user }: ConformanceOptions): Promise<Credentials | undefined> {
  if (user === undefined) return undefined
  return { user, password: (await text(process.stdin)).replace(/\r?\n$/, '') }
}

interface Session {
  origin: string
  send: Send
  secrets: Set<string>
}

async function openChecked(
  origin: string,
  credentials: Credentials | undefined,
  { readOnly = false }: { readOnly?: boolean },
): Promise<Session> {
  const secrets = new Set<string>()
  const send = openSession(origin, {
    ...(credentials && { credentials }),
    onSecret: (secret) => void secrets.add(secret),
  })
  await assertRegistry(origin, send, { needsRight: !readOnly || credentials !== undefined })
  return { origin, send, secrets }
}

interface Test {
  options: ConformanceOptions
  selected: Selected
  terminal: ConformanceTerminal
  signal: AbortSignal
}

async function test(
  { origin, send, secrets }: Session,
  { options, selected, terminal, signal }: Test,
): Promise<Report> {
  const { repository = 'conformance', concurrency, spec: specification } = options
  const existing = existingOf(options)
  // No two runs meet; two components, as some registries have no more.
  const prefix = `${repository}/${randomBytes(4).toString('hex')}`
  const started = new Date()
  const before = performance.now()
  const left: string[] = []
  const asked = ({ case: { id }, verdict }: Result) => selected.asked.has(id) || verdict !== 'passed'
  const reportOf = (results: readonly Result[]) =>
    makeReport({
      registry: origin,
      specification,
      started,
      milliseconds: performance.now() - before,
      results: results.filter(asked),
      secrets: [...secrets],
    })
  terminal.begin(origin, selected.cases.length)
  const results = await runCases(selected.cases, {
    origin,
    send: existing === undefined ? send : onlyReading(send),
    repository: prefix,
    concurrency,
    signal,
    ...(existing && { existing }),
    onResult(result) {
      if (!signal.aborted) terminal.step(result.case, reportOf([result]).cases[0])
    },
    onLeftBehind: ({ target }) => void left.push(target),
  })
  const report = reportOf(results)
  if (!signal.aborted) terminal.end(report, { leftBehind: left.length, prefix })
  return report
}

/** Whatever a case says of itself: nothing is changed where nothing may be. */
function onlyReading(send: Send): Send {
  return async (request) => {
    if (request.method === 'GET' || request.method === 'HEAD') return await send(request)
    throw new NotSupported(`--read-only sends no ${request.method}`)
  }
}

function existingOf(options: ConformanceOptions): Existing | undefined {
  const { readOnly, repository, readTag, readDigest, readBlob } = options
  if (!readOnly || repository === undefined) return undefined
  return {
    repository,
    ...(readTag !== undefined && { tag: readTag }),
    ...(readDigest !== undefined && { digest: readDigest }),
    ...(readBlob !== undefined && { blob: readBlob }),
  }
}

async function writeReports(
  reports: readonly Report[],
  { junit, json, html }: ConformanceOptions,
): Promise<void> {
  try {
    if (junit !== undefined) await writeFile(junit, formatJunitReport(reports))
    if (json !== undefined) await writeFile(json, formatJsonReport(reports))
    if (html !== undefined) await writeFile(html, await formatHtmlReport(reports))
  } catch (error) {
    throw new UsageError(`a report cannot be written: ${(error as Error).message}`, USAGE)
  }
}
