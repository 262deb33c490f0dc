import { createHash } from 'node:crypto'
import { access, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { FolderInUseError, lockFolder } from '../metadata/sqlite/folder-lock.ts'
import { JournalDamagedError } from '../metadata/sqlite/journal.ts'
import { NewerDataError } from '../metadata/sqlite/migrations.ts'
import { DatabaseDamagedError, findProblem } from '../metadata/sqlite/soundness.ts'
import { primaryCode, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_NOTADB } from '../metadata/sqlite/sqlite-error.ts'
import { type SharedMetadata, sharedMetadata, sqliteMetadata } from '../metadata/sqlite/store.ts'
import { type BlobFolder, isMarked, markOf } from '../storage/blob-folder.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import { DiskGate } from '../storage/disk-gate.ts'
import { blobStoreAt, fileSystemBlobStore } from '../storage/file-system.ts'
import { makeFolder } from '../storage/folder.ts'
import { exposedFiles, ForeignFileError, hideFromOthers, refuseForeignFiles } from './folder-access.ts'

/** A data folder can't be used. The message gives the reason in one line. Nothing in the folder was changed. */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError'
}

/** Both stores of a data folder. */
export interface Stores {
  /** Where this thread waits for the disk. */
  gate: DiskGate
  metadata: MetadataStore
  blobs: BlobStore
  close(): Promise<void>
}

/** A data folder that only this process uses. */
export interface DataFolder extends Stores {
  /** Gives access to one other thread of this process, which must close its stores before this folder is closed. */
  share(): SharedFolder
  /** Whether the folder of blobs existed at the start. If it is not mounted, the server waits for it and makes nothing in its place. */
  readonly hasBlobs: boolean
  /** The mark that identifies the folder of blobs; see storage/blob-folder.ts. */
  readonly blobsMark: string
  /**
   * Continues the check of the database if the start had no time for all of it, and looks for the files of blobs. If the last run did not
   * end in good order, it looks for the files of all blobs, otherwise only of the first few thousand.
   *
   * @returns the problems that were found; if the signal is aborted, only those found until then
   */
  check(signal: AbortSignal): Promise<FolderFindings>
  /** Files that other users could read until now, for example in a folder that was not made by Stowage. */
  readonly hidden: readonly string[]
}

/** What {@link DataFolder.check} found. */
export interface FolderFindings {
  /** The problem of the database; undefined if there is none. */
  problem: string | undefined
  /** How many blobs have lost their files. */
  lost: number
}

/** What another thread needs to use a data folder; `metadata.writers` must be transferred to it. */
export interface SharedFolder {
  path: string
  /** Of the folder of blobs. */
  identity: string
  metadata: SharedMetadata
}

/**
 * Opens a data folder with `lock.sqlite`, `metadata.sqlite` and `blobs/`, and creates it if it is absent. It is checked before anything is
 * changed: a start that is refused leaves it as it was.
 *
 * @param onWriterDeath called if the thread that writes the metadata died; another thread takes over automatically
 * @throws DataFolderError if it can't be written, is in use, is damaged, or was written by a newer version
 */
export async function openDataFolder(
  path: string,
  onWriterDeath: (error: unknown) => void = () => {},
): Promise<DataFolder> {
  await refuseUnfinished(path)
  try {
    // Other users must not read its content, such as the key that authenticates uploads.
    await refuseForeignFiles(path)
    const exposed = await exposedFiles(path)
    await makeFolder(path, 0o700)
    const lock = lockFolder(lockOf(path))
    try {
      const opened = await openLocked(path, onWriterDeath, lock.release)
      await hideFromOthers(path)
      return { ...opened, hidden: exposed }
    } catch (error) {
      lock.release()
      throw error
    }
  } catch (error) {
    throw unusable(path, error)
  }
}

/** The stores of a folder that another thread opened. @param gate where this thread waits for the disk */
export function joinDataFolder(
  { path, identity, metadata: shared }: SharedFolder,
  gate: DiskGate = new DiskGate(),
): Stores {
  const metadata = sharedMetadata(shared)
  return {
    gate,
    metadata: throughGate(metadata, gate),
    blobs: blobStoreAt({ root: blobsOf(path), identity, gate }),
    close: () => metadata.close(),
  }
}

function throughGate(metadata: MetadataStore, gate: DiskGate): MetadataStore {
  return { ...metadata, commit: (commands) => gate.commit(() => metadata.commit(commands)) }
}

/** The folder of blobs of a data folder. */
export function blobsOf(path: string): string {
  return join(path, 'blobs')
}

/** The database of a data folder. */
export function databaseOf(path: string): string {
  return join(path, 'metadata.sqlite')
}

/** The file whose lock claims a data folder; see {@link lockFolder}. */
export function lockOf(path: string): string {
  return join(path, 'lock.sqlite')
}

/** The file that marks a backup as incomplete. */
export function unfinishedMarkOf(path: string): string {
  return join(path, 'unfinished-backup')
}

/** Refuses a backup that was interrupted. @throws DataFolderError */
export async function refuseUnfinished(path: string): Promise<void> {
  if (await isThere(unfinishedMarkOf(path)))
    throw new DataFolderError(`${path} is an incomplete backup; delete it and make another one`)
}

/** Identifies a data folder independently of the path that leads to it. */
export async function folderIdentity(path: string): Promise<string> {
  const { dev, ino } = await stat(path)
  return `${dev}:${ino}`
}

async function openLocked(
  path: string,
  onWriterDeath: (error: unknown) => void,
  release: () => void,
): Promise<Omit<DataFolder, 'hidden'>> {
  const metadata = await sqliteMetadata({ path: databaseOf(path), onWriterDeath })
  const identity = identityOf(metadata.secret)
  const gate = new DiskGate()
  const { blobs, hasBlobs } = await openBlobs(metadata, { root: blobsOf(path), identity, gate }).catch(
    async (error: unknown) => {
      await metadata.close()
      throw error
    },
  )
  return {
    gate,
    metadata: throughGate(metadata, gate),
    blobs,
    hasBlobs,
    blobsMark: markOf({ root: blobsOf(path), identity }),
    share: () => ({ path, identity, metadata: metadata.share() }),
    async check(signal) {
      const { soundness } = metadata
      const problem = soundness === 'in part' ? await findProblem(databaseOf(path), signal) : undefined
      const pages = soundness === 'trusted' ? SAMPLE_PAGES : Number.POSITIVE_INFINITY
      return { problem, lost: hasBlobs ? await countLost({ metadata, blobs }, pages, signal) : 0 }
    },
    async close() {
      await metadata.close()
      release()
    },
  }
}

/**
 * Checks the file of each blob. If a file is missing, the blob may have been deleted or pushed again in the meantime, so its key is looked
 * up again.
 */
async function countLost(
  { metadata, blobs }: Pick<Stores, 'metadata' | 'blobs'>,
  pages: number,
  signal: AbortSignal,
): Promise<number> {
  let lost = 0
  for (let page = 0, after: number | undefined = 0; page < pages && after !== undefined; page++) {
    const { stored, next } = await metadata.contents.listStored(after, SAMPLE_PAGE_SIZE)
    for (const { key, size, digest } of stored) {
      if (signal.aborted) return lost
      const found = await blobs.size(key)
      if (found !== undefined && found >= size) continue
      const [again] = await metadata.contents.stored([digest])
      if (again?.key === key) lost++
    }
    after = next
  }
  return lost
}

/** The identity of a folder of blobs. It is derived from the secret of the database, which binds the two to each other. */
export function identityOf(secret: Uint8Array): string {
  return createHash('sha256').update('stowage folder of blobs').update(secret).digest('hex').slice(0, 32)
}

/**
 * Opens the folder of blobs, and creates it if nothing was ever stored. A folder without a mark, as older versions left it, is marked if it
 * contains a blob that the metadata references. If it contains none, it may be an empty mount point. It is then left as it is, and blobs
 * are unavailable until the marked folder is back.
 */
async function openBlobs(
  metadata: MetadataStore,
  place: BlobFolder & { gate: DiskGate },
): Promise<{ blobs: BlobStore; hasBlobs: boolean }> {
  if ((await isMarked(place)) || (await mayMark(metadata, place)))
    return { blobs: await fileSystemBlobStore(place), hasBlobs: true }
  return { blobs: blobStoreAt(place), hasBlobs: false }
}

const SAMPLE_PAGES = 10
const SAMPLE_PAGE_SIZE = 1000
const MAX_SAMPLE = 100

async function mayMark({ contents }: MetadataStore, { root }: BlobFolder): Promise<boolean> {
  let looked = 0
  for (let page = 0, after: number | undefined = 0; page < SAMPLE_PAGES && after !== undefined; page++) {
    const { stored, next } = await contents.listStored(after, SAMPLE_PAGE_SIZE)
    for (const { key } of stored.slice(0, MAX_SAMPLE - looked)) {
      if (await isThere(join(root, key.slice(0, 2), key))) return true
      looked++
    }
    after = looked < MAX_SAMPLE ? next : undefined
  }
  return looked === 0
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user cannot write to it',
  EPERM: 'this user cannot write to it',
  EROFS: 'it is on a read-only file system',
  ENOTDIR: 'a part of its path is a file',
  EEXIST: 'it is a file',
  ENOENT: 'the system does not allow creating it there',
  ENOSPC: 'there is no space left',
  EDQUOT: 'the quota is used up',
}

/** The refusal of a data folder because of an error. */
export function unusable(path: string, cause: unknown): DataFolderError {
  return new DataFolderError(`data folder ${path} cannot be used: ${describeProblem(cause)}`, { cause })
}

/** Why a data folder cannot be used, as part of a one-line message. */
export function describeProblem(error: unknown): string {
  if (error instanceof FolderInUseError || error instanceof ForeignFileError) return error.message
  if (error instanceof NewerDataError) return `it was written by a newer version: ${error.message}`
  const { code, message } = error as NodeJS.ErrnoException
  const result = primaryCode(error)
  const isDamaged =
    error instanceof JournalDamagedError ||
    error instanceof DatabaseDamagedError ||
    result === SQLITE_CORRUPT ||
    result === SQLITE_NOTADB
  if (isDamaged)
    return `metadata.sqlite is damaged (${message}); keep a copy of the folder, and restore a backup`
  return REASONS[result === SQLITE_FULL ? 'ENOSPC' : (code ?? '')] ?? message
}
