import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { type Config, ConfigError, isLoopback } from './config.ts'
import { openDataFolder } from './data-folder.ts'
import { type Extension, withoutDrafts } from './extensions/extension.ts'
import { ociExtension } from './extensions/oci.ts'
import { stowageExtension } from './extensions/stowage/stowage.ts'
import { createApp } from './http/app.ts'
import { listen, type TlsFiles } from './http/node.ts'
import { readTlsFiles, type TlsPaths, watchTlsFiles } from './http/tls-files.ts'
import { repeatCounts } from './registry/counter.ts'
import { localRegistry, type Registry } from './registry/registry.ts'
import { repeatSweeps } from './registry/sweeper.ts'

/** A running server. */
export interface StowageServer {
  /** Where it listens, such as `http://127.0.0.1:5000`. */
  readonly url: string
  /** Finishes running requests, then lets go of everything. */
  close(): Promise<void>
}

/** Every extension that there is, with drafts. */
export const EXTENSIONS: readonly Extension[] = [ociExtension, stowageExtension]
const GARBAGE_MS = 60_000

/**
 * Starts a server: the composition root, where all parts are put together.
 *
 * @throws ConfigError if the TLS files can't be used, DataFolderError, or the error of listening, such as EADDRINUSE
 */
export async function startServer(config: Config, log: Logger): Promise<StowageServer> {
  const tlsPaths = tlsPathsOf(config)
  const tls = tlsPaths && (await readTlsFiles(tlsPaths).catch(refuseTls))
  const folder = await openDataFolder(config.data)
  const registry = localRegistry({
    ...folder,
    retention: {
      uploads: config.uploadExpiry,
      unusedBlobs: config.unusedBlobExpiry,
      deletedManifests: config.keepDeleted,
      history: config.keepHistory,
      garbage: GARBAGE_MS,
    },
    clock: Date.now,
    random: randomBytes,
  })
  let closing = false
  const app = createApp({
    registry,
    extensions: config.draftExtensions ? EXTENSIONS : withoutDrafts(EXTENSIONS),
    clock: Date.now,
    onlyLoopback: isLoopback(config.listen.host) && !config.allowAnonymous,
    isReady: async () => !closing && (await answers(registry)),
    log,
  })
  const node = await listen(app, { ...config.listen, tls, log }).catch(async (error: unknown) => {
    await folder.close()
    throw error
  })
  const stopWatching = tlsPaths && tls && watch(tlsPaths, tls, node.setTls, log)
  const stopSweeping = repeatSweeps(registry, log)
  const stopCounting = repeatCounts(registry, log)
  return {
    url: urlOf(config, node.address.port),
    async close() {
      closing = true
      stopWatching?.()
      await node.close()
      await stopSweeping()
      await stopCounting()
      await registry.close()
      await folder.close()
    },
  }
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

/** Whether the metadata store can be read. */
async function answers(registry: Registry): Promise<boolean> {
  return await registry.repositories.list('', 1).then(
    () => true,
    () => false,
  )
}

function urlOf({ listen: { host }, tlsCert }: Config, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host
  return `${tlsCert === undefined ? 'http' : 'https'}://${name}:${port}`
}
