import { constants, copyFileSync, existsSync } from 'node:fs'
import { backup, DatabaseSync } from 'node:sqlite'
import { readJournalMarks } from './checkpoints.ts'
import { databaseSize } from './database-size.ts'
import { refuseDamagedJournal } from './journal.ts'
import { schemaVersion } from './migrations.ts'
import { WITHOUT_TEMPORARY_FILES } from './opening.ts'
import { refuseUnsound } from './soundness.ts'

/** A copy of a database that is ready to be served. */
export interface DatabaseCopy {
  /** The secret of the database, which identifies its folder of blobs. */
  secret: Uint8Array
  /** How many open uploads were dropped from it. */
  uploads: number
  bytes: number
}

const BUSY_TIMEOUT_MS = 10_000
/** A step blocks the connection for some milliseconds. */
const PAGES_PER_STEP = 2000

/**
 * Copies a database that a server has open, as it is at one moment. The server keeps running.
 *
 * @param to the path of a file that does not exist yet
 * @throws NewerDataError, or the error of SQLite
 */
export async function copyRunning(from: string, to: string): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    schemaVersion(source)
    // Without a transaction that keeps its state, the copy would start again after each commit of the server.
    source.exec('BEGIN; SELECT count(*) FROM sqlite_schema')
    await backup(source, to, { rate: PAGES_PER_STEP })
  } finally {
    source.close()
  }
}

/**
 * Copies a database that no process has open, with the write-ahead log that a crash may have left. The original is only read.
 *
 * @param to the path of a file that does not exist yet
 * @throws DatabaseDamagedError, JournalDamagedError, NewerDataError, or the error of the file system
 */
export function copyStopped(from: string, to: string): void {
  for (const suffix of ['', '-wal']) {
    if (suffix !== '' && !existsSync(from + suffix)) continue
    copyFileSync(from + suffix, to + suffix, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  }
  refuseDamagedJournal(to)
  refuseUnsound(to)
}

/**
 * Prepares a fresh copy to be served: one file without a log, marked as closed in good order. Open uploads are dropped, since their bytes
 * are incomplete. The queue of keys to delete is dropped too, since their bytes are not copied.
 */
export function settleCopy(path: string): DatabaseCopy {
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  try {
    database.exec(WITHOUT_TEMPORARY_FILES)
    database.exec('PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE; BEGIN IMMEDIATE')
    const { changes } = database.prepare('DELETE FROM uploads').run()
    database.exec('DELETE FROM garbage')
    if (readJournalMarks(database) !== undefined)
      database.exec(`UPDATE marks SET value = 0 WHERE name = 'journal-running'`)
    database.exec('COMMIT')
    return { secret: secretOf(database), uploads: Number(changes), bytes: databaseSize(database) }
  } finally {
    database.close()
  }
}

/** The secret of a database. */
export function secretOf(database: DatabaseSync): Uint8Array {
  return database.prepare(`SELECT value FROM settings WHERE name = 'secret'`).get()?.value as Uint8Array
}
