import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { databaseSize } from './database-size.ts'
import { makeJobLeases } from './jobs.ts'
import { refuseDamagedJournal } from './journal.ts'
import { migrate, schemaVersion } from './migrations.ts'
import { Reserve } from './reserve.ts'
import { isStoreFailure, primaryCode, SQLITE_BUSY, SQLITE_FULL } from './sqlite-error.ts'

const BUSY_TIMEOUT_MS = 10_000
/**
 * For every connection. By default SQLite keeps rollback data and sort data in files of a temporary folder, and a container with a
 * read-only root has none. Both stay small: the rollback data is the pages that one command changes, and lists come in order from an index.
 */
export const WITHOUT_TEMPORARY_FILES = 'PRAGMA temp_store = MEMORY'
/** A checkpoint costs additional syncs, so there is one for each 16 MiB of log. A log that a crash leaves must be read at the next start. */
const WRITING = `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;
  PRAGMA wal_autocheckpoint = 4096; PRAGMA cache_size = -32768`

/**
 * Opens a database for writing and brings it to the newest schema; `:memory:` makes one that is lost on close.
 *
 * @throws NewerDataError, JournalDamagedError; nothing is changed then
 */
export function openForWriting(path: string): DatabaseSync {
  if (path !== ':memory:' && existsSync(path)) {
    refuseDamagedJournal(path)
    refuseNewer(path)
  }
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  try {
    database.exec(WITHOUT_TEMPORARY_FILES)
    letShrink(database)
    database.exec(WRITING)
    migrate(database)
    makeJobLeases(database)
  } catch (error) {
    database.close()
    throw error
  }
  return database
}

/**
 * Opens a database for writing on a disk that may be full. In that case the reserve provides the space that opening needs.
 *
 * @param prepare a first step, which also gets that space
 * @throws as {@link openForWriting}
 */
export function openWithReserve(
  path: string,
  prepare: (database: DatabaseSync) => void = () => {},
): { database: DatabaseSync; reserve: Reserve } {
  const reserve = new Reserve(path)
  const open = () => {
    const database = openForWriting(path)
    try {
      prepare(database)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  }
  try {
    return { database: open(), reserve }
  } catch (error) {
    if (!isStoreFailure(error)) throw error
    return { database: reserve.lend(open), reserve }
  }
}

/** Opening for writing already changes a file, since it would recover the journal of a crashed server. */
function refuseNewer(path: string): void {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    schemaVersion(database)
  } finally {
    database.close()
  }
}

/** A database of up to this many bytes is rewritten in a moment. */
const MAX_REWRITTEN = 64 * 1024 * 1024
const INCREMENTAL = 2

/**
 * Prepares a database of an older version to return space. It must be rewritten once, which happens at a start if it is small. A larger one
 * stays as it is and reuses the space that it frees; docs/operations/disk-full.md explains how to rewrite it.
 */
function letShrink(database: DatabaseSync): void {
  const { auto_vacuum: mode } = database.prepare('PRAGMA auto_vacuum').get() ?? {}
  // Setting it again would write it again.
  if (mode === INCREMENTAL) return
  database.exec('PRAGMA auto_vacuum = INCREMENTAL')
  const size = databaseSize(database)
  if (size === 0 || size > MAX_REWRITTEN) return
  try {
    database.exec('VACUUM')
  } catch (error) {
    // This needs as much free space as the database has, and no other process may have it open. The next start tries again.
    if (![SQLITE_FULL, SQLITE_BUSY].includes(primaryCode(error) ?? 0)) throw error
  }
}
