import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import type { LossCounters, LostBytes } from './blob-presence.ts'
import type { StoreFailure } from './store-error.ts'
import type { UploadWriters } from './upload-writers.ts'

/** How long unused data is kept. All times are in milliseconds. */
export interface Retention {
  /** How long an upload that nobody writes to is kept. */
  uploads: number
  /** How long a blob that no manifest of its repository names is kept. */
  unusedBlobs: number
  /** How long a deleted manifest can be brought back; 0 if not at all. */
  deletedManifests: number
  /** How long entries of the change log are kept. */
  history: number
  /** How long the bytes of a key stay after the last reference to it is gone, for requests that are about to open it. */
  garbage: number
}

/** How much of a body may arrive before the state of the upload is recorded again, so that it can be resumed from there. */
export interface CheckpointInterval {
  bytes: number
  milliseconds: number
}

/** The parts that a registry is made of. */
export interface RegistryParts {
  blobs: BlobStore
  metadata: MetadataStore
  /** Read each time that it is needed, since it may change. */
  retention: Readonly<Retention>
  /** Whether an index may name manifests that its repository does not have; refused if absent. */
  sparseIndexes?(repository: RepositoryName): 'refuse' | 'allow'
  /** 256 MiB or ten seconds, whichever comes first, if absent. */
  checkpoints?: CheckpointInterval
  /** The prefix of lease tokens, so that the leases can be released if this registry's thread dies; empty if nothing releases them. */
  holder?: string
  /** Shared by all threads of a server; if absent, this registry has its own. */
  losses?: LossCounters
  /** Called each time that bytes turn out to be lost. */
  onLost?: (loss: LostBytes) => void
  /** Called each time that a store fails. */
  onStoreFailure?: (failure: StoreFailure) => void
  /** The writers of uploads, in this thread and in others; if absent, only this registry writes. */
  writers?: UploadWriters
  /** Milliseconds since the epoch. */
  clock(): number
  /** @returns the given number of random bytes */
  random(size: number): Uint8Array
}
