import { Command, Option } from 'commander'
import type { Logger } from 'pino'
import {
  type Config,
  DEFAULTS,
  LOG_LEVELS,
  parseConfig,
  type Settings,
  SPARSE_INDEXES,
  ZERO_COPY,
} from '../config.ts'
import { createLog, logWarnings } from '../log.ts'
import { LogOutput } from '../log-output.ts'
import { type ListenError, type StowageServer, startServer } from '../server.ts'
import { RunningServer } from './running-server.ts'
import { takeServiceManager } from './service-manager.ts'
import { handleSignals } from './signals.ts'
import { UsageError } from './usage-error.ts'
import { readVersion } from './version.ts'

/** Read here, since from the environment the parser would take any value of a switch for yes. */
const ALLOW_ANONYMOUS = 'STOWAGE_ALLOW_ANONYMOUS'
const STANDARD_ERROR = 2
const FLUSH_MS = 1_000
/** As Node exits after an exception that nobody caught. */
const UNCAUGHT = 7
const DRAFT_EXTENSIONS = 'STOWAGE_DRAFT_EXTENSIONS'

/** In the order of the help. */
const SETTINGS: readonly Option[] = [
  setting('--listen <place>', 'where to listen: <host>:<port>, or unix:<path> for a Unix socket').default(
    DEFAULTS.listen,
  ),
  setting('--socket-mode <mode>', 'who may connect to the Unix socket: the mode of its file').default(
    DEFAULTS.socketMode,
  ),
  setting('--data <folder>', 'folder that holds everything; made if absent').default(DEFAULTS.data),
  setting('--log-level <level>', 'least level to log').choices(LOG_LEVELS).default(DEFAULTS.logLevel),
  new Option(
    '--allow-anonymous',
    `let anybody who reaches an address other than loopback push and delete (env: ${ALLOW_ANONYMOUS}=true)`,
  ),
  setting('--tls-cert <file>', 'certificate chain in PEM; read again when it changes'),
  setting('--tls-key <file>', 'key of the certificate in PEM; read again when it changes'),
  setting('--public-url <url>', 'how clients reach the registry through a proxy, with a path if it has one'),
  setting(
    '--trusted-proxies <ranges>',
    'proxies whose Forwarded and X-Forwarded-* headers count: addresses, CIDR ranges, unix',
  ).default(DEFAULTS.trustedProxies),
  setting(
    '--allowed-hosts <names>',
    'names that clients call the registry by, beside addresses, localhost and the public URL',
  ).default(DEFAULTS.allowedHosts),
  setting('--upload-expiry <time>', 'end uploads idle for so long, or never').default(DEFAULTS.uploadExpiry),
  setting(
    '--unused-blob-expiry <time>',
    'delete blobs that no manifest has named for so long, or never',
  ).default(DEFAULTS.unusedBlobExpiry),
  setting('--workers <count>', 'threads that answer requests; auto: one for each core').default(
    DEFAULTS.workers,
  ),
  setting('--zero-copy <mode>', 'send files without reading them, where the system offers that')
    .choices(ZERO_COPY)
    .default(DEFAULTS.zeroCopy),
  setting(
    '--keep-deleted <time>',
    'keep deleted manifests for an undelete for so long; 0: not; never: for good',
  ).default(DEFAULTS.keepDeleted),
  setting(
    '--keep-history <time>',
    'keep the history of tags and changes for so long; never: for good',
  ).default(DEFAULTS.keepHistory),
  setting('--sparse-indexes <mode>', 'take indexes whose manifests are not all there, or refuse them')
    .choices(SPARSE_INDEXES)
    .default(DEFAULTS.sparseIndexes),
  setting(
    '--max-connections <count>',
    'refuse connections beyond this many with 503; auto: what ulimit -n allows',
  ).default(DEFAULTS.maxConnections),
  setting(
    '--low-space <bytes>',
    'let deleted manifests and unused blobs go early while less is free; off if absent',
  ),
  setting(
    '--admin-socket <file>',
    'Unix socket by which other commands reach the server; <data>/admin.sock if absent',
  ),
  setting(
    '--shutdown-delay <time>',
    'at a stop, let the readiness probe fail for so long before connections are refused, so that a load balancer notices',
  ).default(DEFAULTS.shutdownDelay),
  setting(
    '--drain-timeout <time>',
    'at a stop, let running requests finish for so long, then cut them; with the delay it must stay below what the system grants: Kubernetes 30 s, docker 10 s',
  ).default(DEFAULTS.drainTimeout),
  new Option(
    '--draft-extensions',
    `answer drafts of the specification as well, which may change (env: ${DRAFT_EXTENSIONS}=true)`,
  ),
  new Option('--port <port>').hideHelp().argParser(refusePort),
]

/** `stowage serve`: runs a registry until it is told to stop. */
export function serveCommand(): Command {
  const command = new Command('serve').description('run a registry')
  for (const option of SETTINGS) command.addOption(option)
  return command.action(serve)
}

/** Many other servers have it. */
function refusePort(port: string): never {
  throw new UsageError(
    `there is no --port; --listen takes the address and the port together: --listen 127.0.0.1:${port}`,
  )
}

/** Each flag can also be given as STOWAGE_ and its name. */
function setting(flags: string, description: string): Option {
  const option = new Option(flags, description)
  return option.env(`STOWAGE_${option.name().toUpperCase().replaceAll('-', '_')}`)
}

async function serve(options: Record<string, string | boolean>): Promise<void> {
  const settings = {
    ...DEFAULTS,
    ...options,
    allowAnonymous: isOn(options.allowAnonymous, ALLOW_ANONYMOUS),
    draftExtensions: isOn(options.draftExtensions, DRAFT_EXTENSIONS),
  } as Settings
  const config = parseConfig(settings)
  // Whatever makes files for the data folder, only its owner may read them.
  process.umask(0o077)
  const output = new LogOutput(STANDARD_ERROR)
  const log = createLog(config, output)
  logWarnings(log)
  endWithLog(log, output)
  const manager = await takeServiceManager(process.env, log)
  const running = new RunningServer(log, output, manager)
  handleSignals(running)
  const server = await startServer(config, { log, output, inherited: manager.sockets }).catch(
    (error: unknown) => {
      throw listenProblem(error, config)
    },
  )
  const facts = {
    version: readVersion(),
    address: server.urls.join(', '),
    folder: config.data,
    settings: changed(settings),
  }
  running.started(server, facts)
  greet(server, config)
}

/** The settings that are not as they are by default. */
function changed(settings: Settings): Partial<Settings> {
  const defaults: Partial<Settings> = DEFAULTS
  const names = Object.keys(settings) as (keyof Settings)[]
  return Object.fromEntries(
    names.filter((name) => settings[name] !== defaults[name]).map((name) => [name, settings[name]]),
  )
}

function isOn(flag: string | boolean | undefined, variable: string): boolean {
  const text = (process.env[variable] ?? '').toLowerCase()
  if (flag === true || ['true', '1', 'yes', 'on'].includes(text)) return true
  if (['false', '0', 'no', 'off', ''].includes(text)) return false
  throw new UsageError(`${variable} must be true or false`)
}

function listenProblem(error: unknown, { listen }: Config): unknown {
  return 'host' in listen ? addressProblem(error, listen) : error
}

function addressProblem(error: unknown, listen: { host: string; port: number }): unknown {
  // A name can stand for several addresses; the error tells which it was.
  const { code, syscall, address = listen.host, port = listen.port } = error as ListenError
  const place = `${address.includes(':') ? `[${address}]` : address}:${port}`
  if (code === 'ENOTFOUND') return new UsageError(`${listen.host} is not an address of this machine`)
  if (syscall !== 'listen') return error
  if (code === 'EADDRINUSE')
    return new UsageError(`${place} is taken: another program listens there; choose another with --listen`)
  if (code === 'EACCES')
    return new UsageError(`this user may not listen on ${place}; ports below 1024 need a privilege`)
  return new UsageError(`${address} is not an address of this machine: ${code}`)
}

function greet({ url, urls, threads, hasZeroCopy }: StowageServer, { data }: Config): void {
  const lines = [
    ...urls.map((each) => `Stowage listens on ${each}`),
    `Data is in ${data}`,
    `Answered by ${threads === 1 ? 'one thread' : `${threads} threads`}; files are sent ${hasZeroCopy ? 'by the kernel' : 'by reading them'}`,
    invitation(url),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

function invitation(url: string): string {
  const [, path] = /^unix:(.*)$/.exec(url) ?? []
  if (path !== undefined) return `Ask it:  curl --unix-socket ${path} http://localhost/v2/`
  // What listens everywhere is pushed to here.
  const host = new URL(url).host.replace(/^(?:0\.0\.0\.0|\[::\]):/, '127.0.0.1:')
  return `Push an image:  docker tag alpine ${host}/alpine && docker push ${host}/alpine`
}

/** An exception that nobody caught ends the process, after the log has said so. A greeting that cannot be written ends nothing. */
function endWithLog(log: Logger, output: LogOutput): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ error }, 'an error that nobody handled ends the server')
    void output.flush(FLUSH_MS).then(() => process.exit(UNCAUGHT))
  })
  process.stdout.on('error', (error) => log.warn({ error }, 'the standard output cannot be written to'))
}
