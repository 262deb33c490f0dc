import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { openBytes, readAll } from '../../src/registry/stored-bytes.ts'
import type { BlobBytes, BlobKey, BlobStore } from '../../src/storage/blob-store.ts'

/** A body that brings these chunks. */
export async function* bodyOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

/** A body that brings these chunks and then throws. */
export async function* brokenBody(error: unknown, ...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
  throw error
}

/** A key that nobody has used. */
export function newKey(): BlobKey {
  return randomBytes(16).toString('hex')
}

/** Reads all that a store gives for a key, or a part of it; undefined if it gives nothing. */
export async function readBlob(
  store: BlobStore,
  key: BlobKey,
  range: { start: number; end: number },
): Promise<Buffer | undefined> {
  const opened = await openBytes(store, { key, range })
  return opened && (await readBytes(opened))
}

/** Reads all that was opened, and closes it. */
export async function readBytes(opened: BlobBytes): Promise<Buffer> {
  return Buffer.from(await readAll(opened))
}

/** Fails unless a store gives exactly these bytes. */
export async function assertBlob(store: BlobStore, key: BlobKey, expected: Uint8Array): Promise<void> {
  const found = await readBlob(store, key, { start: 0, end: expected.length - 1 })
  assert.ok(
    found?.equals(expected),
    `${found?.length} bytes that differ from the ${expected.length} expected`,
  )
}
