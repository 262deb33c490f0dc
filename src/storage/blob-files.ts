import { constants } from 'node:fs'
import { copyFile, lstat, open, opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type BlobKey, checkKey, isKey } from './blob-store.ts'

/** An entry in the folder of a blob store. */
export interface FoundFile {
  path: string
  /** The key of a blob; absent if a blob store would not make such an entry, for example a link or a file with another name. */
  key?: BlobKey
}

const FOLDER = /^[0-9a-f]{2}$/
const MARK = /^identity-[0-9a-f]{32}$/
const FILE_MODE = 0o600

/** The path of the bytes of a blob. @throws TypeError if the key is not one */
export function pathOfBlob(root: string, key: BlobKey): string {
  checkKey(key)
  return join(root, key.slice(0, 2), key)
}

/**
 * Walks through all files of a blob store, in no particular order. For commands that maintain a data folder; no request lists it.
 *
 * Links are not followed, except for the root itself, which may be on another disk.
 */
export async function* listBlobFiles(root: string): AsyncGenerator<FoundFile> {
  for await (const { name, ...entry } of entriesOf(root)) {
    const path = join(root, name)
    if (FOLDER.test(name) && entry.isFolder) yield* listFolder(path, name)
    else if (!MARK.test(name) || !entry.isFolder) yield { path }
  }
}

async function* listFolder(folder: string, prefix: string): AsyncGenerator<FoundFile> {
  for await (const { name, isFile } of entriesOf(folder)) {
    const path = join(folder, name)
    yield isFile && isKey(name) && name.startsWith(prefix) ? { path, key: name } : { path }
  }
}

/** Some file systems do not report the type of an entry with its name. */
async function* entriesOf(
  folder: string,
): AsyncGenerator<{ name: string; isFile: boolean; isFolder: boolean }> {
  for await (const entry of await opendir(folder)) {
    const isKnown = entry.isFile() || entry.isDirectory() || entry.isSymbolicLink()
    const found = isKnown ? entry : await lstat(join(folder, entry.name)).catch(() => undefined)
    if (found !== undefined) yield { name: entry.name, isFile: found.isFile(), isFolder: found.isDirectory() }
  }
}

/**
 * Copies a blob's file and makes the bytes of the copy durable. The copy keeps the times of the file, so that other tools see that it is
 * the same, and shares its blocks if the file system supports that. Its name is durable once the folder is synced.
 *
 * @returns the size of the copy
 */
export async function copyBlobFile(from: string, to: string): Promise<number> {
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  const { atime, mtime } = await stat(from)
  const file = await open(to, 'r')
  try {
    await file.chmod(FILE_MODE)
    await file.utimes(atime, mtime)
    await file.sync()
    return (await file.stat()).size
  } finally {
    await file.close()
  }
}

/** Returns the status of a regular file. A link is not followed. @returns undefined if there is none */
export async function statFile(path: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return found?.isFile() ? found : undefined
}
