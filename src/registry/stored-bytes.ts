import type { ByteRange } from '../oci/range.ts'
import type {
  Appended,
  AppendState,
  BlobBytes,
  BlobKey,
  BlobStore,
  ByteStream,
  FileSlice,
} from '../storage/blob-store.ts'

const CHUNK_SIZE = 1024 * 1024

/** A part of what is stored under a key. */
export interface StoredRange {
  key: BlobKey
  /** The state of the append that made it durable; absent if it was published. */
  state?: AppendState
  range: ByteRange
}

/** Bytes to read: stored ones, or a stream that need not have a known length or anything to close. */
export type Readable =
  | Exclude<BlobBytes, ByteStream>
  | (Pick<ByteStream, 'type' | 'chunks'> & Partial<Pick<ByteStream, 'length' | 'close'>>)

/** Opens stored bytes for the registry's own use. @returns undefined if nothing is stored under the key */
export async function openBytes(
  blobs: BlobStore,
  { key, state, range }: StoredRange,
): Promise<BlobBytes | undefined> {
  const opened = await blobs.open(key, range, { ...(state !== undefined && { state }) })
  if (opened?.type === 'address') throw new Error('the blob store gave an address in place of the bytes')
  return opened
}

/** Opens a part of what an upload has. @throws if it is missing although it was recorded */
export async function openStored(blobs: BlobStore, stored: StoredRange): Promise<BlobBytes> {
  const bytes = await openBytes(blobs, stored)
  if (bytes === undefined) throw new Error('the recorded bytes of an upload are gone')
  return bytes
}

/** Closes opened bytes. It may be called again, and while they are being read from a stream. */
export async function closeBytes(bytes: Readable): Promise<void> {
  if (bytes.type !== 'bytes') await bytes.close?.()
}

/**
 * Reads bytes in chunks of at most a megabyte, and closes them at the end or when the reader stops. Chunks of files own their memory, so
 * that they can be transferred. Bytes of which no chunk was ever requested have to be closed by the caller.
 *
 * @throws if there are fewer or more bytes than promised
 */
export async function* chunksOf(bytes: Readable): AsyncGenerator<Uint8Array> {
  if (bytes.type === 'bytes') {
    yield bytes.bytes
    return
  }
  try {
    const chunks = bytes.type === 'file' ? chunksOfFile(bytes) : bytes.chunks
    const { length = Number.POSITIVE_INFINITY } = bytes
    let read = 0
    for await (const chunk of chunks) {
      read += chunk.length
      if (read > length) throw new Error('there are more stored bytes than their length')
      yield chunk
    }
    if (read < length && length !== Number.POSITIVE_INFINITY)
      throw new Error('stored bytes end before their length')
  } finally {
    await closeBytes(bytes)
  }
}

async function* chunksOfFile(file: FileSlice): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.length; ) {
    const chunk = new Uint8Array(Math.min(CHUNK_SIZE, file.length - at))
    const size = await file.read(chunk, file.start + at)
    if (size === 0) return
    yield size === chunk.length ? chunk : chunk.slice(0, size)
    at += size
  }
}

/** Reads a small number of opened bytes into memory, and closes them. */
export async function readAll(bytes: BlobBytes): Promise<Uint8Array> {
  if (bytes.type === 'bytes') return bytes.bytes
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(bytes)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Reads a small number of stored bytes into memory. */
export async function readStored(blobs: BlobStore, stored: StoredRange): Promise<Uint8Array> {
  return await readAll(await openStored(blobs, stored))
}

/**
 * Copies stored bytes to an unused key.
 *
 * @param check called before each chunk; if it throws, the copying ends
 */
export async function copyStored(
  blobs: BlobStore,
  source: StoredRange,
  key: string,
  check: () => void,
): Promise<Appended> {
  const bytes = await openStored(blobs, source)
  async function* checked(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunksOf(bytes)) {
      check()
      yield chunk
    }
  }
  try {
    const appended = await blobs.append(key, '', 0, checked())
    if ('interrupted' in appended) throw appended.interrupted
    return appended
  } finally {
    await closeBytes(bytes)
  }
}
