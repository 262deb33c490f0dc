import { createHash } from 'node:crypto'
import { access, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { FileLockedError, lockFile } from '../file-lock.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { JournalDamagedError } from '../metadata/sqlite/journal.ts'
import { NewerDataError } from '../metadata/sqlite/migrations.ts'
import { DatabaseDamagedError } from '../metadata/sqlite/soundness.ts'
import { primaryCode, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_NOTADB } from '../metadata/sqlite/sqlite-error.ts'
import { type SharedMetadata, sharedMetadata, sqliteMetadata } from '../metadata/sqlite/store.ts'
import { StoreClock } from '../metadata/sqlite/store-clock.ts'
import { WRITER_STOPPED } from '../metadata/sqlite/writer-client.ts'
import { type BlobFolder, isMarked, markOf } from '../storage/blob-folder.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import { DiskGate } from '../storage/disk-gate.ts'
import { blobStoreAt, fileSystemBlobStore } from '../storage/file-system.ts'
import { makeFolder } from '../storage/folder.ts'
import { exposedFiles, ForeignFileError, hideFromOthers, refuseForeignFiles } from './folder-access.ts'
import { type CheckedAtStart, checkInBackground } from './folder-check.ts'
import {
  STALL_MS,
  type Stores,
  StoresError,
  type StoresHandle,
  type StoresLog,
  type ThreadStores,
} from './stores.ts'

/** A data folder can't be used. The message gives the reason in one line. Nothing in the folder was changed. */
export class DataFolderError extends StoresError {
  override readonly name = 'DataFolderError'
}

const KIND = 'data folder'

/** What another thread needs to use a data folder. */
export interface SharedFolder extends StoresHandle {
  kind: typeof KIND
  path: string
  /** Of the folder of blobs. */
  identity: string
  metadata: SharedMetadata
  checked: CheckedAtStart
}

/** Whether a handle is one of this implementation. */
export function isSharedFolder(handle: StoresHandle): handle is SharedFolder {
  return handle.kind === KIND
}

const SILENT: StoresLog = { warn() {}, error() {} }

const BLOBS_ABSENT =
  'the blob folder contains none of its blobs; is its disk mounted? Requests for blobs get 503 until the files are back. If they are permanently lost, create the folder "mark" and restart'

/**
 * Opens a data folder with `lock.sqlite`, `metadata.sqlite` and `blobs/`, and creates it if it is absent. It is checked before anything is
 * changed: a start that is refused leaves it as it was. If the thread that writes the metadata dies, another one takes over automatically.
 *
 * @param clock of its metadata; the clock of the system if absent
 * @throws DataFolderError if it can't be written, is in use, is damaged, or was written by a newer version
 */
export async function openDataFolder(
  path: string,
  { log = SILENT, clock = new StoreClock() }: { log?: StoresLog; clock?: StoreClock } = {},
): Promise<Required<Stores>> {
  await refuseUnfinished(path)
  try {
    // Other users must not read its content, such as the key that authenticates uploads.
    await refuseForeignFiles(path)
    const exposed = await exposedFiles(path)
    await makeFolder(path, 0o700)
    const lock = lockFile(lockOf(path))
    try {
      const opened = await openLocked(path, { log, clock }, lock.release)
      await hideFromOthers(path)
      if (exposed.length > 0)
        log.warn(
          { files: exposed },
          'these files were readable by other users; their permissions have been fixed',
        )
      return opened
    } catch (error) {
      lock.release()
      throw error
    }
  } catch (error) {
    throw unusable(path, error)
  }
}

/** The stores of a folder that another thread opened. @param threads how many threads wait for the same disk */
export function joinDataFolder(
  { path, identity, metadata: shared, checked }: SharedFolder,
  { threads, log }: { threads: number; log: StoresLog },
): ThreadStores {
  const gate = new DiskGate(threads)
  const blobs = blobStoreAt({ root: blobsOf(path), identity, gate })
  return threadStores({ path, gate, metadata: sharedMetadata(shared), blobs, checked, log })
}

/** What the stores of a thread are made of. */
interface FolderParts {
  path: string
  gate: DiskGate
  metadata: MetadataStore
  blobs: BlobStore
  checked: CheckedAtStart
  log: StoresLog
}

function threadStores({ path, gate, metadata, blobs, checked, log }: FolderParts): ThreadStores {
  return {
    metadata: throughGate(metadata, gate),
    blobs,
    isStalled: () => gate.stalledMs >= STALL_MS,
    check: (signal) =>
      checkInBackground({ database: databaseOf(path), metadata, blobs, checked }, log, signal),
    async availableBytes() {
      const { bavail, bsize } = await statfs(path)
      return bavail * bsize
    },
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

/** The file whose lock claims a data folder; see {@link lockFile}. */
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
  { log, clock }: { log: StoresLog; clock: StoreClock },
  release: () => void,
): Promise<Required<Stores>> {
  const metadata = await sqliteMetadata({
    path: databaseOf(path),
    clock,
    onWriterDeath: (error) => log.error({ error }, 'the metadata writer died; starting another one'),
  })
  const place = { root: blobsOf(path), identity: identityOf(metadata.secret) }
  const gate = new DiskGate()
  const { blobs, hasBlobs } = await openBlobs(metadata, { ...place, gate }).catch(async (error: unknown) => {
    await metadata.close()
    throw error
  })
  if (!hasBlobs) log.error({ mark: markOf(place) }, BLOBS_ABSENT)
  const checked: CheckedAtStart = { soundness: metadata.soundness, hasBlobs }
  const stores = threadStores({ path, gate, metadata, blobs, checked, log })
  return {
    ...stores,
    share() {
      const shared = metadata.share()
      const handle: SharedFolder = {
        kind: KIND,
        path,
        identity: place.identity,
        metadata: shared,
        checked,
      }
      return { handle, transfer: [shared.writers] }
    },
    answers: () => writerAnswers(metadata),
    commitBatches: () => metadata.commitBatches(),
    async releaseLeases(holder) {
      await stores.metadata.commit([{ type: 'releaseLeases', holder }])
    },
    identity: () => folderIdentity(path),
    async close() {
      await stores.close()
      release()
    },
  }
}

/** A commit that the store refuses, for example on a full disk, is an answer too: a new process could not do better. */
async function writerAnswers(metadata: MetadataStore): Promise<void> {
  await metadata.commit([]).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === WRITER_STOPPED) throw error
  })
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
  if (error instanceof FileLockedError) return 'another server is using it, or a backup of it is being made'
  if (error instanceof ForeignFileError) return error.message
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
