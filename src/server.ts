import { createServer } from 'node:net'
import type { Logger } from 'pino'
import { type Config, ConfigError } from './config.ts'
import { type DataFolder, openDataFolder } from './data-folder.ts'
import type { TlsFiles } from './http/node.ts'
import { readTlsFiles, type TlsPaths, watchTlsFiles } from './http/tls-files.ts'
import { repeatCounts } from './registry/counter.ts'
import type { Registry } from './registry/registry.ts'
import { repeatSweeps } from './registry/sweeper.ts'
import { registryOf, serveRegistry } from './serving.ts'
import { WorkerHost } from './worker-host.ts'

/** A running server. */
export interface StowageServer {
  /** Where it listens, such as `http://127.0.0.1:5000`. */
  readonly url: string
  /** Whether files are sent inside of the kernel. */
  readonly hasZeroCopy: boolean
  /** Finishes running requests, then lets go of everything. */
  close(): Promise<void>
}

/** What answers requests. */
interface Front {
  port: number
  hasZeroCopy: boolean
  setTls(files: TlsFiles): void
  close(): Promise<void>
}

/** What a front is opened over; the registry is that of this thread. */
interface Ground {
  folder: DataFolder
  registry: Registry
  tls: TlsFiles | undefined
}

/**
 * Starts a server whose requests are answered by worker threads, which this thread keeps alive.
 *
 * @throws ConfigError if the TLS files can't be used, DataFolderError, or the error of listening, such as EADDRINUSE
 */
export async function startServer(config: Config, log: Logger): Promise<StowageServer> {
  return await start(config, log, async ({ folder, tls }) => {
    const port = await freePort(config.listen)
    const host = await WorkerHost.start({ config, folder, log, port, tls }, config.workers)
    const { hasZeroCopy } = host
    return { port, hasZeroCopy, setTls: (files) => host.setTls(files), close: () => host.close() }
  })
}

/** Starts a server that answers requests on this thread: for programs that have a registry inside of them. @throws as startServer */
export async function startServerHere(config: Config, log: Logger): Promise<StowageServer> {
  return await start(config, log, async ({ registry, tls }) => {
    const { listen, zeroCopy } = config
    const node = await serveRegistry({ config, registry, log }, { ...listen, tls, zeroCopy })
    return { ...node, port: node.address.port }
  })
}

async function start(
  config: Config,
  log: Logger,
  open: (ground: Ground) => Promise<Front>,
): Promise<StowageServer> {
  const tlsPaths = tlsPathsOf(config)
  const tls = tlsPaths && (await readTlsFiles(tlsPaths).catch(refuseTls))
  const folder = await openDataFolder(config.data, (error) =>
    log.error({ error }, 'the metadata writer died; another takes over'),
  )
  const registry = registryOf(config, folder)
  const front = await open({ folder, registry, tls }).catch(async (error: unknown) => {
    await folder.close()
    throw error
  })
  const stopWatching = tlsPaths && tls && watch(tlsPaths, tls, front.setTls, log)
  const stopSweeping = repeatSweeps(registry, log)
  const stopCounting = repeatCounts(registry, log)
  return {
    url: urlOf(config, front.port),
    hasZeroCopy: front.hasZeroCopy,
    async close() {
      stopWatching?.()
      await front.close()
      await stopSweeping()
      await stopCounting()
      await registry.close()
      await folder.close()
    },
  }
}

/**
 * The port that is asked for, or one that is free. Workers share theirs, and would share it with another server's as well: so that none
 * is there is found out before.
 */
function freePort({ host, port }: Config['listen']): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen({ host, port, exclusive: true }, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port))
    })
  })
}

function tlsPathsOf({ tlsCert, tlsKey }: Config): TlsPaths | undefined {
  return tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey }
}

function refuseTls(error: unknown): never {
  const { message } = error as Error
  throw new ConfigError(`--tls-cert or --tls-key cannot be used: ${message}`, { cause: error })
}

function watch(paths: TlsPaths, first: TlsFiles, setTls: (files: TlsFiles) => void, log: Logger): () => void {
  return watchTlsFiles(paths, first, {
    onChange(files) {
      setTls(files)
      log.info('the TLS certificate was replaced')
    },
    onProblem: (error) => log.warn({ error }, 'the TLS files cannot be used; the old ones stay'),
  })
}

function urlOf({ listen: { host }, tlsCert }: Config, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host
  return `${tlsCert === undefined ? 'http' : 'https'}://${name}:${port}`
}
