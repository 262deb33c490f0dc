import type { ByteRange } from '../oci/range.ts'

/**
 * The key under which a blob's bytes are stored: 32 lower-case hexadecimal digits. It is made for the upload that creates the blob, never
 * from its digest.
 */
export type BlobKey = string

/**
 * What a driver must know to continue writing or to publish: text that contains a version. Only the driver makes and reads it; the caller
 * stores it together with the offset that it belongs to. Empty if nothing is written yet.
 */
export type AppendState = string

/** The result of an append. When it is returned, the bytes survive a crash. */
export interface Appended {
  /** How many bytes of the blob are durable, counted from its beginning. */
  offset: number
  state: AppendState
  /** Why the body ended early, if it did; the bytes before that are kept. */
  interrupted?: unknown
}

/** A part of an open file. The receiver must close it. */
export interface FileSlice {
  type: 'file'
  /** Reads at an absolute position of the file; 0 at its end. */
  read(buffer: Uint8Array, position: number): Promise<number>
  close(): Promise<void>
  start: number
  length: number
  /** The file descriptor, valid until the file is closed; absent if the bytes are not in a file of their own. */
  descriptor?: number
}

/** Bytes that arrive from elsewhere. The receiver must close it, whether it read all of it, a part, or nothing. */
export interface ByteStream {
  type: 'stream'
  /** Pieces of at most a megabyte; it can be read once. Throws if the rest cannot be had. */
  chunks: AsyncIterable<Uint8Array>
  length: number
  /** Stops a read that is still waiting, too. */
  close(): Promise<void>
}

/** Bytes of a blob in the form that costs the driver least. */
export type BlobBytes = { type: 'bytes'; bytes: Uint8Array } | FileSlice | ByteStream

/** An address from which a client can get the whole blob, and any range of it, by an ordinary GET. */
export interface BlobAddress {
  type: 'address'
  /** With its scheme: https or http. It may expire. */
  url: string
}

/** How bytes are opened. */
export interface OpenOptions {
  /** The state that an append returned; with it, the bytes that the append made durable can be opened before they are published. */
  state?: AppendState
  /** Whether an address will do in place of the bytes. */
  mayBeElsewhere?: boolean
}

/**
 * Stores bytes by key and knows nothing else: no repositories, digests or tags. It is never listed. Only one request at a time writes to a
 * key, which the caller's lease ensures. A key is never written to after it was published.
 */
export interface BlobStore {
  /**
   * Writes a body after the first `offset` bytes. Bytes after them are dropped first, whether a crash left them or the caller goes back. A
   * body that throws is not an error of the store: the bytes before the error are made durable, and the result says so. A failed write or
   * sync rejects. Nothing after `offset` counts then, and an append at the same `offset` may be tried again.
   *
   * @param state the state that the append that ended at `offset` returned, whether it was the last or an earlier one; empty at first
   * @param offset how many bytes of the key to keep
   */
  append(key: BlobKey, state: AppendState, offset: number, body: AsyncIterable<Uint8Array>): Promise<Appended>
  /** Makes exactly the bytes that `state` describes readable under the key. Publishing again is not an error. */
  publish(key: BlobKey, state: AppendState): Promise<void>
  /**
   * Opens the bytes of a key that was published. The range must lie inside them.
   *
   * @returns the bytes, or an address if that will do; undefined if nothing is stored under the key, or it may not be read
   * @throws BlobsUnavailableError if this is unknown at the moment
   */
  open(key: BlobKey, range: ByteRange, options?: OpenOptions): Promise<BlobBytes | BlobAddress | undefined>
  /**
   * Looks for the bytes of a key that was published.
   *
   * @returns how many can be read; undefined if nothing is stored under the key, or it may not be read
   * @throws BlobsUnavailableError if this is unknown at the moment
   */
  size(key: BlobKey): Promise<number | undefined>
  /**
   * Permanently deletes the bytes under the key, published or not. If there are none, that is not an error. Files that are open stay
   * readable.
   *
   * @returns about how many bytes of storage that frees
   */
  delete(key: BlobKey): Promise<number>
}

const KEY = /^[0-9a-f]{32}$/
const STATE = /^1:(\d{1,15})$/

/** Whether a text has the form of a key. */
export function isKey(text: string): boolean {
  return KEY.test(text)
}

/** For drivers: refuses what isn't a key. @throws TypeError */
export function checkKey(key: BlobKey): void {
  if (!isKey(key)) throw new TypeError('a blob key has 32 lower-case hexadecimal digits')
}

/** For drivers that only need to know how much was written: the state that contains this size. */
export function formatSizeState(size: number): AppendState {
  return `1:${size}`
}

/** Reads what {@link formatSizeState} made; 0 if nothing is written yet. @throws TypeError */
export function parseSizeState(state: AppendState): number {
  if (state === '') return 0
  const size = STATE.exec(state)?.[1]
  if (size === undefined) throw new TypeError('the append state is of another driver or version')
  return Number(size)
}

/** An append or publish found fewer bytes than its offset or state promises: the bytes are damaged. */
export class BlobDamagedError extends Error {
  override readonly name = 'BlobDamagedError'
}

/** The store cannot be reached at the moment, for example because the disk of its folder is not mounted. It is unknown what it holds. */
export class BlobsUnavailableError extends Error {
  override readonly name = 'BlobsUnavailableError'
  readonly code = 'ERR_BLOBS_UNAVAILABLE'
}

/** For drivers: wraps a body so that it ends instead of throwing, and reports the error. */
export async function* untilInterrupted(
  body: AsyncIterable<Uint8Array>,
  onInterrupted: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* body
  } catch (error) {
    onInterrupted(error)
  }
}
