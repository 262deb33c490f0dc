import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander'
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
import { UsageError } from './usage-error.ts'

/** What the program ends with if it was told to stop, as shells have it. */
const INTERRUPTED = 130
/** What the program ends with if it was asked for something that can't be done: 1 says that a registry failed. */
const USAGE = 2
const GROUPS: readonly Group[] = ['specification', 'clients', 'hostile', 'extensions']

interface Options {
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

/** `stowage conformance`: holds registries to the specification. */
export function conformanceCommand(): Command {
  return new Command('conformance')
    .description('test whether registries do what the OCI Distribution Specification says')
    .argument('[url...]', 'registries: URLs, or host:port, which is http on this machine and else https')
    .addOption(
      new Option('--spec <version>', 'dev adds what is merged and not released')
        .choices(['1.1', 'dev'])
        .default('1.1'),
    )
    .option('--user <name>', 'user to log in as, with --password-stdin; for one registry')
    .option('--password-stdin', 'read the password or token from standard input')
    .option('--repository <prefix>', 'what names of repositories begin with (default: "conformance")')
    .option('--only <case>', 'run this case, by id or pattern; can be given again', gather)
    .addOption(
      new Option('--group <name>', 'run only this group of cases; can be given again').argParser(gatherGroup),
    )
    .option('--read-only', 'change nothing: read what --repository has')
    .option('--read-tag <tag>', 'with --read-only: a tag to read')
    .option('--read-digest <digest>', 'with --read-only: a manifest to read')
    .option('--read-blob <digest>', 'with --read-only: a blob to read')
    .option('--list', 'list the cases and run none')
    .option('--concurrency <count>', 'cases at once', parseCount, 4)
    .option('--junit <file>', 'write a report as JUnit XML')
    .option('--json <file>', 'write a report as JSON')
    .option(
      '--html <file>',
      'write a report as one page of HTML, which compares if there are several registries',
    )
    .addHelpText('after', '\nEnds with 1 if a MUST is broken, 2 if it could not test.')
    .exitOverride((error) => exitAfter(error))
    .action(conformance)
}

/** The parser has told by now what is wrong. */
function exitAfter({ exitCode }: CommanderError): never {
  process.exit(exitCode === 0 ? 0 : USAGE)
}

function gather(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function gatherGroup(value: string, before: Group[] = []): Group[] {
  const found = GROUPS.find((group) => group === value)
  if (found === undefined) throw new InvalidArgumentError(`Groups are ${GROUPS.join(', ')}.`)
  return [...before, found]
}

function parseCount(value: string): number {
  const count = Number(value)
  if (!/^\d+$/.test(value) || count < 1 || count > 64) throw new InvalidArgumentError('It is 1 to 64.')
  return count
}

async function conformance(urls: string[], options: Options): Promise<void> {
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

function checkOptions(origins: readonly string[], options: Options): void {
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

async function readCredentials({ user }: Options): Promise<Credentials | undefined> {
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
  options: Options
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

function existingOf(options: Options): Existing | undefined {
  const { readOnly, repository, readTag, readDigest, readBlob } = options
  if (!readOnly || repository === undefined) return undefined
  return {
    repository,
    ...(readTag !== undefined && { tag: readTag }),
    ...(readDigest !== undefined && { digest: readDigest }),
    ...(readBlob !== undefined && { blob: readBlob }),
  }
}

async function writeReports(reports: readonly Report[], { junit, json, html }: Options): Promise<void> {
  try {
    if (junit !== undefined) await writeFile(junit, formatJunitReport(reports))
    if (json !== undefined) await writeFile(json, formatJsonReport(reports))
    if (html !== undefined) await writeFile(html, await formatHtmlReport(reports))
  } catch (error) {
    throw new UsageError(`a report cannot be written: ${(error as Error).message}`, USAGE)
  }
}
