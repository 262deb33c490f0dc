import { constants } from 'node:fs'
import { access, chmod, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** A file of a data folder is not for the user that this process runs as. */
export class ForeignFileError extends Error {
  override readonly name = 'ForeignFileError'
}

/** What is secret: the database has the key that authenticates uploads. */
const DATABASES = ['lock.sqlite', 'metadata.sqlite', 'metadata.sqlite-wal', 'metadata.sqlite-shm']
const OF_OTHERS = 0o077
const PERMISSIONS = 0o7777

/**
 * Refuses a folder that this user may not write, or in which a file of the registry is not for this user. Only looks: opening the database
 * would leave files that its owner could not use.
 *
 * @throws ForeignFileError naming the file, its owner and its mode
 */
export async function refuseForeignFiles(folder: string): Promise<void> {
  await refuseForeign(folder, constants.R_OK | constants.W_OK)
}

/** Refuses a folder that this user may not read, or in which this user may not read a file of the registry. Only looks. @throws ForeignFileError */
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
    // Whoever makes the folder says so.
    if ((wanted & constants.X_OK) !== 0 && found?.isFile()) return
    if (code !== 'EACCES' || found === undefined) throw error
    const mode = (found.mode & PERMISSIONS).toString(8).padStart(4, '0')
    throw new ForeignFileError(
      `this user cannot ${(wanted & constants.W_OK) === 0 ? 'read' : 'write to'} it: ${name} belongs to user ${found.uid} with mode ${mode}, and this process runs as user ${process.geteuid?.()}`,
    )
  }
}

/** The names of the files of the database that other users may read or write, as they may where the folder was not made by us; only looks. */
export async function exposedFiles(folder: string): Promise<string[]> {
  const exposed = await Promise.all(DATABASES.map((name) => isExposed(join(folder, name))))
  return DATABASES.filter((_, index) => exposed[index])
}

/** Takes from other users what they may do with the files of the database. */
export async function hideFromOthers(folder: string): Promise<void> {
  for (const name of await exposedFiles(folder)) await chmod(join(folder, name), 0o600)
}

/** Files of other owners are theirs to hide. */
async function isExposed(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && found.uid === process.geteuid?.() && (found.mode & OF_OTHERS) !== 0
}
