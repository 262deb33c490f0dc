import type { RegistryParts } from './parts.ts'

/** The key under which a probe writes. Keys of uploads are random, so no upload has this key. */
const KEY = '0'.repeat(32)
/** Large enough that the file system has to allocate space for it. */
const SIZE = 64 * 1024

/** Tries the storage operations that requests need. Each rejects with the problem. */
export interface Probes {
  /** Checks whether the blobs can be reached. */
  blobs(): Promise<void>
  /** Does what a push does: it commits a transaction and makes a file durable. The file is then deleted. */
  writes(): Promise<void>
}

/** Makes the probes of a registry's stores. Only one may run at a time. */
export function probesOf({
  blobs,
  metadata,
  random,
}: Pick<RegistryParts, 'blobs' | 'metadata' | 'random'>): Probes {
  return {
    async blobs() {
      await blobs.size(KEY)
    },
    async writes() {
      // The sweeper deletes the file if this code is never reached.
      await metadata.commit([{ type: 'reserveProbe', key: KEY }])
      await blobs.append(KEY, '', 0, once(random(SIZE)))
      await blobs.delete(KEY)
    },
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
