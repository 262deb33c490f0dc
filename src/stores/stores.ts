import type { Transferable } from 'node:worker_threads'
import type { CommitBatches, MetadataStore } from '../metadata/metadata-store.ts'
import type { BlobStore } from '../storage/blob-store.ts'

export type { CommitBatches }

/** Stores count as stalled if operations are pending and none has finished for this long, in milliseconds. */
export const STALL_MS = 10_000

/** The stores cannot be used. The message gives the reason in one line. Nothing in them was changed. */
export class StoresError extends Error {
  override readonly name: string = 'StoresError'
}

/** Receives what whoever runs the server should know about the stores. */
export interface StoresLog {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Both stores, for one thread. */
export interface ThreadStores {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  /** Whether some operations of this thread are waiting for the stores, and none has finished for {@link STALL_MS}. Never blocks. */
  isStalled(): boolean
  /**
   * Looks for damage that the start had no time to look for, and logs it. Runs for as long as it takes, next to requests.
   *
   * @param signal ends it early
   */
  check(signal: AbortSignal): Promise<void>
  /** How many more bytes the blob store can take; undefined if it has no limit that is known. */
  availableBytes(): Promise<number | undefined>
  /** Waits for pending operations, then releases everything. */
  close(): Promise<void>
}

/** What another thread of this process needs to open the same stores. It can be sent to the thread, and only the thread reads it. */
export interface StoresHandle {
  /** The implementation. */
  readonly kind: string
}

/** Access to stores, to be sent to another thread. */
export interface SharedStores {
  handle: StoresHandle
  /** The objects in the handle that must be transferred. */
  transfer: readonly Transferable[]
}

/** The stores of a server, held by the thread that opened them. All of this waits without blocking the thread, except `metadata`'s reads. */
export interface Stores extends ThreadStores {
  /**
   * Gives access to one other thread, which must close its stores before these are closed. Absent if only the thread that opened the stores
   * can use them.
   */
  share?(): SharedStores
  /**
   * Resolves once the part of the stores that executes commits has answered, even if it answers with an error such as a full disk. Does not
   * resolve while it hangs.
   *
   * @throws if it died and has not been replaced yet
   */
  answers(): Promise<void>
  /** Releases the leases of a thread that died, so that its uploads can be continued at once. @param holder the prefix of their tokens */
  releaseLeases(holder: string): Promise<void>
  /** How commits were gathered since the stores were opened; absent if they are not. */
  commitBatches?(): CommitBatches
  /** A text that other stores do not have, however they are reached. For stores in a folder, a program on this machine can compute it. */
  identity(): Promise<string>
}
