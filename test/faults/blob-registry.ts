import { randomBytes } from 'node:crypto'
import { createApp } from '../../src/http/app.ts'
import { toFetch } from '../../src/http/fetch.ts'
import type { Command, Outcome } from '../../src/metadata/command.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { StoreClock } from '../../src/metadata/sqlite/store-clock.ts'
import { localRegistry } from '../../src/registry/registry.ts'
import type { BlobStore } from '../../src/storage/blob-store.ts'
import { assertDescribed } from '../api/watch.ts'

/** So many bytes are too many for the metadata store, which keeps what is small. */
export const LARGE = 96 * 1024
/** How many bytes of a body come before its upload is recorded again. */
export const CHECKPOINT = 16 * 1024

const MINUTE = 60_000
const RETENTION = {
  uploads: 60 * MINUTE,
  unusedBlobs: 10_000 * MINUTE,
  garbage: MINUTE,
  deletedManifests: 0,
  history: 10_000 * MINUTE,
}

/** What a request carries. */
export interface Carried {
  body?: Uint8Array | ReadableStream<Uint8Array>
  headers?: Record<string, string>
}

/** A registry over HTTP without a port, whose clock only the test moves. */
export interface BlobRegistry {
  /** Lets time pass. */
  pass(milliseconds: number): void
  request(method: string, path: string, carried?: Carried): Promise<Response>
  /** Lets the time pass that it takes for what is deleted to go from the disk. */
  sweep(): Promise<void>
  /** The same, and before that the time after which uploads expire. */
  sweepOut(): Promise<void>
}

/** Makes a registry over stores, with checkpoints in short distances. @param clock of the metadata store */
export function blobRegistry({
  clock,
  ...stores
}: {
  blobs: BlobStore
  metadata: MetadataStore
  clock: StoreClock
}): BlobRegistry {
  const registry = localRegistry({
    ...stores,
    retention: RETENTION,
    checkpoints: { bytes: CHECKPOINT, milliseconds: 10_000 },
    clock: () => clock.now(),
    random: randomBytes,
  })
  const log = { debug() {}, error() {} }
  const app = createApp({
    registry,
    extensions: [],
    clock: () => clock.now(),
    isReady: async () => true,
    log,
  })
  const answer = toFetch(app)
  const round = () => registry.maintenance.sweep(new AbortController().signal)
  const pass = (milliseconds: number) => clock.set(clock.now() + milliseconds)
  const made: BlobRegistry = {
    pass,
    async request(method, path, carried) {
      const url = new URL(path, 'http://registry.test')
      const init = { method, ...carried, duplex: 'half' } as RequestInit
      const request = new Request(url, init)
      const answered = await answer(request)
      await assertDescribed(request, answered.clone())
      return answered
    },
    async sweep() {
      await round()
      pass(RETENTION.garbage + 1)
      await round()
    },
    async sweepOut() {
      pass(RETENTION.uploads + 1)
      await made.sweep()
    },
  }
  return made
}

/** A commit that a metadata store was asked for, with the time in milliseconds since the epoch. */
export interface AskedCommit {
  type: 'commit'
  at: number
  commands: readonly Command[]
}

/** What commits a metadata store was asked for, and had answered. */
export type CommitNote = AskedCommit | { type: 'committed' }

/** Tells of each commit of a metadata store when it begins and when it is answered. */
export function notingCommits(
  metadata: MetadataStore,
  clock: StoreClock,
  note: (note: CommitNote) => void,
): MetadataStore {
  const commit = async (commands: readonly Command[]): Promise<Outcome[]> => {
    note({ type: 'commit', at: clock.now(), commands: structuredClone(commands) })
    const outcomes = await metadata.commit(commands)
    note({ type: 'committed' })
    return outcomes
  }
  return { ...metadata, commit: commit as MetadataStore['commit'] }
}
