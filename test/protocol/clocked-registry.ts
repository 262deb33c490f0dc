import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createApp } from '../../src/http/app.ts'
import { toFetch } from '../../src/http/fetch.ts'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import { watchClock } from '../../src/registry/clock-jumps.ts'
import type { Retention } from '../../src/registry/parts.ts'
import { localRegistry, type Registry, type Swept } from '../../src/registry/registry.ts'
import { EXTENSIONS } from '../../src/server/request-server.ts'
import { openDataFolder } from '../../src/stores/data-folder.ts'
import { assertDescribed } from '../api/watch.ts'
import { stoppedClock } from '../stopped-clock.ts'
import { temporaryFolder } from '../stowage.ts'

/** Times of a registry whose clock the test sets, in milliseconds. */
export const RETENTION: Retention = {
  uploads: 10_000,
  unusedBlobs: 100_000,
  deletedManifests: 0,
  history: 10_000_000,
  garbage: 1_000,
}

/** A registry with real stores, over HTTP without a port, whose clock only the test moves. */
export interface ClockedRegistry {
  readonly data: string
  request(
    method: string,
    path: string,
    body?: Uint8Array | string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>
  now(): number
  /** Lets time pass. */
  pass(milliseconds: number): void
  /** Sets the clock, while no time passes. */
  jump(milliseconds: number): void
  sweep(): Promise<Swept>
  /** Deletes a repository and leaves its rows there, as a server does that is killed then. */
  beginDeletion(name: string): Promise<void>
  /** Sweeps, lets the time pass after which nothing leads to deleted bytes any more, and sweeps again. */
  sweepOut(): Promise<void>
  /** How many files hold bytes of blobs and uploads. */
  files(): Promise<number>
}

function answerOf(registry: Registry, clock: () => number): (request: Request) => Promise<Response> {
  const log = { debug() {}, error: (fields: object) => console.error(fields) }
  return toFetch(createApp({ registry, extensions: EXTENSIONS, clock, isReady: async () => true, log }))
}

/** Makes a registry over a data folder of its own. @param changes of {@link RETENTION} */
export async function clockedRegistry(
  test: Pick<TestContext, 'after'>,
  changes: Partial<Retention> = {},
): Promise<ClockedRegistry> {
  const data = await temporaryFolder(test)
  const clock = stoppedClock()
  const now = () => clock.now()
  const folder = await openDataFolder(data, { clock })
  let passed = 0
  const registry = localRegistry({
    ...folder,
    retention: { ...RETENTION, ...changes },
    clock: now,
    random: randomBytes,
  })
  test.after(() => registry.close().finally(() => folder.close()))
  const answer = answerOf(registry, now)
  const pass = (milliseconds: number) => {
    clock.set(now() + milliseconds)
    passed += milliseconds
  }
  const jumps = watchClock(now, () => passed)
  const sweep = () => registry.maintenance.sweep(new AbortController().signal, { jumps })
  return {
    data,
    now,
    async request(method, path, body, headers = {}) {
      const url = new URL(path, 'http://registry.test')
      const request = new Request(url, {
        method,
        headers,
        ...(body !== undefined && { body: Buffer.from(body) }),
      })
      const answered = await answer(request)
      await assertDescribed(request, answered.clone())
      return answered
    },
    pass,
    jump(milliseconds) {
      clock.set(now() + milliseconds)
    },
    sweep,
    async beginDeletion(name) {
      const repository = name as RepositoryName
      await folder.metadata.commit([{ type: 'deleteRepository', actor: ANONYMOUS, repository }])
    },
    async sweepOut() {
      await sweep()
      pass(RETENTION.garbage)
      await sweep()
    },
    async files() {
      const entries = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true })
      return entries.filter((entry) => entry.isFile()).length
    },
  }
}
