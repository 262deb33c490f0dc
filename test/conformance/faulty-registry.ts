import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { ociExtension } from '../../src/extensions/oci.ts'
import { createApp } from '../../src/http/app.ts'
import type { HttpApp } from '../../src/http/message.ts'
import { listen } from '../../src/http/node.ts'
import { sqliteMetadata } from '../../src/metadata/sqlite/store.ts'
import { localRegistry } from '../../src/registry/registry.ts'
import { memoryBlobStore } from '../../src/storage/memory.ts'

/** Changes one thing about a good registry. */
export type Fault = (app: HttpApp) => HttpApp

const HOUR = 3_600_000
const SILENT = { debug() {}, error() {} }

/** Starts a registry in memory with one fault. @returns its origin */
export async function startFaulty(
  test: Pick<TestContext, 'after'>,
  fault: Fault = (app) => app,
): Promise<string> {
  const metadata = await sqliteMetadata({ path: ':memory:' })
  const registry = localRegistry({
    metadata,
    blobs: memoryBlobStore(),
    retention: { uploads: HOUR, unusedBlobs: HOUR, garbage: HOUR },
    clock: Date.now,
    random: randomBytes,
  })
  const app = createApp({
    registry,
    extensions: [ociExtension],
    onlyLoopback: true,
    isReady: async () => true,
    log: SILENT,
  })
  const server = await listen(fault(app), { host: '127.0.0.1', port: 0, log: SILENT })
  test.after(async () => {
    await server.close()
    await metadata.close()
  })
  return `http://127.0.0.1:${server.address.port}`
}
