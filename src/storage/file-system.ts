import { closeSync, constants, fstat, open as openFile, openSync, read as readFile } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ByteRange } from '../oci/range.ts'
import { type BlobFolder, markOf, requireMark, requireOneUnreadable } from './blob-folder.ts'
import {
  type Appended,
  type AppendState,
  type BlobBytes,
  BlobDamagedError,
  type BlobKey,
  type BlobStore,
  checkKey,
  type FileSlice,
  formatSizeState,
  parseSizeState,
  untilInterrupted,
} from './blob-store.ts'
import { DiskGate } from './disk-gate.ts'
import { type FileOperations, gatedFiles, systemFiles, type WritableFile } from './file-operations.ts'
import { makeFolder, syncFolder } from './folder.ts'

const MAX_GATHER_SIZE = 1024 * 1024
const MIN_GATHER_SIZE = 128 * 1024
const GATHERED_BY_ALL = 8 * 1024 * 1024
const EARLY_SYNC_SIZE = 16 * 1024 * 1024
const FOLDER_MODE = 0o700
const FOLDERS = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'))

/** The default identity of a folder. */
const ANY_IDENTITY = '0'.repeat(32)

/** Where a blob store is, and how it writes to its disk. */
export interface FileSystemPlace {
  root: string
  /** The identity that distinguishes the folder from another one in its place, such as an empty mount point: 32 lowercase hexadecimal digits. */
  identity?: string
  /** The operations that change the disk; reads do not use them. */
  files?: FileOperations
  /** Where this thread waits for the disk; a new one if absent. */
  gate?: DiskGate
}

/**
 * Opens a blob store in a folder. Each key has one file in one of 256 folders. A file is created under its final name and never renamed.
 * The folder is created if it is absent, and marked with its identity.
 */
export async function fileSystemBlobStore(place: FileSystemPlace): Promise<BlobStore> {
  await makeFolders(place)
  return blobStoreAt(place)
}

/** The blob store of a folder that {@link fileSystemBlobStore} made, for one more thread. */
export function blobStoreAt({
  root,
  identity = ANY_IDENTITY,
  files: ungated = systemFiles,
  gate = new DiskGate(),
}: FileSystemPlace): BlobStore {
  const files = gatedFiles(ungated, gate)
  const top = { root, identity }
  const placeOf = (key: BlobKey): BlobPath => {
    checkKey(key)
    const folder = join(root, key.slice(0, 2))
    return { top, folder, path: join(folder, key) }
  }

  return {
    append: async (key, state, offset, body) => await append(files, placeOf(key), { state, offset, body }),
    publish: async (key, state) => await publish(files, placeOf(key), state),
    open: async (key, range) => await openSlice(gate, placeOf(key), range),
    size: async (key) => await sizeOf(gate, placeOf(key)),
    delete: async (key) => await remove(files, placeOf(key)),
  }
}

interface BlobPath {
  top: BlobFolder
  folder: string
  path: string
}

async function makeFolders({
  root,
  identity = ANY_IDENTITY,
  files = systemFiles,
}: FileSystemPlace): Promise<void> {
  await makeFolder(root, FOLDER_MODE, files)
  const paths = [...FOLDERS.map((name) => join(root, name)), markOf({ root, identity })]
  await Promise.all(paths.map((path) => files.mkdir(path, { recursive: true, mode: FOLDER_MODE })))
  // At each start: a crash may have happened between making and syncing them.
  await syncFolder(root, files)
}

interface Addition {
  state: AppendState
  offset: number
  body: AsyncIterable<Uint8Array>
}

async function append(
  files: FileOperations,
  place: BlobPath,
  { state, offset, body }: Addition,
): Promise<Appended> {
  parseSizeState(state)
  const file = state === '' ? await createFile(files, place) : await openExisting(files, place, offset)
  try {
    await dropBehind(file, offset)
    const { end, interrupted } = await writeBody(file, offset, body)
    await file.datasync()
    if (state === '') await syncFolder(place.folder, files)
    return {
      offset: end,
      state: formatSizeState(end),
      ...(interrupted && { interrupted: interrupted.error }),
    }
  } catch (error) {
    // On a full disk other requests should not have to wait because of bytes that do not count.
    if (isFull(error)) await file.truncate(offset).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}

function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Creates a file. It replaces a file whose name or bytes may be lost, since nothing of that one was ever recorded. */
async function createFile(files: FileOperations, { top, folder, path }: BlobPath): Promise<WritableFile> {
  const create = () => files.open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    return await create()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST' && code !== 'ENOENT') throw error
    if (code === 'ENOENT') await remakeFolder(files, { top, folder }, error)
    // After a failed sync of the folder, a second sync may succeed without having written the old name.
    else await files.unlink(path)
  }
  return await create()
}

/** Blobs that were lost with their folder can be pushed again, but not into an empty mount point. */
async function remakeFolder(
  files: FileOperations,
  { top, folder }: Pick<BlobPath, 'top' | 'folder'>,
  cause: unknown,
): Promise<void> {
  await requireMark(top, cause)
  await files.mkdir(folder, { recursive: true, mode: FOLDER_MODE })
  await syncFolder(top.root, files)
}

async function openExisting(
  files: FileOperations,
  { top, path }: BlobPath,
  size: number,
): Promise<WritableFile> {
  const file = await files.open(path, constants.O_RDWR).catch(ignoreAbsent)
  if (file !== undefined) return file
  await requireMark(top)
  throw new BlobDamagedError(`the file is missing, but ${size} bytes were recorded`)
}

async function dropBehind(file: WritableFile, offset: number): Promise<void> {
  const { size } = await file.stat()
  if (size < offset) throw new BlobDamagedError(`the file has ${size} bytes, but ${offset} were recorded`)
  if (size > offset) await file.truncate(offset)
}

let writers = 0

/** How much is written at a time. Large writes cost least, but many concurrent bodies must not hold much memory together. */
function gatherSize(): number {
  return Math.min(MAX_GATHER_SIZE, Math.max(MIN_GATHER_SIZE, GATHERED_BY_ALL / writers))
}

async function writeBody(
  file: WritableFile,
  offset: number,
  body: AsyncIterable<Uint8Array>,
): Promise<{ end: number; interrupted?: { error: unknown } }> {
  writers++
  try {
    return await writeGathered(file, offset, body)
  } finally {
    writers--
  }
}

/** Writes the gathered bytes while the next ones are being received, so that a body holds at most twice this amount. */
async function writeGathered(
  file: WritableFile,
  offset: number,
  body: AsyncIterable<Uint8Array>,
): Promise<{ end: number; interrupted?: { error: unknown } }> {
  let end = offset
  let gathered: Uint8Array[] = []
  let size = 0
  let writing: Promise<void> = Promise.resolve()
  const syncs = new EarlySyncs(file)
  const write = async () => {
    await writing
    writing = writeAll(file, gathered, end)
    // It is awaited with the next chunk or at the end; until then a failure must not count as unhandled.
    writing.catch(() => {})
    await syncs.after(writing, size)
    end += size
    gathered = []
    size = 0
  }
  let interrupted: { error: unknown } | undefined
  const whole = untilInterrupted(body, (error) => {
    interrupted = { error }
  })
  for await (const chunk of whole) {
    gathered.push(chunk)
    size += chunk.length
    if (size >= gatherSize()) await write()
  }
  await write()
  await writing
  await syncs.settled
  return { end, ...(interrupted && { interrupted }) }
}

/**
 * Starts syncing a large file while the rest is being received, so that the last sync has little left to do. The system reports a failed
 * sync only once, so no result may be ignored.
 */
class EarlySyncs {
  readonly #file: WritableFile
  #unsynced = 0
  #isSyncing = false
  settled: Promise<void> = Promise.resolve()

  constructor(file: WritableFile) {
    this.#file = file
  }

  /** Counts bytes that are being written. Rejects if an earlier sync has failed. */
  async after(writing: Promise<void>, size: number): Promise<void> {
    this.#unsynced += size
    if (this.#isSyncing || this.#unsynced < EARLY_SYNC_SIZE) return
    await this.settled
    this.#unsynced = 0
    this.#isSyncing = true
    this.settled = writing.then(async () => {
      await this.#file.datasync()
      this.#isSyncing = false
    })
    // It is awaited before the next one or at the end.
    this.settled.catch(() => {})
  }
}

async function writeAll(file: WritableFile, chunks: Uint8Array[], position: number): Promise<void> {
  let at = position
  let rest = chunks
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, at)
    at += bytesWritten
    rest = dropWritten(rest, bytesWritten)
  }
}

function dropWritten(chunks: Uint8Array[], written: number): Uint8Array[] {
  let left = written
  for (const [index, chunk] of chunks.entries()) {
    if (left < chunk.length) return [chunk.subarray(left), ...chunks.slice(index + 1)]
    left -= chunk.length
  }
  return []
}

async function publish(files: FileOperations, place: BlobPath, state: AppendState): Promise<void> {
  const size = parseSizeState(state)
  const file = await openExisting(files, place, size)
  try {
    const found = (await file.stat()).size
    if (found < size) throw new BlobDamagedError(`the file has ${found} bytes, but ${size} were recorded`)
    if (found === size) return
    // A crash left bytes after the last recorded offset. No request can be reading them, since the key is not published yet.
    await file.truncate(size)
    await file.datasync()
  } finally {
    await file.close()
  }
}

const SECTOR = 512

async function remove(files: FileOperations, { top, path, folder }: BlobPath): Promise<number> {
  const found = await stat(path).catch(() => undefined)
  try {
    await files.unlink(path)
  } catch (error) {
    if (ignoreAbsent(error) === undefined) await requireMark(top, error)
  }
  // The key is forgotten next, so nothing would delete a file whose name reappears after a power failure. The sync is also needed if the
  // file was already deleted, since a crash may have happened between deleting and syncing. In a folder that no longer exists, no name can
  // reappear.
  await syncFolder(folder, files).catch(ignoreAbsent)
  return (found?.blocks ?? 0) * SECTOR
}

const openDescriptor = promisify(openFile)
const readDescriptor = promisify(readFile)
const statDescriptor = promisify(fstat)

/** A host program may drop an answer without reading its body. The file is then closed when the body is garbage-collected. */
const dropped = new FinalizationRegistry<number>((descriptor) => closeSync(descriptor))

/** If the system has the entry of a file in memory, going to another thread costs more than opening the file. */
const MAX_KNOWN = 10_000
const known = new Set<string>()

async function openForReading(gate: DiskGate, path: string): Promise<number> {
  if (known.delete(path)) {
    const descriptor = openSync(path, 'r')
    known.add(path)
    return descriptor
  }
  const descriptor = await gate.read(() => openDescriptor(path, 'r'))
  known.add(path)
  const [oldest] = known
  if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest)
  return descriptor
}

async function openReadable(gate: DiskGate, { top, path }: BlobPath): Promise<number | undefined> {
  try {
    return await openForReading(gate, path)
  } catch (error) {
    await requireOneUnreadable(top, path, error)
    return undefined
  }
}

async function sizeOf(gate: DiskGate, place: BlobPath): Promise<number | undefined> {
  const descriptor = await openReadable(gate, place)
  if (descriptor === undefined) return undefined
  try {
    return (await gate.read(() => statDescriptor(descriptor))).size
  } finally {
    closeSync(descriptor)
  }
}

async function openSlice(gate: DiskGate, place: BlobPath, range: ByteRange): Promise<BlobBytes | undefined> {
  const descriptor = await openReadable(gate, place)
  if (descriptor === undefined) return undefined
  let isOpen = true
  const slice: FileSlice = {
    type: 'file',
    async read(buffer, position) {
      const { bytesRead } = await gate.read(() =>
        readDescriptor(descriptor, buffer, 0, buffer.length, position),
      )
      return bytesRead
    },
    async close() {
      if (!isOpen) return
      isOpen = false
      dropped.unregister(slice)
      closeSync(descriptor)
    },
    start: range.start,
    length: range.end - range.start + 1,
    descriptor,
  }
  dropped.register(slice, descriptor, slice)
  return slice
}

function ignoreAbsent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
  throw error
}
