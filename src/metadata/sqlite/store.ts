import { DatabaseSync } from 'node:sqlite'
import type { MessagePort } from 'node:worker_threads'
import type { Command, Outcome } from '../command.ts'
import type { CommitBatches, MetadataStore } from '../metadata-store.ts'
import { memoizedReads } from './memoized-reads.ts'
import { openForWriting, openWithReserve, WITHOUT_TEMPORARY_FILES } from './opening.ts'
import { sqliteReads } from './reader.ts'
import { refuseUnsound, type Soundness } from './soundness.ts'
import { prepareStatements } from './statements.ts'
import { StoreClock } from './store-clock.ts'
import { Versions } from './versions.ts'
import { sqliteWriter } from './writer.ts'
import { outcomesOf, PortClient, type WriterClient } from './writer-client.ts'
import { WriterHost } from './writer-host.ts'

/** What another thread needs to use the same store; it must be sent with `writers` in the transfer list. */
export interface SharedMetadata {
  path: string
  versions: SharedArrayBuffer
  /** The memory of {@link StoreClock}. */
  clock: SharedArrayBuffer
  /** The port that delivers the ports of the writers. */
  writers: MessagePort
}

/** A metadata store that owns the writer and may also be used by other threads. */
export interface SqliteMetadata extends MetadataStore {
  /** Gives access to one other thread, which must close its store before this one is closed. */
  share(): SharedMetadata
  /** How its writer gathered commits into batches since it was opened. Each batch is one transaction. */
  commitBatches(): CommitBatches
  /** How far it was checked before it was opened. */
  readonly soundness: Soundness
}

const BUSY_TIMEOUT_MS = 10_000

/**
 * A metadata store in one SQLite file: one writer on its own thread, which gathers commits that arrive during a sync into the next
 * transaction, and a read connection on each thread that reads.
 *
 * @param path the path of the file
 * @param clock the clock of the system if absent
 * @param onWriterDeath called if the writer's thread died; another one takes over automatically
 * @throws NewerDataError if the file was written by a newer version, DatabaseDamagedError if it is damaged or torn
 */
export async function sqliteMetadata({
  path,
  clock = new StoreClock(),
  onWriterDeath = () => {},
}: {
  path: string
  clock?: StoreClock
  onWriterDeath?: (error: unknown) => void
}): Promise<SqliteMetadata> {
  const soundness = refuseUnsound(path)
  // Only one server has this file open, so all previous holders of uploads are gone.
  const { database } = openWithReserve(path, (opened) =>
    opened.exec('UPDATE uploads SET lease = NULL, leased_until = NULL WHERE lease IS NOT NULL'),
  )
  database.close()
  const versions = new Versions()
  const host = new WriterHost({ path, versions, clock }, onWriterDeath)
  const share = (): SharedMetadata => ({
    path,
    versions: versions.memory,
    clock: clock.memory,
    writers: host.connect(),
  })
  try {
    const store = sharedMetadata(share())
    return {
      ...store,
      share,
      commitBatches: () => host.batches.read(),
      soundness,
      async close() {
        await store.close()
        await host.close()
      },
    }
  } catch (error) {
    // The damage of a database may only be found by its first read.
    await host.close()
    throw error
  }
}

/** Uses the store of another thread, or of this one, from this thread. */
export function sharedMetadata({ path, versions, clock, writers }: SharedMetadata): MetadataStore {
  const client = new PortClient()
  writers.on('message', (port: MessagePort) => client.attach(port))
  writers.unref()
  const shared = { versions: new Versions(versions), clock: new StoreClock(clock) }
  return assemble(openForReading(path), shared, {
    commit: (commands) => client.commit(commands),
    async close() {
      await client.close()
      writers.close()
    },
  })
}

/** A metadata store without a thread or a file, which is lost on close. @param clock the clock of the system if absent */
export function memoryMetadata(clock = new StoreClock()): MetadataStore {
  const path = ':memory:'
  const database = openForWriting(path)
  const versions = new Versions()
  const writer = sqliteWriter(database, { path, versions, clock })
  return assemble(
    database,
    { versions, clock },
    {
      async commit(commands: readonly Command[]): Promise<Outcome[]> {
        const [result] = writer.apply([commands])
        if (result === undefined) throw new Error('the writer gave no result')
        return outcomesOf(result)
      },
      async close() {
        if (database.isOpen) writer.close()
      },
    },
  )
}

/** The cache size of each worker. A page of a list touches some hundred leaves of large trees, for which SQLite's default of 2 MiB is too small. */
const READING = `${WITHOUT_TEMPORARY_FILES}; PRAGMA cache_size = -8192`

function openForReading(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  database.exec(READING)
  return database
}

function assemble(
  database: DatabaseSync,
  { versions, clock }: { versions: Versions; clock: StoreClock },
  writer: WriterClient,
): MetadataStore {
  const { close: endReads, ...reads } = sqliteReads(prepareStatements(database), clock)
  return {
    ...memoizedReads(reads, versions),
    commit: (commands) => writer.commit(commands) as Promise<never>,
    async close() {
      endReads()
      await writer.close()
      if (database.isOpen) database.close()
    },
  }
}
