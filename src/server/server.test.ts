import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { temporaryFolder } from '../../test/stowage.ts'
import { DEFAULTS, parseConfig } from '../config.ts'
import { memoryMetadata } from '../metadata/sqlite/store.ts'
import { memoryBlobStore } from '../storage/memory.ts'
import type { Stores } from '../stores/stores.ts'
import { startServerInThisThread } from './server.ts'

/** Stores of another kind than a data folder, which only the thread that made them can use. */
async function memoryStores(): Promise<Stores> {
  const metadata = memoryMetadata()
  return {
    metadata,
    blobs: memoryBlobStore(),
    isStalled: () => false,
    check: async () => {},
    close: () => metadata.close(),
    answers: async () => {},
    async releaseLeases(holder) {
      await metadata.commit([{ type: 'releaseLeases', holder }])
    },
    identity: async () => 'memory',
    availableBytes: async () => undefined,
  }
}

test('a program can embed a server whose stores are not a data folder', async (t) => {
  const folder = await temporaryFolder(t)
  const settings = { listen: '127.0.0.1:0', data: join(folder, 'absent'), adminSocket: join(folder, 'admin') }
  const config = parseConfig({ ...DEFAULTS, ...settings, lowSpace: '1M' })
  const server = await startServerInThisThread(config, pino({ level: 'silent' }), { open: memoryStores })
  t.after(() => server.close())
  const path = `${server.url}/v2/app/manifests/v1`
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [],
  })
  const headers = { 'Content-Type': 'application/vnd.oci.image.index.v1+json' }
  assert.equal((await fetch(path, { method: 'PUT', headers, body: manifest })).status, 201)
  assert.equal(await (await fetch(path)).text(), manifest)
  assert.equal((await fetch(`${server.url}/readyz?for=write`)).status, 200)
  await server.answers()
})
