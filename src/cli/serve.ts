import { Command, Option } from 'commander'
import type { Logger } from 'pino'
import { type Config, DEFAULTS, type Settings } from '../config.ts'
import { createLog, logWarnings } from '../server/log.ts'
import { LogOutput } from '../server/log-output.ts'
import { type ListenError, type StowageServer, startServer } from '../server/server.ts'
import { SETTING_NAMES } from '../settings/table.ts'
import { RunningServer } from './running-server.ts'
import { takeServiceManager } from './service-manager.ts'
import { configOption, settingOption } from './setting-option.ts'
import { SettingReload } from './setting-reload.ts'
import { configFileOf, readSettings, type SettingFaults } from './setting-sources.ts'
import { handleSignals } from './signals.ts'
import { UsageError } from './usage-error.ts'
import { readVersion } from './version.ts'

const STANDARD_ERROR = 2
const FLUSH_MS = 1_000
/** The exit code of Node after an uncaught exception. */
const UNCAUGHT = 7

/** `stowage serve`: runs a registry until it is told to stop. */
export function serveCommand(): Command {
  const command = new Command('serve').description('run a registry')
  command.addOption(configOption())
  for (const name of SETTING_NAMES) command.addOption(settingOption(name))
  return command.addOption(new Option('--port <port>').hideHelp().argParser(refusePort)).action(serve)
}

/** Many other servers have this option. */
function refusePort(port: string): never {
  throw new UsageError(
    `there is no --port; --listen takes the address and the port together: --listen 127.0.0.1:${port}`,
  )
}

async function serve(flags: Record<string, unknown>): Promise<void> {
  const sources = { flags, environment: process.env }
  const read = await readSettings(sources)
  if ('faults' in read) throw new UsageError(describeFaults(read, configFileOf(sources)))
  const { config, settings } = read
  // Only the owner may read the files of the data folder, regardless of which code makes them.
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
  const configure = (changed: Config) => server.configure(changed)
  running.started(server, facts, new SettingReload({ sources, settings, log, configure }))
  greet(server, config)
}

/** In one line. */
function describeFaults({ faults: [first, ...others] }: SettingFaults, file: string | undefined): string {
  if (others.length === 0 || file === undefined) return `${first}`
  return `${first} (and ${others.length} more; see: stowage config check ${file})`
}

/** The settings that differ from their defaults. */
function changed(settings: Settings): Settings {
  const names = SETTING_NAMES.filter((name) => settings[name] !== DEFAULTS[name])
  return Object.fromEntries(names.map((name) => [name, settings[name]]))
}

function listenProblem(error: unknown, { listen }: Config): unknown {
  return 'host' in listen ? addressProblem(error, listen) : error
}

function addressProblem(error: unknown, listen: { host: string; port: number }): unknown {
  // A name can resolve to several addresses; the error contains the one that failed.
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
  // If the server listens on all addresses, show the loopback address.
  const host = new URL(url).host.replace(/^(?:0\.0\.0\.0|\[::\]):/, '127.0.0.1:')
  return `Push an image:  docker tag alpine ${host}/alpine && docker push ${host}/alpine`
}

/** An uncaught exception is logged and then ends the process. A greeting that cannot be written does not end it. */
function endWithLog(log: Logger, output: LogOutput): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ error }, 'the server is exiting because of an unhandled error')
    void output.flush(FLUSH_MS).then(() => process.exit(UNCAUGHT))
  })
  process.stdout.on('error', (error) => log.warn({ error }, 'the standard output cannot be written to'))
}
