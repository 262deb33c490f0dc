import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { type Config, ConfigError } from '../config.ts'
import type { TlsFiles } from '../http/node.ts'
import { readTlsFiles, type TlsPaths } from '../http/tls-files.ts'
import { openAdoption } from '../http/unix-connection.ts'
import { LossCounters } from '../registry/blob-presence.ts'
import { Pins } from '../registry/pins.ts'
import { probesOf } from '../registry/probes.ts'
import { openStores } from '../stores/open-stores.ts'
import type { Stores } from '../stores/stores.ts'
import { openAdministration } from './administration.ts'
import { NO_CERTIFICATE, watchCertificate } from './certificate.ts'
import { CurrentConfig } from './current-config.ts'
import { HealthMonitor } from './health.ts'
import { HousekeepingKeeper } from './housekeeping-keeper.ts'
import { openListening } from './listening.ts'
import type { LogOutput } from './log-output.ts'
import { type Metering, openMetering } from './metering.ts'
import { shutDown } from './shutdown.ts'
import type { Logging, ServerContext, Work } from './work.ts'
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
    const { stores, listener } = context
    const canHandOver = listener.socketFiles.length === 0 || (await openAdoption()) !== undefined
    if (!canHandOver)
      log.warn(
        'this Node.js cannot hand connections of Unix sockets to other threads; one thread answers all',
      )
    if (!canHandOver || !isShareable(stores)) return await startInThisThread({ log, output }, context)
    const threadContext = { ...context, config, stores, log, logOutput: output }
    const keeper = new HousekeepingKeeper(threadContext)
    const ask = (job: string) => keeper.ask(job)
    const threads = await WorkerPool.start({ ...threadContext, ask }, config.workers)
    keeper.start()
    return { threads, housekeeping: keeper }
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
  return await start({ config, log, inherited: [], open }, (context) => startInThisThread({ log }, context))
}

/** With workers, this thread does not need the code that answers requests. */
async function startInThisThread(logging: Logging, context: ServerContext): Promise<Work> {
  const { workInThisThread } = await import('./this-thread.ts')
  return await workInThisThread(logging, context)
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
  startWork: (context: ServerContext) => Promise<Work>,
): Promise<StowageServer> {
  const tlsPaths = tlsPathsOf(config)
  const tls = tlsPaths && (await readTlsFiles(tlsPaths).catch(refuseTls))
  // The server listens before it opens the stores, which must stay as they were if the address is in use.
  const { listener, urls } = await openListening(config, { inherited, log })
  const current = new CurrentConfig(config)
  let metering: Metering | undefined
  try {
    metering = await openMetering(config, log, () => output?.dropped ?? 0)
    const metrics = metering?.metrics
    const opened = await openOver({ current, log, open, tlsPaths, tls, listener, metrics }, startWork)
    const { threads, housekeeping, answers, reload, close } = opened
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
        housekeeping.configure(current.value)
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
interface OpeningContext extends Pick<ServerContext, 'current' | 'tls' | 'listener' | 'metrics'> {
  log: Logger
  open: typeof openStores
  tlsPaths: TlsPaths | undefined
}

/** A server that works, whose listener is not used yet. */
interface Opened extends Work, Pick<StowageServer, 'answers' | 'reload'> {
  close(): Promise<void>
}

/** Opens the stores, and starts the threads that work with them. */
async function openOver(
  { current, log, open, tlsPaths, tls, listener, metrics }: OpeningContext,
  startWork: (context: ServerContext) => Promise<Work>,
): Promise<Opened> {
  const stores = await open(current.value, log)
  const health = healthOf(stores, log)
  const pins = new Pins()
  const losses = new LossCounters()
  const counters = metrics?.addThread()
  const context = { current, stores, pins, losses, health, tls, listener, metrics, counters }
  const { threads, housekeeping } = await startWork(context).catch(async (error: unknown) => {
    await stores.close()
    throw error
  })
  if (metrics !== undefined) {
    metrics.connectionCount = () => threads.connectionCount()
    metrics.commitBatches = () => stores.commitBatches?.()
  }
  const onChange = (files: TlsFiles) => threads.setTls(files)
  const certificate =
    tlsPaths && tls
      ? watchCertificate({ paths: tlsPaths, files: tls, onChange }, context, log)
      : NO_CERTIFICATE
  const release = async () => {
    await certificate.stop()
    await housekeeping.close()
    await stores.close()
  }
  const administered = { stores, housekeeping, pins, otherJobs: () => certificate.states(), log }
  const administration = await openAdministration(current.value, administered).catch(
    async (error: unknown) => {
      await threads.close()
      await release()
      throw error
    },
  )
  return {
    threads,
    housekeeping,
    reload: () => certificate.reload(),
    async answers() {
      await Promise.all([threads.answers(), stores.answers()])
    },
    async close() {
      await threads.close()
      await administration?.close()
      await release()
    },
  }
}

/** Probes the stores by operations that cannot block this thread. */
function healthOf({ metadata, blobs }: Stores, log: Logger): HealthMonitor {
  return new HealthMonitor(probesOf({ metadata, blobs, random: randomBytes }), log)
}

function tlsPathsOf({ tlsCert, tlsKey }: Config): TlsPaths | undefined {
  return tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey }
}

function refuseTls(error: unknown): never {
  const { message } = error as Error
  throw new ConfigError(`--tls-cert or --tls-key cannot be used: ${message}`, { cause: error })
}
