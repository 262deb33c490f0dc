import { DatabaseSync } from 'node:sqlite'

/** Another process, or other code of this one, holds the lock. */
export class FileLockedError extends Error {
  override readonly name = 'FileLockedError'
}

const SQLITE_BUSY = 5

/**
 * Locks a file, and with it whatever the file stands for, such as a data folder or a Unix socket. The operating system releases the lock
 * when the process ends, however it ends. The lock is a transaction that stays open, because Node has no other lock on files.
 *
 * @param path the path of a file that is only used for the lock; nothing else may open it
 * @throws FileLockedError if it is locked already
 */
export function lockFile(path: string): { release(): void } {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== SQLITE_BUSY) throw error
    throw new FileLockedError(`${path} is locked`)
  }
  return { release: () => database.close() }
}
