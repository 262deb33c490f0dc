import type { Logger } from 'pino'
import { type Config, ConfigError } from '../config.ts'
import type { AcceptedConnection, Listener } from '../http/listener.ts'
import type { TlsFiles } from '../http/node.ts'
import { readTlsFiles, type TlsFileWatch, type TlsPaths, watchTlsFiles } from '../http/tls-files.ts'
import { openAdoption } from '../http/unix-connection.ts'
import { WRITER_STOPPED } from '../metadata/sqlite/writer-client.ts'
import { LossCounters } from '../registry/blob-presence.ts'
import { repeatCounts } from '../registry/counter.ts'
import type { Registry } from '../registry/registry.ts'
import { startSweeper } from '../registry/sweeper.ts'
import { type DataFolder, openDataFolder } from '../stores/data-folder.ts'
import { hasLessThan, openAdministration } from './administration.ts'
import { CurrentConfig } from './current-config.ts'
import { HealthMonitor } from './health.ts'
import { openListening } from './listening.ts'
import type { LogOutput } from './log-output.ts'
import { openRequestServer } from './request-server.ts'
import { shutDown } from './shutdown.ts'
import { threadRegistry } from './thread-registry.ts'
import { WorkerPool } from './worker-pool.ts'

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
   * @throws CommitError if the writer died and has not been replaced yet
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
  folder: DataFolder
  registry: Registry
  losses: LossCounters
  health: HealthMonitor
  tls: TlsFiles | undefined
  listener: Listener
}

/**
 * Starts a server with worker threads that answer requests. This thread replaces workers that die.
 *
 * @param inherited descriptors of listening sockets that were passed to this process; if there are any, they are used instead of `--listen`
 * @throws ConfigError if the TLS files, the Unix socket or an inherited one can't be used, DataFolderError, or the error of listening, such as EADDRINUSE
 */
export async function startServer(
  config: Config,
  { log, output, inherited = [] }: { log: Logger; output: LogOutput; inherited?: readonly number[] },
): Promise<StowageServer> {
  return await start({ config, log, inherited }, async (context) => {
    const { folder, losses, health, tls, listener } = context
    const workerContext = { config, folder, losses, health, log, logOutput: output, tls }
    if (listener.socketFiles.length === 0 || (await openAdoption()) !== undefined)
      return await WorkerPool.start(workerContext, config.workers)
    log.warn('this Node.js cannot hand connections of Unix sockets to other threads; one thread answers all')
    return await serveInThisThread(log, context)
  })
}

/** Starts a server that answers requests on this thread, for programs that embed a registry. @throws as startServer */
export async function startServerInThisThread(config: Config, log: Logger): Promise<StowageServer> {
  return await start({ config, log, inherited: [] }, (context) => serveInThisThread(log, context))
}

async function serveInThisThread(
  log: Logger,
  { current, folder, registry, health, tls }: ServerContext,
): Promise<RequestThreads> {
  const checkHealth = () => health.check()
  const server = await openRequestServer({ current, registry, log, gate: folder.gate, checkHealth }, tls)
  // The caller is on the same thread, and shares its settings.
  return { ...server, count: 1, answers: async () => {}, configure: async () => {} }
}

const DATABASE_DAMAGED =
  'metadata.sqlite is damaged; stop the server, keep a copy of the folder, and restore a backup'

const BLOBS_ABSENT =
  'the blob folder contains none of its blobs; is its disk mounted? Requests for blobs get 503 until the files are back. If they are permanently lost, create the folder "mark" and restart'

async function start(
  { config, log, inherited }: { config: Config; log: Logger; inherited: readonly number[] },
  openThreads: (context: ServerContext) => Promise<RequestThreads>,
): Promise<StowageServer> {
  const tlsPaths = tlsPathsOf(config)
  const tls = tlsPaths && (await readTlsFiles(tlsPaths).catch(refuseTls))
  // The server listens before it opens the folder, which must stay as it was if the address is in use.
  const { listener, urls } = await openListening(config, { inherited, log })
  const current = new CurrentConfig(config)
  try {
    const { threads, answers, close } = await openOver({ current, log, tls, listener }, openThreads)
    listener.deliverTo((connection) => {
      threads.take(connection, { isExcess: threads.connectionCount() >= current.value.maxConnections })
    })
    const watched = tlsPaths && tls && watch(tlsPaths, tls, (files) => threads.setTls(files), log)
    return {
      url: urls[0] ?? '',
      urls,
      threads: threads.count,
      hasZeroCopy: threads.hasZeroCopy,
      answers,
      reload: async () => await watched?.check(),
      async configure(changed) {
        current.change(changed)
        await threads.configure(current.value)
      },
      async close() {
        watched?.stop()
        const stoppable = {
          connectionCount: () => threads.connectionCount(),
          withdraw: () => threads.withdraw(),
          refuse: () => listener.close(),
          close,
          cut: () => threads.cut(),
        }
        return await shutDown(stoppable, current.value, log)
      },
    }
  } catch (error) {
    listener.close()
    throw error
  }
}

/** Opens the data folder, and starts the threads that answer requests from it. */
async function openOver(
  { current, log, tls, listener }: Pick<ServerContext, 'current' | 'tls' | 'listener'> & { log: Logger },
  openThreads: (context: ServerContext) => Promise<RequestThreads>,
): Promise<{ threads: RequestThreads; close(): Promise<void> } & Pick<StowageServer, 'answers'>> {
  const config = current.value
  const folder = await openDataFolder(config.data, (error) =>
    log.error({ error }, 'the metadata writer died; starting another one'),
  )
  if (folder.hidden.length > 0)
    log.warn(
      { files: folder.hidden },
      'these files were readable by other users; their permissions have been fixed',
    )
  if (!folder.hasBlobs) log.error({ mark: folder.blobsMark }, BLOBS_ABSENT)
  const losses = new LossCounters()
  const registry = threadRegistry(folder, { current, log, losses })
  const health = new HealthMonitor(registry.probes, log)
  const context = { current, folder, registry, losses, health, tls, listener }
  const threads = await openThreads(context).catch(async (error: unknown) => {
    await folder.close()
    throw error
  })
  const sweeper = startSweeper(registry, log, () => hasLessThan(config.data, current.value.lowSpace))
  const administration = await openAdministration(config, sweeper, log).catch(async (error: unknown) => {
    await sweeper.stop()
    await threads.close()
    await folder.close()
    throw error
  })
  const stopCounting = repeatCounts(registry, log)
  const stopChecking = checkFolder(folder, log)
  return {
    threads,
    async answers() {
      await Promise.all([threads.answers(), writerAnswers(folder)])
    },
    async close() {
      await threads.close()
      await administration?.close()
      await sweeper.stop()
      await stopCounting()
      await stopChecking()
      await registry.close()
      await folder.close()
    },
  }
}

/** A commit that the store refuses, for example on a full disk, is an answer too: a new process could not do better. */
async function writerAnswers({ metadata }: DataFolder): Promise<void> {
  await metadata.commit([]).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === WRITER_STOPPED) throw error
  })
}

/** Begins to check the folder in the background. @returns a function that ends the check */
function checkFolder(folder: DataFolder, log: Logger): () => Promise<void> {
  const ending = new AbortController()
  const checking = folder.check(ending.signal).then(
    ({ problem, lost }) => {
      if (problem !== undefined) log.error({ problem }, DATABASE_DAMAGED)
      if (lost > 0)
        log.warn(
          { lost },
          'the files of some blobs are missing; these blobs are treated as unknown until they are pushed again',
        )
    },
    (error: unknown) => log.error({ error }, 'the data folder could not be checked'),
  )
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

function watch(
  paths: TlsPaths,
  first: TlsFiles,
  setTls: (files: TlsFiles) => void,
  log: Logger,
): TlsFileWatch {
  return watchTlsFiles(paths, first, {
    onChange(files) {
      setTls(files)
      log.info('the TLS certificate was replaced')
    },
    onProblem: (error) =>
      log.warn({ error }, 'the new TLS certificate or key cannot be used; the previous ones stay in use'),
  })
}
