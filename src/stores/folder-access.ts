import { constants } from 'node:fs'
import { access, chmod, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** The user that this process runs as has no access to a file of a data folder. */
export class ForeignFileError extends Error {
  override readonly name = 'ForeignFileError'
}

/** The secret files: the database contains the key that authenticates uploads. */
const DATABASES = ['lock.sqlite', 'metadata.sqlite', 'metadata.sqlite-wal', 'metadata.sqlite-shm']
const OF_OTHERS = 0o077
const PERMISSIONS = 0o7777

/**
 * Refuses a folder that this user may not write, or that contains a file of the registry to which this user has no access. It opens
 * nothing: opening the database would leave files that its owner could not use.
 *
 * @throws ForeignFileError naming the file, its owner and its mode
 */
export async function refuseForeignFiles(folder: string): Promise<void> {
  await refuseForeign(folder, constants.R_OK | constants.W_OK)
}

/**
 * Refuses a folder that this user may not read, or in which this user may not read a file of the registry. It opens nothing. @throws
 * ForeignFileError
 */
export async function refuseUnreadableFiles(folder: string): Promise<void> {
  await refuseForeign(folder, constants.R_OK)
}

async function refuseForeign(folder: string, wanted: number): Promise<void> {
  await refuseUnless(folder, 'it', wanted | constants.X_OK)
  for (const name of DATABASES) await refuseUnless(join(folder, name), name, wanted)
  await refuseUnless(join(folder, 'blobs'), 'blobs', wanted | constants.X_OK)
}

async function refuseUnless(path: string, name: string, wanted: number): Promise<void> {
  try {
    await access(path, wanted)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return
    const found = await stat(path).catch(() => undefined)
    // If there is a file in the place of the folder, the code that makes the folder reports it.
    if ((wanted & constants.X_OK) !== 0 && found?.isFile()) return
    if (code !== 'EACCES' || found === undefined) throw error
    const mode = (found.mode & PERMISSIONS).toString(8).padStart(4, '0')
    throw new ForeignFileError(
      `this user cannot ${(wanted & constants.W_OK) === 0 ? 'read' : 'write to'} it: ${name} belongs to user ${found.uid} with mode ${mode}, and this process runs as user ${process.geteuid?.()}`,
    )
  }
}

/** The names of the database files that other users may read or write, as is possible if the folder was not made by Stowage. It changes nothing. */
export async function exposedFiles(folder: string): Promise<string[]> {
  const exposed = await Promise.all(DATABASES.map((name) => isExposed(join(folder, name))))
  return DATABASES.filter((_, index) => exposed[index])
}

/** Removes the permissions of other users on the files of the database. */
export async function hideFromOthers(folder: string): Promise<void> {
  for (const name of await exposedFiles(folder)) await chmod(join(folder, name), 0o600)
}

/** Files of other owners do not count, since only the owner can change the permissions. */
async function isExposed(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && found.uid === process.geteuid?.() && (found.mode & OF_OTHERS) !== 0
}
