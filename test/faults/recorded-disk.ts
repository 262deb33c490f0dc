import { constants } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type FileOperations, systemFiles, type WritableFile } from '../../src/storage/file-operations.ts'

/** What is done to a disk. */
export type OperationKind =
  | 'open'
  | 'mkdir'
  | 'unlink'
  | 'stat'
  | 'write'
  | 'truncate'
  | 'sync of a file'
  | 'sync of a folder'
  | 'close'

/** An operation that is about to happen. */
export interface Operation {
  kind: OperationKind
  path: string
}

/** Another name for a file, which outlives that. */
export type FileNumber = number

/** A change of what a file holds. */
export type ContentChange =
  | { type: 'write'; file: FileNumber; at: number; bytes: Uint8Array }
  | { type: 'truncate'; file: FileNumber; size: number }

/** A change of which names there are in a folder. */
export type NameChange =
  | { type: 'create'; path: string; file: FileNumber }
  | { type: 'mkdir'; path: string }
  | { type: 'unlink'; path: string }

/**
 * One line of a log. Changes stand where they began, since from then on they may have happened, and syncs where they ended, since
 * only then they have. A sync covers what stands before `from`; one that failed covers nothing, and what stands before it is not
 * covered by any later one either: the kernel takes it for written.
 */
export type LogEntry<Note> =
  | ContentChange
  | NameChange
  | { type: 'sync'; file: FileNumber; from: number; failed: boolean }
  | { type: 'sync-folder'; path: string; from: number; failed: boolean }
  | { type: 'note'; note: Note }

/** How a disk behaves. */
export interface DiskSettings {
  /** What an operation fails with; undefined if it succeeds. A write that fails may leave a part of its bytes. */
  fail?: (operation: Operation) => Error | undefined
  /** The most bytes that one write takes; the rest is for the caller to write again. */
  maxWrite?: number
}

/** A disk that keeps a log of all that is done to it. */
export interface RecordedDisk<Note> extends FileOperations {
  readonly log: LogEntry<Note>[]
  settings: DiskSettings
  /** Puts a note between the operations. */
  note(note: Note): void
  /** Waits for folders that are being made: several are at once, and where one fails nobody waits for the others. */
  settled(): Promise<void>
}

/**
 * Makes a disk of real files, which are never synced: the log knows what would be left.
 */
export function recordedDisk<Note>(settings: DiskSettings = {}): RecordedDisk<Note> {
  const log: LogEntry<Note>[] = []
  const disk: RecordedDisk<Note> = {
    log,
    settings,
    note: (note) => void log.push({ type: 'note', note }),
    settled: async () => void (await Promise.allSettled(running)),
    open: (path, flags, mode) => open(path, flags, mode),
    mkdir(path, options) {
      const making = makeFolder(recorder, path, options)
      running.add(making)
      return making.finally(() => running.delete(making))
    },
    async unlink(path) {
      refuse('unlink', path)
      if (names.delete(path)) log.push({ type: 'unlink', path })
      await systemFiles.unlink(path)
    },
  }
  const names = new Map<string, FileNumber>()
  const running = new Set<Promise<unknown>>()
  let files = 0

  function refuse(kind: OperationKind, path: string): void {
    const error = disk.settings.fail?.({ kind, path })
    if (error !== undefined) throw error
  }

  async function open(path: string, flags: number, mode?: number): Promise<WritableFile> {
    refuse('open', path)
    const real = await systemFiles.open(path, flags, mode)
    if ((flags & constants.O_CREAT) !== 0 && !names.has(path)) {
      names.set(path, files)
      log.push({ type: 'create', path, file: files++ })
    }
    if ((flags & constants.O_RDWR) === 0) return openedFolder(recorder, real, path)
    const file = names.get(path) ?? files++
    names.set(path, file)
    return openedFile(recorder, real, { path, file })
  }

  async function close(real: WritableFile, path: string): Promise<void> {
    await real.close()
    refuse('close', path)
  }

  async function sync(operation: Operation, cover: SyncCover): Promise<void> {
    const from = log.length
    const error = disk.settings.fail?.(operation)
    await Promise.resolve()
    if (!(error instanceof KilledError)) log.push({ ...cover, from, failed: error !== undefined })
    if (error !== undefined) throw error
  }

  const recorder = { disk, refuse, close, sync }
  return disk
}

/** What records the operations on files and folders. */
interface Recorder<Note> {
  disk: RecordedDisk<Note>
  refuse(kind: OperationKind, path: string): void
  close(real: WritableFile, path: string): Promise<void>
  sync(operation: Operation, cover: SyncCover): Promise<void>
}

async function makeFolder<Note>(
  { disk, refuse }: Recorder<Note>,
  path: string,
  options: { recursive: boolean; mode: number },
): Promise<string | undefined> {
  refuse('mkdir', path)
  const made = await systemFiles.mkdir(path, options)
  const first = options.recursive ? made : path
  if (first !== undefined)
    for (const each of pathsBetween(first, path)) disk.log.push({ type: 'mkdir', path: each })
  return first
}

function openedFolder<Note>({ close, sync }: Recorder<Note>, real: WritableFile, path: string): WritableFile {
  const never = () => Promise.reject(new Error(`${path} is a folder`))
  return {
    stat: never,
    writev: never,
    truncate: never,
    datasync: never,
    sync: () => sync({ kind: 'sync of a folder', path }, { type: 'sync-folder', path: resolve(path) }),
    close: () => close(real, path),
  }
}

function openedFile<Note>(
  { disk, refuse, close, sync }: Recorder<Note>,
  real: WritableFile,
  { path, file }: { path: string; file: FileNumber },
): WritableFile {
  const syncFile = () => sync({ kind: 'sync of a file', path }, { type: 'sync', file })
  return {
    async stat() {
      refuse('stat', path)
      return await real.stat()
    },
    async writev(chunks, position) {
      const bytes = Buffer.concat(chunks)
      const error = disk.settings.fail?.({ kind: 'write', path })
      const taken = bytes.subarray(0, error ? bytes.length / 2 : disk.settings.maxWrite)
      disk.log.push({ type: 'write', file, at: position, bytes: taken })
      const written = await real.writev([taken], position)
      if (error !== undefined) throw error
      return written
    },
    async truncate(size) {
      refuse('truncate', path)
      disk.log.push({ type: 'truncate', file, size })
      await real.truncate(size)
    },
    datasync: syncFile,
    sync: syncFile,
    close: () => close(real, path),
  }
}

type SyncCover = { type: 'sync'; file: FileNumber } | { type: 'sync-folder'; path: string }

/** For operations that never were, since the process was killed before. */
export class KilledError extends Error {
  override readonly name = 'KilledError'
}

/** An error as a system call gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code })
}

/** The folders from one down to another below it. */
function pathsBetween(first: string, last: string): string[] {
  const paths: string[] = []
  for (let path = resolve(last); path !== dirname(resolve(first)); path = dirname(path)) paths.unshift(path)
  return paths
}
