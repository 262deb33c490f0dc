import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ByteRange } from '../oci/range.ts'
import {
  type Appended,
  type AppendState,
  type BlobBytes,
  BlobDamagedError,
  type BlobKey,
  type BlobStore,
  untilInterrupted,
} from './blob-store.ts'

const GATHER_SIZE = 1024 * 1024
const STATE = /^1:(\d{1,15})$/
const KEY = /^[0-9a-f]{32}$/
const FOLDERS = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'))

/**
 * A blob store in a folder: one file for each key, born under its own name in one of 256 folders, so that nothing is ever renamed.
 *
 * @param root the folder, which is made if it is absent; its parent must exist
 */
export async function fileSystemBlobStore({ root }: { root: string }): Promise<BlobStore> {
  await makeFolders(root)
  const pathOf = (key: BlobKey) => join(folderOf(root, key), key)

  return {
    append: (key, state, offset, body) => append(pathOf(key), folderOf(root, key), state, offset, body),
    publish: (key, state) => publish(pathOf(key), state),
    open: (key, range) => openSlice(pathOf(key), range),
    delete: (key) => unlink(pathOf(key)).catch(ignoreAbsent),
  }
}

function folderOf(root: string, key: BlobKey): string {
  if (!KEY.test(key)) throw new TypeError('a blob key has 32 hexadecimal digits')
  return join(root, key.slice(0, 2))
}

async function makeFolders(root: string): Promise<void> {
  const made = await mkdir(root, { recursive: true })
  if (made !== undefined) await syncFolder(join(root, '..'))
  const results = await Promise.all(FOLDERS.map((name) => mkdir(join(root, name), { recursive: true })))
  if (results.some((result) => result !== undefined)) await syncFolder(root)
}

async function append(
  path: string,
  folder: string,
  state: AppendState,
  offset: number,
  body: AsyncIterable<Uint8Array>,
): Promise<Appended> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    await dropBehind(file, offset)
    const { end, interrupted } = await writeBody(file, offset, body)
    await file.datasync()
    if (state === '') await syncFolder(folder)
    return { offset: end, state: `1:${end}`, ...(interrupted && { interrupted: interrupted.error }) }
  } finally {
    await file.close()
  }
}

async function dropBehind(file: FileHandle, offset: number): Promise<void> {
  const { size } = await file.stat()
  if (size < offset) throw new BlobDamagedError(`file has ${size} bytes, but ${offset} were recorded`)
  if (size > offset) await file.truncate(offset)
}

/** Writes 1 MiB at a time while the next is being received, so that one connection holds at most twice as much. */
async function writeBody(
  file: FileHandle,
  offset: number,
  body: AsyncIterable<Uint8Array>,
): Promise<{ end: number; interrupted?: { error: unknown } }> {
  let end = offset
  let gathered: Uint8Array[] = []
  let size = 0
  let writing: Promise<unknown> = Promise.resolve()
  const write = async () => {
    await writing
    writing = writeAll(file, gathered, end)
    // It is awaited with the next chunk or at the end; until then a failure must not count as unhandled.
    writing.catch(() => {})
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
    if (size >= GATHER_SIZE) await write()
  }
  await write()
  await writing
  return { end, ...(interrupted && { interrupted }) }
}

async function writeAll(file: FileHandle, chunks: Uint8Array[], position: number): Promise<void> {
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

async function publish(path: string, state: AppendState): Promise<void> {
  const size = Number(STATE.exec(state)?.[1] ?? Number.NaN)
  if (Number.isNaN(size)) throw new TypeError('not a state of the file system blob store')
  const file = await open(path, constants.O_RDWR)
  try {
    const found = (await file.stat()).size
    if (found < size) throw new BlobDamagedError(`file has ${found} bytes, but ${size} were recorded`)
    if (found === size) return
    // A crash left bytes behind the last recorded offset. Nobody can be reading them: the key is not published yet.
    await file.truncate(size)
    await file.datasync()
  } finally {
    await file.close()
  }
}

async function openSlice(path: string, range: ByteRange): Promise<BlobBytes | undefined> {
  const file = await open(path, constants.O_RDONLY).catch(ignoreAbsent)
  if (file === undefined) return undefined
  return {
    type: 'file',
    read: async (buffer, position) => (await file.read(buffer, 0, buffer.length, position)).bytesRead,
    close: () => file.close(),
    start: range.start,
    length: range.end - range.start + 1,
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function ignoreAbsent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
  throw error
}
