import { DatabaseSync } from 'node:sqlite'

/** Another server is using the data folder. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError'
}

const SQLITE_BUSY = 5

/**
 * Claims a data folder, or a Unix socket, for this process by a transaction that stays open. The operating system releases it when the
 * process ends, however it ends.
 *
 * @param path the path of a small database that is only used for the lock; nothing else may open it
 * @throws FolderInUseError if another process holds it
 */
export function lockFolder(path: string): { release(): void } {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== SQLITE_BUSY) throw error
    throw new FolderInUseError('another server is using it, or a backup of it is being made')
  }
  return { release: () => database.close() }
}
