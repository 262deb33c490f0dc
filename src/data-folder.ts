import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { MetadataStore } from './metadata/metadata-store.ts'
import { FolderInUseError, lockFolder } from './metadata/sqlite/folder-lock.ts'
import { JournalDamagedError } from './metadata/sqlite/journal.ts'
import { NewerDataError } from './metadata/sqlite/migrations.ts'
import { sqliteMetadata } from './metadata/sqlite/store.ts'
import type { BlobStore } from './storage/blob-store.ts'
import { fileSystemBlobStore } from './storage/file-system.ts'
import { makeFolder } from './storage/folder.ts'

/** A data folder can't be used; the message says why in one line. Nothing in it was changed. */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError'
}

/** A data folder in use by this process alone. */
export interface DataFolder {
  metadata: MetadataStore
  blobs: BlobStore
  close(): Promise<void>
}

/**
 * Opens a data folder, which is made if it is absent: `lock.sqlite`, `metadata.sqlite` and `blobs/`.
 *
 * @throws DataFolderError if it can't be written, is in use, is damaged, or was written by a newer version
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  try {
    // What is in it, such as the key that authenticates uploads, is no other user's business.
    await makeFolder(path, 0o700)
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
    const lock = lockFolder(join(path, 'lock.sqlite'))
    try {
      return await openLocked(path, lock.release)
    } catch (error) {
      lock.release()
      throw error
    }
  } catch (error) {
    throw new DataFolderError(`data folder ${path} cannot be used: ${reason(error)}`, { cause: error })
  }
}

async function openLocked(path: string, release: () => void): Promise<DataFolder> {
  const metadata = await sqliteMetadata({ path: join(path, 'metadata.sqlite') })
  const blobs = await fileSystemBlobStore({ root: join(path, 'blobs') }).catch(async (error: unknown) => {
    await metadata.close()
    throw error
  })
  return {
    metadata,
    blobs,
    async close() {
      await metadata.close()
      release()
    },
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write to it',
  EPERM: 'this user may not write to it',
  EROFS: 'it is on a file system that is read-only',
  ENOTDIR: 'a part of its path is a file',
  EEXIST: 'it is a file',
  ENOSPC: 'there is no space left',
}

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

function reason(error: unknown): string {
  if (error instanceof FolderInUseError) return error.message
  if (error instanceof NewerDataError) return `it was written by a newer version: ${error.message}`
  const { code, message, errcode = 0 } = error as NodeJS.ErrnoException & { errcode?: number }
  const isDamaged =
    error instanceof JournalDamagedError || [SQLITE_CORRUPT, SQLITE_NOTADB].includes(errcode & 0xff)
  if (isDamaged)
    return `metadata.sqlite is damaged (${message}); keep a copy of the folder, and restore a backup`
  return REASONS[code ?? ''] ?? message
}
