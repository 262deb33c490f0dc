import type { Logger } from 'pino'
import type { LossCounters, LostBytes } from '../registry/blob-presence.ts'
import type { Retention } from '../registry/parts.ts'
import { type LocalRegistry, localRegistry } from '../registry/registry.ts'
import type { UploadWriters } from '../registry/upload-writers.ts'
import { repositoryValues } from '../settings/by-repository.ts'
import type { ThreadStores } from '../stores/stores.ts'
import type { CurrentConfig } from './current-config.ts'
import { randomSource } from './random-bytes.ts'
import type { ThreadCounters } from './thread-counters.ts'

const GARBAGE_MS = 60_000

/** What the registry of a thread is made of, in addition to its stores. */
export interface ThreadRegistryOptions {
  current: CurrentConfig
  log: Logger
  /** The prefix of its lease tokens. */
  holder?: string
  /** Shared with the other threads. */
  losses: LossCounters
  /** The writers of uploads, in this thread and in the others; if absent, only this thread writes. */
  writers?: UploadWriters
  /** Counts failures of the stores. */
  counters?: Pick<ThreadCounters, 'countFailure'> | undefined
}

/** Makes the registry of a thread on top of its stores. */
export function threadRegistry(
  { metadata, blobs }: Pick<ThreadStores, 'metadata' | 'blobs'>,
  { current, log, holder = '', losses, writers, counters }: ThreadRegistryOptions,
): LocalRegistry {
  const sparseIndexes = current.derive((config) => repositoryValues(config.sparseIndexes))
  return localRegistry({
    metadata,
    blobs,
    losses,
    onLost: logLosses(log),
    onStoreFailure: (failure) => counters?.countFailure(failure),
    retention: retentionOf(current),
    holder,
    ...(writers && { writers }),
    sparseIndexes: (repository) => sparseIndexes()(repository),
    clock: Date.now,
    random: randomSource(),
  })
}

/** The times of {@link CurrentConfig}, including those that change later. */
function retentionOf(current: CurrentConfig): Retention {
  return {
    get uploads() {
      return current.value.uploadExpiry
    },
    get unusedBlobs() {
      return current.value.unusedBlobExpiry
    },
    get deletedManifests() {
      return current.value.keepDeleted
    },
    get history() {
      return current.value.keepHistory
    },
    garbage: GARBAGE_MS,
  }
}

const LOSS_PAUSE_MS = 60_000

/** Logs at most once a minute that bytes are missing: a client that asks again and again must not fill the log. */
function logLosses(log: Logger): (loss: LostBytes) => void {
  let next = 0
  return ({ key, count }) => {
    const now = performance.now()
    if (now < next) return
    next = now + LOSS_PAUSE_MS
    const message =
      'the bytes of a blob are missing or unreadable; the blob is treated as unknown until it is pushed again'
    log.error({ key, count }, message)
  }
}
