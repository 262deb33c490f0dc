import { DatabaseSync } from 'node:sqlite'
import type { Command, Outcome } from '../command.ts'
import type { MetadataStore } from '../metadata-store.ts'
import { sqliteReads } from './reader.ts'
import { prepareStatements } from './statements.ts'
import { openForWriting, sqliteWriter } from './writer.ts'
import { outcomesOf, type WriterClient, writerThread } from './writer-client.ts'

const BUSY_TIMEOUT_MS = 10_000

/**
 * A metadata store in one SQLite file: one writer on a thread of its own, which gathers what comes while it syncs into the next
 * transaction, and reads on a connection of this thread.
 *
 * @param path of the file, or `:memory:` for a store without a thread that is gone on close
 * @throws NewerDataError if the file was written by a newer version
 */
export async function sqliteMetadata({ path }: { path: string }): Promise<MetadataStore> {
  const database = openForWriting(path)
  // Only one server has this file, so whoever held an upload is gone.
  database.exec('UPDATE uploads SET lease = NULL, leased_until = NULL WHERE lease IS NOT NULL')
  if (path === ':memory:') return assemble(database, writerHere(path, database))
  database.close()
  return assemble(new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS }), writerThread(path))
}

function assemble(database: DatabaseSync, writer: WriterClient): MetadataStore {
  const { close: endReads, ...reads } = sqliteReads(prepareStatements(database))
  return {
    ...reads,
    commit: (commands) => writer.commit(commands) as Promise<never>,
    async close() {
      endReads()
      await writer.close()
      if (database.isOpen) database.close()
    },
  }
}

function writerHere(path: string, database: DatabaseSync): WriterClient {
  const writer = sqliteWriter(path, database)
  return {
    async commit(commands: readonly Command[]): Promise<Outcome[]> {
      const [result] = writer.apply([commands])
      if (result === undefined) throw new Error('the writer gave no result')
      return outcomesOf(result)
    },
    async close() {
      if (database.isOpen) writer.close()
    },
  }
}
