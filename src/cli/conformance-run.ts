import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { Credentials } from '../client/authorization.ts'
import { parseAllowedHost } from '../client/destination.ts'
import type { Group } from '../conformance/case.ts'
import { type Selected, selectCases } from '../conformance/catalog.ts'
import { removeRepositories } from '../conformance/clean-up.ts'
import { formatHtmlReport } from '../conformance/html-report.ts'
import { formatJsonReport } from '../conformance/json-report.ts'
import { formatJunitReport } from '../conformance/junit-report.ts'
import { NotSupported } from '../conformance/outcome.ts'
import { printable } from '../conformance/printable.ts'
import type { Existing, Send } from '../conformance/probe.ts'
import {
  assertRegistry,
  parseRegistryAddress,
  RegistryAddressError,
} from '../conformance/registry-address.ts'
import { type Result, runCases } from '../conformance/run.ts'
import { openHider } from '../conformance/secret.ts'
import { openSession } from '../conformance/session.ts'
import { hasFailures, hasUndecided, makeReport, type Report } from '../conformance/summary.ts'
import { parseDigest } from '../oci/digest.ts'
import { parseRepositoryName, parseTag, type RepositoryName } from '../oci/reference.ts'
import { finishOnBrokenPipe } from './broken-pipe.ts'
import { rawSender } from './conformance-connection.ts'
import { evidenceBody, evidenceFolder, writeEvidence } from './conformance-evidence.ts'
import { ConformanceTerminal } from './conformance-terminal.ts'
import { openTransport } from './conformance-transport.ts'
import { USAGE, UsageError } from './usage-error.ts'

/** The exit code if the program was told to stop, as in shells. */
const INTERRUPTED = 130
/** The exit code if nothing failed, but not everything could be decided. */
const UNDECIDED = 3

/** The options of the command. */
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
  http2?: boolean
  allowHost?: string[]
  evidence?: string
  junit?: string
  json?: string
  html?: string
}

/** Runs the command. @throws UsageError if the request can't be carried out */
export async function runConformance(urls: string[], options: ConformanceOptions): Promise<void> {
  const selected = selectCases({
    specification: options.spec,
    ...(options.only && { only: options.only }),
    ...(options.group && { groups: options.group }),
    readOnly: options.readOnly === true,
  })
  if (selected.asked.size === 0)
    throw new UsageError('no case matches --only or --group; --list shows all cases', USAGE)
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
      // If nothing reads the output, nothing is printed.
      if (signal.aborted && process.exitCode !== undefined) return
      if (signal.aborted)
        throw new UsageError('interrupted; the content that was pushed has been deleted again', INTERRUPTED)
    }
    terminal.tellSummaries(reports)
    await writeReports(reports, options)
    process.exitCode ??= exitCodeOf(reports)
  } catch (error) {
    throw error instanceof RegistryAddressError ? new UsageError(error.message, USAGE) : error
  }
}

function exitCodeOf(reports: readonly Report[]): number {
  if (reports.some(hasFailures)) return 1
  return reports.some(hasUndecided) ? UNDECIDED : 0
}

/** The first interruption lets running cases clean up; a second one doesn't wait for them. */
function stopOnInterrupt(): AbortController {
  const controller = new AbortController()
  process.once('SIGINT', () => {
    controller.abort()
    process.once('SIGINT', () => process.exit(INTERRUPTED))
  })
  finishOnBrokenPipe(() => controller.abort())
  return controller
}

function readOrigins(urls: readonly string[]): string[] {
  if (urls.length === 0) throw new UsageError('the URL of a registry is required', USAGE)
  try {
    return [...new Set(urls.map(parseRegistryAddress))]
  } catch (error) {
    throw new UsageError((error as Error).message, USAGE)
  }
}

function checkOptions(origins: readonly string[], options: ConformanceOptions): void {
  const { user, passwordStdin, readOnly, readTag, readDigest, readBlob, repository } = options
  if ((user === undefined) !== (passwordStdin === undefined))
    throw new UsageError('--user and --password-stdin must be given together', USAGE)
  if (user?.includes(':')) throw new UsageError('--user must not contain a colon', USAGE)
  if (user !== undefined && origins.length > 1)
    throw new UsageError(
      '--user can be used with one registry only, so that its password is not sent to others',
      USAGE,
    )
  if (!readOnly && (readTag ?? readDigest ?? readBlob) !== undefined)
    throw new UsageError('--read-tag, --read-digest and --read-blob require --read-only', USAGE)
  if (readOnly && repository === undefined)
    throw new UsageError('--read-only requires --repository, the repository to read from', USAGE)
  if (repository !== undefined && parseRepositoryName(repository) === undefined)
    throw new UsageError(`${JSON.stringify(repository)} is not a valid repository name`, USAGE)
  if (readTag !== undefined && parseTag(readTag) === undefined)
    throw new UsageError(`${JSON.stringify(readTag)} is not a valid tag`, USAGE)
  for (const host of options.allowHost ?? [])
    if (parseAllowedHost(host) === undefined)
      throw new UsageError(`${JSON.stringify(host)} is not a host, or host:port`, USAGE)
  for (const digest of [readDigest, readBlob])
    if (digest !== undefined && parseDigest(digest) === undefined)
      throw new UsageError(`${JSON.stringify(digest)} is not a valid digest`, USAGE)
}

async function readCredentials({ user }: ConformanceOptions): Promise<Credentials | undefined> {
  if (user === undefined) return undefined
  return { user, password: (await text(process.stdin)).replace(/\r?\n$/, '') }
}

interface Session {
  origin: string
  send: Send
  secrets: Set<string>
  tokenEndpoints: Set<string>
  hasCredentials: boolean
}

async function openChecked(
  origin: string,
  credentials: Credentials | undefined,
  {
    readOnly = false,
    http2 = false,
    allowHost = [],
  }: Pick<ConformanceOptions, 'http2' | 'allowHost'> & { readOnly?: boolean },
): Promise<Session> {
  const secrets = new Set<string>()
  const tokenEndpoints = new Set<string>()
  const send = openSession(origin, {
    ...(credentials && { credentials }),
    fetch: openTransport({ http2 }),
    allowedHosts: allowHost.map((host) => parseAllowedHost(host) ?? ''),
    onSecret: (secret) => void secrets.add(secret),
    onTokenEndpoint: (endpoint) => void tokenEndpoints.add(endpoint),
  })
  await assertRegistry(origin, send, { needsRight: !readOnly || credentials !== undefined }).catch(
    (error: Error) => {
      const { hideInCut } = openHider([...secrets])
      throw error instanceof RegistryAddressError
        ? new RegistryAddressError(printable(hideInCut(error.message)))
        : error
    },
  )
  return { origin, send, secrets, tokenEndpoints, hasCredentials: credentials !== undefined }
}

interface Test {
  options: ConformanceOptions
  selected: Selected
  terminal: ConformanceTerminal
  signal: AbortSignal
}

async function test(session: Session, { options, selected, terminal, signal }: Test): Promise<Report> {
  const { origin, send, tokenEndpoints, hasCredentials } = session
  const { repository = 'conformance', concurrency } = options
  const existing = existingOf(options)
  // The name is different in each run. It has two components, since some registries do not allow more.
  const prefix = `${repository}/${randomBytes(4).toString('hex')}`
  const left: string[] = []
  const repositories = new Set<RepositoryName>()
  const reportOf = reporter(session, { options, selected })
  terminal.begin(origin, selected.cases.length)
  const results = await runCases(selected.cases, {
    origin,
    send: existing === undefined ? send : onlyReading(send),
    ...(existing === undefined && { sendRaw: rawSender(origin) }),
    repository: prefix,
    concurrency,
    signal,
    ...(existing && { existing }),
    onResult(result) {
      if (!signal.aborted) terminal.step(result.case, reportOf([result]).cases[0])
    },
    onLeftBehind: ({ target }) => void left.push(target),
    onRepository: (name) => void repositories.add(name),
  })
  const kept = await removeRepositories(repositories, send)
  const report = reportOf(results)
  if (signal.aborted) return report
  terminal.end(report, { leftBehind: left.length, kept, prefix })
  terminal.tellTokenEndpoints({ ...report, tokenEndpoints: [...tokenEndpoints] }, hasCredentials)
  await keepEvidence(session, { options, results })
  return report
}

/** Makes reports of the requested cases, and of the cases that these needed and that did not pass. */
function reporter(
  { origin, secrets, tokenEndpoints }: Session,
  { options, selected }: Pick<Test, 'options' | 'selected'>,
): (results: readonly Result[]) => Report {
  const started = new Date()
  const before = performance.now()
  const asked = ({ case: { id }, verdict }: Result) => selected.asked.has(id) || verdict !== 'passed'
  const { evidence } = options
  const folder = evidence === undefined ? undefined : evidenceFolder(evidence, origin)
  return (results) =>
    makeReport({
      registry: origin,
      specification: options.spec,
      started,
      milliseconds: performance.now() - before,
      results: results.filter(asked),
      secrets: [...secrets],
      tokenEndpoints: [...tokenEndpoints],
      repetition: (id) => ({
        ...repetitionOptions(options),
        ...(folder !== undefined && { bodyFile: (index) => evidenceBody(folder, id, index) }),
      }),
    })
}

function repetitionOptions({ http2 = false }: ConformanceOptions) {
  return { http2, hasOwnAuthorities: process.env.NODE_EXTRA_CA_CERTS !== undefined }
}

async function keepEvidence(
  { origin, secrets }: Session,
  { options, results }: { options: ConformanceOptions; results: readonly Result[] },
): Promise<void> {
  if (options.evidence === undefined) return
  const folder = evidenceFolder(options.evidence, origin)
  const how = { ...repetitionOptions(options), origin, secrets: [...secrets] }
  await writeEvidence(folder, results, how).catch((error: Error) => {
    throw new UsageError(`the evidence cannot be written: ${error.message}`, USAGE)
  })
}

/** Refuses to send anything but reads, regardless of what a case declares. */
function onlyReading(send: Send): Send {
  return async (request) => {
    if (request.method === 'GET' || request.method === 'HEAD') return await send(request)
    throw new NotSupported(`--read-only does not send ${request.method} requests`)
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
