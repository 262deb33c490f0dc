import type { ByteRange } from '../oci/range.ts'
import type { Appended, BlobBytes, BlobStore } from '../storage/blob-store.ts'

const CHUNK_SIZE = 1024 * 1024

/** A part of what an upload has under a key. */
export interface StoredRange {
  key: string
  /** The state of the append that made it durable. */
  state: string
  range: ByteRange
}

/** Opens a part of what an upload has. @throws if it is missing although it was recorded */
export async function openStored(blobs: BlobStore, { key, state, range }: StoredRange): Promise<BlobBytes> {
  const bytes = await blobs.open(key, range, state)
  if (bytes === undefined) throw new Error('the recorded bytes of an upload are gone')
  return bytes
}

/** Reads stored bytes in chunks that own their memory, so that they can be transferred. The caller closes them. */
export async function* chunksOf(bytes: BlobBytes): AsyncGenerator<Uint8Array> {
  if (bytes.type === 'bytes') {
    yield new Uint8Array(bytes.bytes)
    return
  }
  for (let at = 0; at < bytes.length; ) {
    const chunk = new Uint8Array(Math.min(CHUNK_SIZE, bytes.length - at))
    const read = await bytes.read(chunk, bytes.start + at)
    if (read === 0) throw new Error('stored bytes end before their length')
    yield read === chunk.length ? chunk : chunk.slice(0, read)
    at += read
  }
}

/** Reads a small number of stored bytes into memory. */
export async function readStored(blobs: BlobStore, source: StoredRange): Promise<Uint8Array> {
  const bytes = await openStored(blobs, source)
  try {
    const chunks: Uint8Array[] = []
    for await (const chunk of chunksOf(bytes)) chunks.push(chunk)
    return Buffer.concat(chunks)
  } finally {
    if (bytes.type === 'file') await bytes.close()
  }
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
    if (bytes.type === 'file') await bytes.close()
  }
}
