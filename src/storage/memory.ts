import {
  type Appended,
  BlobDamagedError,
  type BlobKey,
  type BlobStore,
  checkKey,
  formatSizeState,
  parseSizeState,
  untilInterrupted,
} from './blob-store.ts'

interface StoredBlob {
  bytes: Uint8Array
  published: boolean
}

/** A blob store in memory, which is lost when the process ends: for tests and for registries inside a program. */
export function memoryBlobStore(): BlobStore {
  const entries = new Map<BlobKey, StoredBlob>()

  async function append(
    key: BlobKey,
    state: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
  ): Promise<Appended> {
    checkKey(key)
    parseSizeState(state)
    const before = entries.get(key)?.bytes ?? new Uint8Array()
    if (before.length < offset) throw new BlobDamagedError(`${before.length} bytes, not ${offset}`)
    const chunks = [before.subarray(0, offset)]
    let interrupted: { error: unknown } | undefined
    const whole = untilInterrupted(body, (error) => {
      interrupted = { error }
    })
    for await (const chunk of whole) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    entries.set(key, { bytes, published: false })
    return {
      offset: bytes.length,
      state: formatSizeState(bytes.length),
      ...(interrupted && { interrupted: interrupted.error }),
    }
  }

  async function publish(key: BlobKey, state: string): Promise<void> {
    checkKey(key)
    const size = parseSizeState(state)
    const found = entries.get(key)?.bytes
    if (found === undefined || found.length < size) throw new BlobDamagedError(`there are no ${size} bytes`)
    entries.set(key, { bytes: found.subarray(0, size), published: true })
  }

  const open: BlobStore['open'] = async (key, range, { state } = {}) => {
    checkKey(key)
    const entry = entries.get(key)
    if (entry === undefined || (!entry.published && state === undefined)) return undefined
    return { type: 'bytes', bytes: entry.bytes.subarray(range.start, range.end + 1) }
  }

  async function size(key: BlobKey): Promise<number | undefined> {
    checkKey(key)
    const entry = entries.get(key)
    return entry?.published ? entry.bytes.length : undefined
  }

  async function remove(key: BlobKey): Promise<number> {
    checkKey(key)
    const size = entries.get(key)?.bytes.length ?? 0
    entries.delete(key)
    return size
  }

  return { append, publish, open, size, delete: remove }
}
