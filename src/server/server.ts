import type { Logger } from 'pino'
import { type Config, ConfigError } from '../config.ts'
import type { AcceptedConnection, Listener } from '../http/listener.ts'
import type { TlsFiles } from '../http/node.ts'
import { readTlsFiles, type TlsPaths } from '../http/tls-files.ts'
import { openAdoption } from '../http/unix-connection.ts'
import { LossCounters } from '../registry/blob-presence.ts'
import type { LocalRegistry } from '../registry/registry.ts'
import { openStores } from '../stores/open-stores.ts'
import type { Stores } from '../stores/stores.ts'
import { openAdministration } from './administration.ts'
import { CurrentConfig } from './current-config.ts'
import { HealthMonitor } from './health.ts'
import { type Housekeeping, makeHousekeeping } from './housekeeping.ts'
import { openListening } from './listening.ts'
import type { LogOutput } from './log-output.ts'
import { type Metering, openMetering } from './metering.ts'
import type { Metrics } from './metrics.ts'
import { openRequestServer } from './request-server.ts'
import { shutDown } from './shutdown.ts'
import type { ThreadCounters } from './thread-counters.ts'
import { threadRegistry } from './thread-registry.ts'
import { WorkerPool } from './worker-pool.ts'
import type { ShareableStores } from './worker-slot.ts'

export type { ListenError } from '../http/listener.ts'

/** A running server. */
export interface StowageServer {
  /** Where it listens, such as `http://127.0.0.1:5000` or `unix:/run/stowage/stowage.sock`; the first of {@link urls}. */
  readonly url: string
  /** All addresses on which it listens. Several sockets may have been passed to the process. */
  readonly urls: readonly string[]
  /** How many threads answer requests. */
  readonly threads: number
  /** Whether the kernel sends files directly. */
  readonly hasZeroCopy: boolean
  /**
   * Resolves once every request thread and the thread that writes the metadata have answered. Does not resolve while one of them hangs.
   *
   * @throws if the writing thread died and has not been replaced yet
   */
  answers(): Promise<void>
  /** Reads the certificate and its key again. */
  reload(): Promise<void>
  /**
   * Changes settings. Those that cannot change while a server runs stay as they are, whatever `config` says about them. The level of the log
   * is changed for the workers; the log of this thread belongs to the caller.
   *
   * @returns resolves once every thread uses them
   */
  configure(config: Config): Promise<void>
  /**
   * Stops in steps and logs each of them. First the readiness probe fails for the time of `--shutdown-delay`. Then no new connection is
   * accepted, and idle connections and endless answers end. Running requests may finish within `--drain-timeout`, then they are cut.
   * Resolves when everything is released, or a few seconds after the cut if something hangs.
   *
   * @returns whether everything was released; if not, an ordinary exit of the process may have to wait for the part that hangs
   */
  close(): Promise<boolean>
}

/** The threads that answer requests: workers, or this thread alone. */
interface RequestThreads {
  readonly count: number
  readonly hasZeroCopy: boolean
  /** Resolves once every one of them has answered. */
  answers(): Promise<void>
  connectionCount(): number
  take(connection: AcceptedConnection, options?: { isExcess: boolean }): void
  setTls(files: TlsFiles): void
  configure(config: Config): Promise<void>
  withdraw(): void
  close(): Promise<void>
  cut(): void
}

/** What the threads are started with. The registry is the one of this thread. */
interface ServerContext {
  current: CurrentConfig
  stores: Stores
  registry: LocalRegistry
  losses: LossCounters
  health: HealthMonitor
  tls: TlsFiles | undefined
  listener: Listener
  /** Runs a job soon. */
  ask(job: string): void
  /** Absent if nothing is measured. */
  metrics: Metrics | undefined
  /** Of this thread. */
  counters: ThreadCounters | undefined
}

/**
 * Starts a server with worker threads that answer requests. This thread replaces workers that die.
 *
 * @param inherited descriptors of listening sockets that were passed to this process; if there are any, they are used instead of `--listen`
 * @throws ConfigError if the TLS files, the Unix socket or an inherited one can't be used, StoresError, or the error of listening, such as EADDRINUSE
 */
export async function startServer(
  config: Config,
  { log, output, inherited = [] }: { log: Logger; output: LogOutput; inherited?: readonly number[] },
): Promise<StowageServer> {
  return await start({ config, log, output, inherited, open: openStores }, async (context) => {
    const { stores, losses, health, tls, listener, ask, metrics } = context
    if (!isShareable(stores)) return await serveInThisThread({ log, output }, context)
    const workerContext = { config, stores, losses, health, log, logOutput: output, tls, ask, metrics }
    if (listener.socketFiles.length === 0 || (await openAdoption()) !== undefined)
      return await WorkerPool.start(workerContext, config.workers)
    log.warn('this Node.js cannot hand connections of Unix sockets to other threads; one thread answers all')
    return await serveInThisThread({ log, output }, context)
  })
}

function isShareable(stores: Stores): stores is Stores & ShareableStores {
  return stores.share !== undefined
}

/**
 * Starts a server that answers requests on this thread, for programs that embed a registry.
 *
 * @param open opens the stores; if absent, those that the settings name
 * @throws as startServer
 */
export async function startServerInThisThread(
  config: Config,
  log: Logger,
  { open = openStores }: { open?: typeof openStores } = {},
): Promise<StowageServer> {
  return await start({ config, log, inherited: [], open }, (context) => serveInThisThread({ log }, context))
}

async function serveInThisThread(
  { log, output }: { log: Logger; output?: LogOutput },
  { current, stores, registry, health, tls, metrics, counters }: ServerContext,
): Promise<RequestThreads> {
  const checkHealth = () => health.check()
  const readMetrics = metrics && (() => metrics.text())
  const measured = { counters, readMetrics }
  const options = { current, registry, log, stores, checkHealth, ...measured, ...(output && { output }) }
  const server = await openRequestServer(options, tls)
  // The caller is on the same thread, and shares its settings.
  return { ...server, count: 1, answers: async () => {}, configure: async () => {} }
}

/** What a server is started with. */
interface ServerStart {
  config: Config
  log: Logger
  /** What the log is written with, if the server writes it itself. */
  output?: LogOutput
  inherited: readonly number[]
  open: typeof openStores
}

async function start(
  { config, log, output, inherited, open }: ServerStart,
  openThreads: (context: ServerContext) => Promise<RequestThreads>,
): Promise<StowageServer> {
  const tlsPaths = tlsPathsOf(config)
  const tls = tlsPaths && (await readTlsFiles(tlsPaths).catch(refuseTls))
  // The server listens before it opens the stores, which must stay as they were if the address is in use.
  const { listener, urls } = await openListening(config, { inherited, log })
  const current = new CurrentConfig(config)
  let metering: Metering | undefined
  try {
    metering = await openMetering(config, log, () => output?.dropped ?? 0)
    const { threads, answers, reload, close } = await openOver(
      { current, log, open, tlsPaths, tls, listener, metrics: metering?.metrics },
      openThreads,
    )
    listener.deliverTo((connection) => {
      threads.take(connection, { isExcess: threads.connectionCount() >= current.value.maxConnections })
    })
    return {
      url: urls[0] ?? '',
      urls,
      threads: threads.count,
      hasZeroCopy: threads.hasZeroCopy,
      answers,
      reload,
      async configure(changed) {
        current.change(changed)
        await threads.configure(current.value)
      },
      async close() {
        const stoppable = {
          connectionCount: () => threads.connectionCount(),
          withdraw: () => threads.withdraw(),
          refuse: () => listener.close(),
          close,
          cut: () => threads.cut(),
        }
        const isReleased = await shutDown(stoppable, current.value, log)
        metering?.close()
        return isReleased
      },
    }
  } catch (error) {
    metering?.close()
    listener.close()
    throw error
  }
}

/** What a server is opened with. */
interface OpeningContext
  extends Pick<ServerStart, 'log' | 'open'>,
    Pick<ServerContext, 'current' | 'tls' | 'listener' | 'metrics'> {
  tlsPaths: TlsPaths | undefined
}

/** Opens the stores, and starts the threads that answer requests from them. */
async function openOver(
  { current, log, open, tlsPaths, tls, listener, metrics }: OpeningContext,
  openThreads: (context: ServerContext) => Promise<RequestThreads>,
): Promise<{ threads: RequestThreads; close(): Promise<void> } & Pick<StowageServer, 'answers' | 'reload'>> {
  const config = current.value
  const stores = await open(config, log)
  const losses = new LossCounters()
  const counters = metrics?.addThread()
  const registry = threadRegistry(stores, { current, log, losses, counters })
  const health = new HealthMonitor(registry.probes, log)
  const onChange = (files: TlsFiles) => threads.setTls(files)
  const certificate = tlsPaths && tls && { paths: tlsPaths, files: tls, onChange }
  const housekeeping: Housekeeping = makeHousekeeping(current, log, {
    registry,
    stores,
    certificate,
    onRun: (run) => metrics?.countRun(run),
  })
  const { runner } = housekeeping
  const ask = (job: string) => runner.ask(job)
  const context = { current, stores, registry, losses, health, tls, listener, ask, metrics, counters }
  const threads: RequestThreads = await openThreads(context).catch(async (error: unknown) => {
    await stores.close()
    throw error
  })
  if (metrics !== undefined) {
    metrics.connectionCount = () => threads.connectionCount()
    metrics.commitBatches = () => stores.commitBatches?.()
  }
  const administration = await openAdministration(config, { ...housekeeping, stores, log }).catch(
    async (error: unknown) => {
      await threads.close()
      await stores.close()
      throw error
    },
  )
  runner.start()
  const stopChecking = checkStores(stores, log)
  return {
    threads,
    reload: housekeeping.reload,
    async answers() {
      await Promise.all([threads.answers(), stores.answers()])
    },
    async close() {
      await threads.close()
      await administration?.close()
      await runner.stop()
      await stopChecking()
      await registry.close()
      await stores.close()
    },
  }
}

/** Begins to check the stores in the background. @returns a function that ends the check */
function checkStores(stores: Stores, log: Logger): () => Promise<void> {
  const ending = new AbortController()
  const checking = stores
    .check(ending.signal)
    .catch((error: unknown) => log.error({ error }, 'the data folder could not be checked'))
  return async () => {
    ending.abort()
    await checking
  }
}

function tlsPathsOf({ tlsCert, tlsKey }: Config): TlsPaths | undefined {
  return tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey }
}

function refuseTls(error: unknown): never {
  const { message } = error as Error
  throw new ConfigError(`--tls-cert or --tls-key cannot be used: ${message}`, { cause: error })
}
