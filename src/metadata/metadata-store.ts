import type { BlobReads } from './blobs.ts'
import type { LogReads } from './changes.ts'
import type { Command, Outcome } from './command.ts'
import type { ContentReads } from './contents.ts'
import type { CountReads } from './counts.ts'
import type { JobReads } from './jobs.ts'
import type { ManifestReads } from './manifests.ts'
import type { RepositoryReads } from './repositories.ts'
import type { TagReads } from './tags.ts'
import type { UploadReads } from './uploads.ts'

/**
 * Stores which content is in which repository under which name. Reads see every commit that was answered before they began. No code of a
 * caller runs inside a transaction.
 */
export interface MetadataStore {
  readonly repositories: RepositoryReads
  readonly tags: TagReads
  readonly manifests: ManifestReads
  readonly blobs: BlobReads
  readonly contents: ContentReads
  readonly uploads: UploadReads
  readonly log: LogReads
  readonly counts: CountReads
  readonly jobs: JobReads
  /** A random value of this store, made once, for authenticating what the registry hands out. 32 bytes. */
  readonly secret: Uint8Array
  /**
   * Executes commands in order, each of them atomically, and answers when they are durable. It may share a transaction with other calls. A
   * command that is refused does not affect the others. Rejects if the store failed; then none of the commands took effect.
   */
  commit<const Commands extends readonly Command[]>(
    commands: Commands,
  ): Promise<{ -readonly [Index in keyof Commands]: Outcome<Commands[Index]> }>
  /** Waits for pending commits, then releases everything. */
  close(): Promise<void>
}

/** How commits were gathered into batches, each of which is one transaction. */
export interface CommitBatches {
  /** Upper bounds of the sizes that are counted together, in commits. */
  readonly bounds: readonly number[]
  /** Batches by size, with one more number for larger ones. They do not include each other. */
  readonly batches: readonly number[]
  /** How many commits all batches had. */
  readonly commits: number
}
