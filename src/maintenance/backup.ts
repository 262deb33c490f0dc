import { chmod, open, readdir, realpath, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { copyRunning, copyStopped, settleCopy } from '../metadata/sqlite/database-copy.ts'
import { holdersOf, type ListedContent, listContents } from '../metadata/sqlite/stored-contents.ts'
import { copyBlobFile, pathOfBlob } from '../storage/blob-files.ts'
import { type BlobFolder, requireMark } from '../storage/blob-folder.ts'
import { fileSystemBlobStore } from '../storage/file-system.ts'
import { makeFolder, syncFolder } from '../storage/folder.ts'
import { blobsOf, databaseOf, describeProblem, identityOf, unfinishedMarkOf } from '../stores/data-folder.ts'
import type { LostBlob } from './lost-blob.ts'
import { inParallel } from './parallel.ts'

/** A backup could not be made. The message gives the reason in one line. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
}

/** A backup cannot be written to this place. Nothing was changed. */
export class BackupTargetError extends BackupError {}

/** What to back up, and where to. */
export interface BackupRequest {
  /** The data folder. The caller must ensure that no blob of it is deleted in the meantime. */
  data: string
  /** A folder that is empty or does not exist yet. */
  to: string
  /** Whether a server has the data folder open. */
  isServed: boolean
  /** Called for each blob that is not in the backup because its bytes cannot be read. */
  onLost(lost: LostBlob): void
  /** Called after each blob. */
  onProgress(copied: Copied): void
}

/** The progress of a backup. */
export interface Copied {
  blobs: number
  /** The bytes of the blobs, without the database. */
  bytes: number
}

/** A backup that was made. */
export interface Backup extends Copied {
  /** Of the database. */
  databaseBytes: number
  /** How many blobs are not in it, because their bytes cannot be read. */
  lost: number
  /** How many open uploads are not in it. */
  uploads: number
}

const COPIES_AT_ONCE = 8
const PAGE = 1000
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const EXPLANATION = 'This backup is incomplete. Delete it and make another one.\n'

/**
 * Makes a backup: a data folder with the database as it was at one moment, and all blobs that it references. Until it is complete, it has a
 * mark by which every command recognizes that it is incomplete. When this returns, all of it is durable. If it fails, the incomplete backup
 * is deleted.
 *
 * @throws BackupError
 */
export async function makeBackup(request: BackupRequest): Promise<Backup> {
  const { data, to } = request
  await refuseTarget(request)
  const wasThere = await stat(to).then(
    () => true,
    () => false,
  )
  const fail = (error: unknown): never => {
    throw new BackupError(`${data} cannot be backed up to ${to}: ${describeProblem(error)}`, { cause: error })
  }
  await makeFolder(to, FOLDER_MODE).catch(fail)
  try {
    await makeMark(to)
  } catch (error) {
    // Without the mark, the content of the folder was not made by this backup.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new BackupTargetError(`another backup is being made in ${to}`, { cause: error })
    if (error instanceof BackupTargetError) throw error
    if (!wasThere) await rmdir(to).catch(() => {})
    return fail(error)
  }
  try {
    return await fill(request)
  } catch (error) {
    await discard(to, wasThere)
    return fail(error)
  }
}

async function makeMark(to: string): Promise<void> {
  const mark = unfinishedMarkOf(to)
  const file = await open(mark, 'wx', FILE_MODE)
  try {
    await file.writeFile(EXPLANATION)
    await file.sync()
    await syncFolder(to)
    // Another backup may have finished since the folder was checked.
    if ((await readdir(to)).length > 1) throw new BackupTargetError(`${to} is no longer empty`)
  } catch (error) {
    await unlink(mark).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}

async function fill(request: BackupRequest): Promise<Backup> {
  const { data, to, isServed } = request
  const database = databaseOf(to)
  if (isServed) await copyRunning(databaseOf(data), database)
  else copyStopped(databaseOf(data), database)
  const { secret, uploads, bytes: databaseBytes } = settleCopy(database)
  await syncFile(database)
  const identity = identityOf(secret)
  const source = { root: blobsOf(data), identity }
  await requireMark(source)
  await fileSystemBlobStore({ root: blobsOf(to), identity })
  const copied = await copyBlobs(request, source)
  await syncFolders(blobsOf(to))
  await syncFolder(to)
  await unlink(unfinishedMarkOf(to))
  await syncFolder(to)
  return { ...copied, databaseBytes, uploads }
}

async function copyBlobs(
  { to, onLost, onProgress }: BackupRequest,
  source: BlobFolder,
): Promise<Copied & { lost: number }> {
  const copied = { blobs: 0, bytes: 0, lost: 0 }
  const database = new DatabaseSync(databaseOf(to), { readOnly: true })
  try {
    await inParallel(storedContents(database), COPIES_AT_ONCE, async (content) => {
      const problem = await copyBlob(source, blobsOf(to), content)
      if (problem !== undefined) {
        copied.lost++
        onLost({ digest: content.digest, problem, repositories: holdersOf(database, content.digest) })
        return
      }
      copied.blobs++
      copied.bytes += content.size
      onProgress(copied)
    })
  } finally {
    database.close()
  }
  return copied
}

type StoredContent = ListedContent & { key: string }

async function* storedContents(database: DatabaseSync): AsyncGenerator<StoredContent> {
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: ListedContent[] = listContents(database, after, PAGE)
    for (const { key, ...content } of page) if (key !== undefined) yield { ...content, key }
    after = page.at(-1)?.id
  }
}

/** @returns why it could not be copied, if the reason concerns only this blob */
async function copyBlob(
  source: BlobFolder,
  root: string,
  { key, size }: StoredContent,
): Promise<string | undefined> {
  const [from, to] = [pathOfBlob(source.root, key), pathOfBlob(root, key)]
  const found = await copyBlobFile(from, to).catch(async (error: unknown) => {
    if (!(await isOfSource(error, from))) throw error
    await requireMark(source, error)
    return error as NodeJS.ErrnoException
  })
  if (found === size) return undefined
  await rm(to, { force: true })
  if (typeof found === 'number') return `its file has ${found} bytes instead of ${size}`
  return found.code === 'ENOENT' ? 'its file is missing' : `its file cannot be read (${found.code})`
}

const OF_TARGET = ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE']

/** Distinguishes an error of the original, such as a disk that cannot read it any more, from one of the copy. */
async function isOfSource(error: unknown, path: string): Promise<boolean> {
  if (OF_TARGET.includes((error as NodeJS.ErrnoException).code ?? '')) return false
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return true
  try {
    const buffer = Buffer.alloc(1024 * 1024)
    while ((await file.read(buffer, 0, buffer.length)).bytesRead > 0);
    return false
  } catch {
    return true
  } finally {
    await file.close()
  }
}

async function syncFile(path: string): Promise<void> {
  await chmod(path, FILE_MODE)
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolders(root: string): Promise<void> {
  for (const name of await readdir(root)) await syncFolder(join(root, name))
  await syncFolder(root)
}

/** A backup inside its original would be lost together with it. */
async function refuseTarget({ data, to }: BackupRequest): Promise<void> {
  const names: string[] = await readdir(to).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new BackupTargetError(`${to} cannot be used for a backup: ${describeProblem(error)}`, {
      cause: error,
    })
  })
  if (names.includes(basename(unfinishedMarkOf(to))))
    throw new BackupTargetError(`${to} contains an incomplete backup; delete it, or choose another folder`)
  if (names.length > 0)
    throw new BackupTargetError(`${to} is not empty; a backup needs an empty or new folder`)
  const path = relative(await realpath(data), await realPathOf(resolve(to)))
  if (path !== '..' && !path.startsWith('../')) throw new BackupTargetError(`${to} is inside the data folder`)
}

/** Of a path whose last parts may not exist. */
async function realPathOf(path: string): Promise<string> {
  const found = await realpath(path).catch(() => undefined)
  if (found !== undefined || path === dirname(path)) return found ?? path
  return join(await realPathOf(dirname(path)), relative(dirname(path), path))
}

/**
 * Deletes the files that this program makes, and nothing else. The mark is deleted last, so that remaining files are recognized as an
 * incomplete backup.
 */
async function discard(to: string, wasThere: boolean): Promise<void> {
  const database = databaseOf(to)
  const files = ['', '-wal', '-shm', '-journal'].map((suffix) => database + suffix)
  for (const path of [...files, blobsOf(to), unfinishedMarkOf(to)])
    await rm(path, { recursive: true, force: true }).catch(() => {})
  if (!wasThere) await rmdir(to).catch(() => {})
}
