import { constants } from 'node:fs'
import { access, chown, stat } from 'node:fs/promises'
import { FileLockedError, lockFile } from '../file-lock.ts'
import { lockOf, unusable } from '../stores/data-folder.ts'
import { refuseForeignFiles, refuseUnreadableFiles } from '../stores/folder-access.ts'

/**
 * Keeps servers from starting on a data folder. On a read-only file system no server can start, so nothing needs to be done.
 *
 * @returns a function that ends the claim; undefined if a server or another claim has the folder
 * @throws DataFolderError if this user may not claim it
 */
export async function claimStopped(path: string): Promise<(() => void) | undefined> {
  try {
    if (await isReadOnly(path)) {
      await refuseUnreadableFiles(path)
      return () => {}
    }
    await refuseForeignFiles(path)
    const { release } = lockFile(lockOf(path))
    await giveToOwner(path)
    return release
  } catch (error) {
    if (error instanceof FileLockedError) return undefined
    throw unusable(path, error)
  }
}

async function isReadOnly(path: string): Promise<boolean> {
  const error = await access(path, constants.W_OK).catch((cause: NodeJS.ErrnoException) => cause)
  return error?.code === 'EROFS'
}

/** A lock that root made must not lock out the server's user. */
async function giveToOwner(path: string): Promise<void> {
  if (process.geteuid?.() !== 0) return
  const { uid, gid } = await stat(path)
  await chown(lockOf(path), uid, gid)
}

/** Refuses a data folder that this user may not read. Changes nothing. @throws DataFolderError */
export async function refuseUnreadable(path: string): Promise<void> {
  await refuseUnreadableFiles(path).catch((error: unknown) => {
    throw unusable(path, error)
  })
}
