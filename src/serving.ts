import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Stores } from './data-folder.ts'
import { ociExtension } from './extensions/oci.ts'
import { createApp } from './http/app.ts'
import { type ListenOptions, listen, type NodeServer } from './http/node.ts'
import { isLoopback } from './loopback.ts'
import { localRegistry, type Registry } from './registry/registry.ts'

/** Every extension that there is. */
export const EXTENSIONS = [ociExtension]
const GARBAGE_MS = 60_000

/** Makes the registry of a thread over its stores. */
export function registryOf(config: Config, stores: Stores, holder = ''): Registry {
  return localRegistry({
    ...stores,
    retention: { uploads: config.uploadExpiry, unusedBlobs: config.unusedBlobExpiry, garbage: GARBAGE_MS },
    holder,
    clock: Date.now,
    random: randomBytes,
  })
}

/**
 * Answers requests on this thread.
 *
 * @throws the error of listening, such as EADDRINUSE
 */
export async function serveRegistry(
  { config, registry, log }: { config: Config; registry: Registry; log: Logger },
  place: Omit<ListenOptions, 'log'>,
): Promise<NodeServer> {
  let closing = false
  const app = createApp({
    registry,
    extensions: EXTENSIONS,
    onlyLoopback: isLoopback(config.listen.host) && !config.allowAnonymous,
    isReady: async () => !closing && (await answers(registry)),
    log,
  })
  const node = await listen(app, { ...place, log })
  return {
    ...node,
    async close() {
      closing = true
      await node.close()
    },
  }
}

/** Whether the metadata store can be read. */
async function answers(registry: Registry): Promise<boolean> {
  return await registry.repositories.list('', 1).then(
    () => true,
    () => false,
  )
}
