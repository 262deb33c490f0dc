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
  setting('--listen <place>', 'address to listen on: <host>:<port> or unix:<path>').default(DEFAULTS.listen),
  setting('--socket-mode <mode>', 'file mode of the Unix socket, which controls who can connect').default(
    DEFAULTS.socketMode,
  ),
  setting('--data <folder>', 'folder for all data; created if it does not exist').default(DEFAULTS.data),
  setting('--log-level <level>', 'minimum level of log lines to write')
    .choices(LOG_LEVELS)
    .default(DEFAULTS.logLevel),
  new Option(
    '--allow-anonymous',
    `allow anyone to push and delete, also on addresses other than loopback (env: ${ALLOW_ANONYMOUS}=true)`,
  ),
  setting('--tls-cert <file>', 'TLS certificate chain in PEM format; reloaded when it changes'),
  setting('--tls-key <file>', 'private key of the certificate in PEM format; reloaded when it changes'),
  setting(
    '--public-url <url>',
    'URL by which clients reach the registry through a proxy, including its path if it has one',
  ),
  setting(
    '--trusted-proxies <ranges>',
    'proxies whose Forwarded and X-Forwarded-* headers are trusted: addresses, CIDR ranges, unix',
  ).default(DEFAULTS.trustedProxies),
  setting(
    '--allowed-hosts <names>',
    'host names to accept in addition to IP addresses, localhost and the public URL',
  ).default(DEFAULTS.allowedHosts),
  setting('--upload-expiry <time>', 'cancel uploads after being idle for this long, or never').default(
    DEFAULTS.uploadExpiry,
  ),
  setting(
    '--unused-blob-expiry <time>',
    'delete blobs after being unreferenced by manifests for this long, or never',
  ).default(DEFAULTS.unusedBlobExpiry),
  setting('--workers <count>', 'number of threads that serve requests; auto: one per core').default(
    DEFAULTS.workers,
  ),
  setting('--zero-copy <mode>', 'let the kernel send files directly, if the system supports it')
    .choices(ZERO_COPY)
    .default(DEFAULTS.zeroCopy),
  setting(
    '--keep-deleted <time>',
    'how long deleted manifests can be restored; 0: not at all; never: without a limit',
  ).default(DEFAULTS.keepDeleted),
  setting(
    '--keep-history <time>',
    'how long to keep the history of tags and changes; never: without a limit',
  ).default(DEFAULTS.keepHistory),
  setting('--sparse-indexes <mode>', 'whether to accept indexes with missing manifests')
    .choices(SPARSE_INDEXES)
    .default(DEFAULTS.sparseIndexes),
  setting(
    '--max-connections <count>',
    'maximum number of connections; more get a 503; auto: as many as ulimit -n allows',
  ).default(DEFAULTS.maxConnections),
  setting(
    '--low-space <bytes>',
    'remove deleted manifests and unused blobs early while free disk space is below this; off by default',
  ),
  setting(
    '--admin-socket <file>',
    'Unix socket that other commands use to reach the server; default: <data>/admin.sock',
  ),
  setting(
    '--shutdown-delay <time>',
    'on shutdown, how long the readiness probe fails before connections are refused, so that load balancers notice',
  ).default(DEFAULTS.shutdownDelay),
  setting(
    '--drain-timeout <time>',
    'on shutdown, how long to wait for running requests; together with the delay, it must be shorter than the grace period: 30 s in Kubernetes, 10 s in docker',
  ).default(DEFAULTS.drainTimeout),
  new Option(
    '--draft-extensions',
    `also offer extensions that are drafts of the specification and may change (env: ${DRAFT_EXTENSIONS}=true)`,
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
    return new UsageError(
      `${place} is already in use: another program is listening on it; choose another address with --listen`,
    )
  if (code === 'EACCES')
    return new UsageError(`this user cannot listen on ${place}; ports below 1024 require privileges`)
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
    log.fatal({ error }, 'the server is exiting because of an unhandled error')
    void output.flush(FLUSH_MS).then(() => process.exit(UNCAUGHT))
  })
  process.stdout.on('error', (error) => log.warn({ error }, 'the standard output cannot be written to'))
}
