import type { RegistryParts } from './parts.ts'

/** The key under which a probe writes. Keys of uploads are random, so it is nobody else's. */
const KEY = '0'.repeat(32)
/** Enough that a file system has to find space for it. */
const SIZE = 64 * 1024

/** Tries what requests need of the storage. Each rejects with what is wrong. */
export interface Probes {
  /** Looks whether the blobs can be reached. */
  blobs(): Promise<void>
  /** Does what a push does: commits a transaction, and makes a file durable, which goes again. */
  writes(): Promise<void>
}

/** Makes the probes of a registry's stores. Only one may run at a time. */
export function probesOf({ blobs, metadata, clock, random }: RegistryParts): Probes {
  return {
    async blobs() {
      await blobs.size(KEY)
    },
    async writes() {
      // The sweeper deletes the file if this never comes to it.
      await metadata.commit([{ type: 'reserveProbe', key: KEY, at: clock() }])
      await blobs.append(KEY, '', 0, once(random(SIZE)))
      await blobs.delete(KEY)
    },
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
