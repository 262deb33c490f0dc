import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { WITHOUT_TEMPORARY_FILES } from './opening.ts'

/** A database cannot be read without leaving a file next to it that its owner could not use. */
export class UnreadableDatabaseError extends Error {
  override readonly name = 'UnreadableDatabaseError'
}

const BUSY_TIMEOUT_MS = 10_000
const MAX_ATTEMPTS = 20
const PAUSE_MS = 250

/** Shows whether a database file has been written to since. */
interface Stamp {
  /** Whether there is a log, which means that a server has the database open or has crashed. */
  hasLog: boolean
  file: string
}

/**
 * Reads a database without changing anything. A server may have it open or may open it at any moment.
 *
 * If there is no write-ahead log, opening it in the usual way would create one. So it is opened as an immutable file, which needs neither a
 * log nor a lock. If it has changed anyway when everything is read, a server was started, and it is read again.
 *
 * @param read called once more for each such change, with another connection
 * @throws UnreadableDatabaseError, the error of SQLite, or what `read` throws
 */
export async function readQuietly<T>(
  path: string,
  read: (database: DatabaseSync) => T | Promise<T>,
): Promise<T> {
  return await readAndUse(path, read, (found) => found)
}

/**
 * Like {@link readQuietly}, for results that are too large to keep without the connection.
 *
 * @param use called with the result once it is known to be correct, while the connection is still open
 */
export async function readAndUse<Read, Used>(
  path: string,
  read: (database: DatabaseSync) => Read | Promise<Read>,
  use: (found: Read) => Used | Promise<Used>,
): Promise<Used> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const before = stampOf(path)
    const database = open(path, before)
    try {
      const found = await outcomeOf(() => read(database))
      // If a server has it open, its log keeps the reads consistent.
      if (before.hasLog || before.file === stampOf(path).file) return await use(found())
    } finally {
      database.close()
    }
    await sleep(PAUSE_MS)
  }
  throw new UnreadableDatabaseError('it keeps changing')
}

/** The result of a step, which is returned or thrown when it is requested. */
async function outcomeOf<T>(step: () => T | Promise<T>): Promise<() => T> {
  try {
    const value = await step()
    return () => value
  } catch (error) {
    return () => {
      throw error
    }
  }
}

function open(path: string, { hasLog }: Stamp): DatabaseSync {
  const database = hasLog ? openWithLog(path) : openAsIs(path)
  database.exec(WITHOUT_TEMPORARY_FILES)
  return database
}

function openWithLog(path: string): DatabaseSync {
  refuseForeignIndex(path)
  return new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
}

function openAsIs(path: string): DatabaseSync {
  const url = pathToFileURL(path)
  url.searchParams.set('immutable', '1')
  return new DatabaseSync(url, { readOnly: true })
}

/** The first reader of a log creates its index. SQLite gives the index to the owner of the database only if root creates it. */
function refuseForeignIndex(path: string): void {
  if (statSync(`${path}-shm`, { throwIfNoEntry: false }) !== undefined) return
  const user = process.geteuid?.()
  const { uid } = statSync(path)
  if (user === undefined || user === 0 || user === uid) return
  throw new UnreadableDatabaseError(
    `reading its write-ahead log would create a file that belongs to user ${user} next to it; only user ${uid} and root can do this`,
  )
}

function stampOf(path: string): Stamp {
  const found = statSync(path, { bigint: true })
  const hasLog = ['-wal', '-journal'].some(
    (suffix) => (statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0) > 0,
  )
  return { hasLog, file: `${hasLog} ${found.ino} ${found.size} ${found.mtimeNs}` }
}
