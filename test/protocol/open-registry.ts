import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { createApp } from '../../src/http/app.ts'
import { toFetch } from '../../src/http/fetch.ts'
import type { HttpApp } from '../../src/http/message.ts'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import type { Caller } from '../../src/registry/caller.ts'
import { type LocalRegistry, localRegistry, type Registry } from '../../src/registry/registry.ts'
import { EXTENSIONS } from '../../src/server/request-server.ts'
import { memoryBlobStore } from '../../src/storage/memory.ts'
import { stoppedClock } from '../stopped-clock.ts'

const HISTORY_MS = 1_000_000

/** A registry over HTTP without a port, where a test decides what endpoints are given to work with. */
export interface OpenRegistry {
  registry: LocalRegistry
  /** What answers, for a server of a test's own. */
  app: HttpApp
  ask(method: string, path: string, init?: RequestInit): Promise<Response>
  /** Pushes an artifact of nothing but a note, with as many tags as are given. @returns its digest */
  push(name: string, note: string, tags?: readonly string[]): Promise<string>
  /** Forgets all that has happened so far. */
  forget(): Promise<void>
}

/**
 * Makes a registry.
 *
 * @param alter makes the registry that endpoints are given to work with
 * @param caller who sends each request; anyone if absent
 */
export async function openRegistry(
  test: Pick<TestContext, 'after'>,
  alter: (registry: Registry) => Registry,
  caller?: Caller,
): Promise<OpenRegistry> {
  const clock = stoppedClock()
  const metadata = memoryMetadata(clock)
  test.after(() => metadata.close())
  const hour = 3_600_000
  const registry = localRegistry({
    metadata,
    blobs: memoryBlobStore(),
    retention: { uploads: hour, unusedBlobs: hour, garbage: hour, deletedManifests: 0, history: HISTORY_MS },
    clock: () => clock.now(),
    random: randomBytes,
  })
  const app = createApp({
    registry: alter(registry),
    extensions: EXTENSIONS,
    ...(caller && { identify: async () => caller }),
    clock: () => clock.now(),
    isReady: async () => true,
    log: { error: (fields: object) => console.error(fields) },
  })
  const answer = toFetch(app)
  const ask = (method: string, path: string, init: RequestInit = {}) =>
    answer(new Request(new URL(path, 'http://registry.test'), { ...init, method }))
  return {
    registry,
    app,
    ask,
    async push(name, note, tags = []) {
      const body = JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { note } })
      const headers = { 'Content-Type': 'application/vnd.oci.image.index.v1+json' }
      const [first = note, ...others] = tags
      const query = others.map((tag) => `tag=${tag}`).join('&')
      const pushed = await ask('PUT', `/v2/${name}/manifests/${first}?${query}`, { headers, body })
      assert.equal(pushed.status, 201, await pushed.text())
      return pushed.headers.get('docker-content-digest') ?? ''
    },
    async forget() {
      clock.set(clock.now() + HISTORY_MS + 1)
      await registry.maintenance.sweep(new AbortController().signal)
    },
  }
}
