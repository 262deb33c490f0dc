import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { ExtensionEndpoint } from '../../src/api/extension.ts'
import { createApp } from '../../src/http/app.ts'
import { toFetch } from '../../src/http/fetch.ts'
import { type ListeningServer, listen } from '../../src/http/node.ts'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import { localRegistry } from '../../src/registry/registry.ts'
import { memoryBlobStore } from '../../src/storage/memory.ts'

const HOUR = 3_600_000

/** A server whose only extension is `_test`, with the endpoints of a test. */
export interface ExtensionServer extends ListeningServer {
  url: string
  /** Asks without a port. */
  ask(request: Request): Promise<Response>
  /** What the server logged as its own failures. */
  failures: object[]
}

/** What an endpoint of a test has if it doesn't say otherwise. */
export const ENDPOINT = {
  method: 'GET',
  route: 'registryExtension',
  component: 'test',
  action: 'pull',
  id: 'test',
  summary: '',
  answers: {},
  errors: [],
} as const satisfies Partial<ExtensionEndpoint>

/** Serves endpoints over HTTP. */
export async function serveEndpoints(
  test: Pick<TestContext, 'after'>,
  endpoints: readonly ExtensionEndpoint[],
): Promise<ExtensionServer> {
  const metadata = memoryMetadata()
  const registry = localRegistry({
    metadata,
    blobs: memoryBlobStore(),
    retention: { uploads: HOUR, unusedBlobs: HOUR, garbage: HOUR, deletedManifests: HOUR, history: HOUR },
    clock: Date.now,
    random: randomBytes,
  })
  const failures: object[] = []
  const log = { debug() {}, error: (fields: object) => void failures.push(fields) }
  const app = createApp({
    registry,
    extensions: [{ name: 'test', description: 'of a test', url: 'https://registry.test/', endpoints }],
    clock: Date.now,
    isReady: async () => true,
    log,
  })
  const server = await listen(app, { host: '127.0.0.1', port: 0, log })
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= server.close()
    return closed
  }
  test.after(async () => {
    await close()
    await metadata.close()
  })
  return { ...server, close, ask: toFetch(app), url: `http://127.0.0.1:${server.address.port}`, failures }
}
