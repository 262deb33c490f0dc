import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { databaseSize } from './database-size.ts'
import { refuseDamagedJournal } from './journal.ts'
import { migrate, schemaVersion } from './migrations.ts'
import { Reserve } from './reserve.ts'
import { isStoreFailure, primaryCode, SQLITE_BUSY, SQLITE_FULL } from './sqlite-error.ts'

const BUSY_TIMEOUT_MS = 10_000
/**
 * For every connection. SQLite would keep what it may have to undo, and what it sorts, in files of a temporary folder, and a container whose root
 * cannot be written has none. What is undone are the pages that one command changes; lists come in order from an index.
 */
export const WITHOUT_TEMPORARY_FILES = 'PRAGMA temp_store = MEMORY'
/** A checkpoint costs syncs of its own, so that there is one for each 16 MiB of log; what a crash leaves must be read at the next start. */
const WRITING = `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;
  PRAGMA wal_autocheckpoint = 4096; PRAGMA cache_size = -32768`

/**
 * Opens a database for writing and brings it to the newest schema; `:memory:` makes one that is gone on close.
 *
 * @throws NewerDataError, JournalDamagedError; nothing is touched then
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
  } catch (error) {
    database.close()
    throw error
  }
  return database
}

/**
 * Opens a database for writing on a disk that may be full: then the reserve gives the space that the opening itself needs.
 *
 * @param prepare a first step, for which the same is true
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

/** Opening for writing changes a file already: it would take in the journal of a crashed server. */
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
 * Prepares a database of an older version to give space back: it must be rewritten once, which is done at a start if it is small. A
 * larger one stays as it is, and reuses what it frees; docs/operations/disk-full.md says how to rewrite it.
 */
function letShrink(database: DatabaseSync): void {
  const { auto_vacuum: mode } = database.prepare('PRAGMA auto_vacuum').get() ?? {}
  // To say it again would write it again.
  if (mode === INCREMENTAL) return
  database.exec('PRAGMA auto_vacuum = INCREMENTAL')
  const size = databaseSize(database)
  if (size === 0 || size > MAX_REWRITTEN) return
  try {
    database.exec('VACUUM')
  } catch (error) {
    // It needs as much space again, and whoever else has it open must be gone; the next start tries again.
    if (![SQLITE_FULL, SQLITE_BUSY].includes(primaryCode(error) ?? 0)) throw error
  }
}
