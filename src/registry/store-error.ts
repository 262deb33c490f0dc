import type { MetadataStore } from '../metadata/metadata-store.ts'
import { type ErrorId, RegistryError } from '../oci/error.ts'
import type { BlobStore } from '../storage/blob-store.ts'

interface Failure {
  id: ErrorId
  /** Replaces the message of the error. */
  message?: string
  /** Whether the store still holds what was written before, so that the same bytes may succeed later. */
  keepsBytes: boolean
}

const FAILURES = {
  full: { id: 'STORAGE_FULL', keepsBytes: true },
  'open-files': {
    id: 'UNAVAILABLE',
    message: 'the registry has reached its limit of open files; try again later',
    keepsBytes: true,
  },
  'read-only': {
    id: 'UNAVAILABLE',
    message: 'the disk of the registry is read-only now; try again later',
    keepsBytes: false,
  },
  unreachable: {
    id: 'UNAVAILABLE',
    message: 'the blob storage is currently unavailable; try again later',
    keepsBytes: true,
  },
  'writer-stopped': { id: 'UNAVAILABLE', keepsBytes: false },
} as const satisfies Record<string, Failure>

/** A failure of a store to which a client can react. */
export type KnownFailure = keyof typeof FAILURES

/** Any failure of a store. `other` stands for those that a client only knows as an internal error. */
export type StoreFailure = KnownFailure | 'other'

/** All of them. */
export const STORE_FAILURES: readonly StoreFailure[] = [...(Object.keys(FAILURES) as KnownFailure[]), 'other']

/** The failures by the codes of errors. Codes that begin with ERR_ are those of the two stores. */
const FAILURE_OF_CODE: Readonly<Record<string, KnownFailure>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EMFILE: 'open-files',
  ENFILE: 'open-files',
  EROFS: 'read-only',
  ERR_BLOBS_UNAVAILABLE: 'unreachable',
  ERR_WRITER_STOPPED: 'writer-stopped',
}

/** The kind of an error that a store has thrown. */
export function failureOf(error: unknown): StoreFailure {
  const { code } = (error ?? {}) as { code?: unknown }
  return (typeof code === 'string' ? FAILURE_OF_CODE[code] : undefined) ?? 'other'
}

/** A store failed in a way to which a client can react. The cause is the error of the store. */
export class StoreError extends RegistryError {
  readonly failure: KnownFailure

  constructor(failure: KnownFailure, cause: unknown) {
    const { id, ...row }: Failure = FAILURES[failure]
    super(id, { ...(row.message !== undefined && { message: row.message }), cause })
    this.failure = failure
  }

  /** Whether the store still holds what was written before, so that the same bytes may succeed later. */
  get keepsBytes(): boolean {
    return FAILURES[this.failure].keepsBytes
  }
}

/**
 * The stores of a registry, with their failures as {@link StoreError}s. Errors that a client can't react to stay as they are. Reads of
 * metadata are not wrapped: they fail in no other way, and every request makes some.
 *
 * @param onFailure called with each failure
 */
export function withStoreErrors(
  { blobs, metadata }: { blobs: BlobStore; metadata: MetadataStore },
  onFailure: (failure: StoreFailure) => void,
): { blobs: BlobStore; metadata: MetadataStore } {
  const watch = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      const failure = failureOf(error)
      onFailure(failure)
      throw failure === 'other' ? error : new StoreError(failure, error)
    })
  return {
    blobs: {
      append: (key, state, offset, body) => watch(blobs.append(key, state, offset, body)),
      publish: (key, state) => watch(blobs.publish(key, state)),
      open: (key, range, options) => watch(blobs.open(key, range, options)),
      size: (key) => watch(blobs.size(key)),
      delete: (key) => watch(blobs.delete(key)),
    },
    metadata: { ...metadata, commit: (commands) => watch(metadata.commit(commands)) },
  }
}
