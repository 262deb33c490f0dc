import type { ByteRange } from '../oci/range.ts'

/**
 * Where a blob's bytes lie. Made for the upload that makes the blob, never from its digest: 32 lower-case hexadecimal digits.
 */
export type BlobKey = string

/**
 * What a driver must know to go on writing or to publish: text with a version inside, made and read by the driver alone, kept by
 * the caller beside the offset it belongs to. Empty where nothing is written yet.
 */
export type AppendState = string

/** What an append left behind, safe from a crash when it is returned. */
export interface Appended {
  /** How many bytes of the blob are durable, counted from its beginning. */
  offset: number
  state: AppendState
  /** Why the body ended early, if it did; what came before is kept. */
  interrupted?: unknown
}

/** A part of an open file. Whoever takes it closes it. */
export interface FileSlice {
  type: 'file'
  /** Reads at an absolute position of the file; 0 at its end. */
  read(buffer: Uint8Array, position: number): Promise<number>
  close(): Promise<void>
  start: number
  length: number
  /** The operating system's number of the open file, until it is closed; absent if the bytes are no file of its own. */
  descriptor?: number
}

/** Bytes of a blob in whatever form the driver can give them at least cost. */
export type BlobBytes = { type: 'bytes'; bytes: Uint8Array } | FileSlice

/**
 * Bytes by key, and nothing else: no repository, no digest, no tag. It is never listed. A key is written by one request at a time,
 * which the caller's lease ensures, and never again after it was published.
 */
export interface BlobStore {
  /**
   * Writes a body after the first `offset` bytes. What lies after them is dropped first, whether a crash left it or the caller goes back. A body that throws is
   * not an error of the store: what came before is made durable, and the answer says so. A failed write or sync rejects; then
   * nothing behind `offset` counts, and an append at the same `offset` may be tried again.
   *
   * @param state what the append that ended at `offset` returned, be it the last or an earlier one; empty at first
   * @param offset how many bytes of the key to keep
   */
  append(key: BlobKey, state: AppendState, offset: number, body: AsyncIterable<Uint8Array>): Promise<Appended>
  /** Makes exactly the bytes that `state` speaks of readable under the key. Publishing again is no error. */
  publish(key: BlobKey, state: AppendState): Promise<void>
  /**
   * Opens the bytes of a key that was published. The range must lie inside them.
   *
   * @param state what an append returned: then what it made durable can be opened before it is published
   * @returns undefined if nothing lies under the key, or nothing that may be read
   * @throws BlobsUnavailableError if nobody can tell now
   */
  open(key: BlobKey, range: ByteRange, state?: AppendState): Promise<BlobBytes | undefined>
  /**
   * Looks for the bytes of a key that was published.
   *
   * @returns how many can be read; undefined if nothing lies under the key, or nothing that may be read
   * @throws BlobsUnavailableError if nobody can tell now
   */
  size(key: BlobKey): Promise<number | undefined>
  /**
   * Deletes for good whatever lies under the key, published or not; no error if that is nothing. What is open stays readable.
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

/** For drivers that need to know no more than how much was written: the state that says so. */
export function formatSizeState(size: number): AppendState {
  return `1:${size}`
}

/** Reads what {@link formatSizeState} made; 0 where nothing is written yet. @throws TypeError */
export function parseSizeState(state: AppendState): number {
  if (state === '') return 0
  const size = STATE.exec(state)?.[1]
  if (size === undefined) throw new TypeError('the append state is of another driver or version')
  return Number(size)
}

/** An append or publish found less than what its offset or state promises: the bytes are damaged. */
export class BlobDamagedError extends Error {
  override readonly name = 'BlobDamagedError'
}

/** The store cannot be reached now, such as a folder whose disk is not mounted: what it holds is neither there nor absent. */
export class BlobsUnavailableError extends Error {
  override readonly name = 'BlobsUnavailableError'
  readonly code = 'ERR_BLOBS_UNAVAILABLE'
}

/** For drivers: a body that ends instead of throwing, and tells why. */
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
