import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import type { LossCounters, LostBytes } from './blob-presence.ts'
import type { UploadWriters } from './upload-writers.ts'

/** Times after which what nobody uses goes. All in milliseconds. */
export interface Retention {
  /** How long an upload that nobody writes to is kept. */
  uploads: number
  /** How long a blob that no manifest of its repository names is kept. */
  unusedBlobs: number
  /** How long a deleted manifest can be brought back; 0 if not at all. */
  deletedManifests: number
  /** How long the change log tells of what happened. */
  history: number
  /** How long the bytes of a key stay after nothing leads to it any more, for those who are about to open it. */
  garbage: number
}

/** How much of a body may come before the upload is recorded again, so that it can be resumed from there. */
export interface CheckpointInterval {
  bytes: number
  milliseconds: number
}

/** What a registry is made of. */
export interface RegistryParts {
  blobs: BlobStore
  metadata: MetadataStore
  retention: Retention
  /** Whether an index may name manifests that its repository does not have; refused if absent. */
  sparseIndexes?: 'refuse' | 'allow'
  /** How long pulls are gathered before they are recorded, in milliseconds; a minute if absent. */
  pullsInterval?: number
  /** 256 MiB or ten seconds, whichever comes first, if absent. */
  checkpoints?: CheckpointInterval
  /** What the tokens of leases begin with, so that they can be released if this registry's thread dies; empty if nobody does that. */
  holder?: string
  /** Shared by all threads of a server; of this registry alone if absent. */
  losses?: LossCounters
  /** Told of each look at bytes that turned out to be lost. */
  onLost?: (loss: LostBytes) => void
  /** Who writes to uploads, here and in other threads; only this registry if absent. */
  writers?: UploadWriters
  /** Milliseconds since the epoch. */
  clock(): number
  /** @returns so many random bytes */
  random(size: number): Uint8Array
}
