import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { OpenUpload, SaveUpload, UploadClaim } from '../../src/metadata/uploads.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import { newRepository, newToken } from './metadata-place.ts'

/** An upload by its id, and the repository that it is for. */
export interface TestUpload {
  id: string
  repository: RepositoryName
}

/** In milliseconds. */
export const LEASE_MS = 500

/** An upload that nobody has written to. */
export function newUpload(): TestUpload {
  return { id: newToken(), repository: newRepository() }
}

/** A command that opens an upload from its beginning, unless told otherwise. */
export function openCommand(upload: TestUpload, changes: Partial<OpenUpload> = {}): OpenUpload {
  const lease = { token: newToken(), duration: LEASE_MS }
  return {
    type: 'openUpload',
    ...upload,
    claim: { version: 0 },
    from: 'held',
    key: newToken(),
    lease,
    ...changes,
  }
}

/** A command that saves a few bytes and lets go, unless told otherwise. */
export function saveCommand(
  upload: TestUpload,
  claim: UploadClaim,
  changes: Partial<SaveUpload> = {},
): SaveUpload {
  const bytes = Buffer.from('some bytes')
  return {
    type: 'saveUpload',
    ...upload,
    claim,
    offset: bytes.length,
    content: { bytes },
    digests: {},
    acknowledged: true,
    ...changes,
  }
}

/** The version of the upload that {@link keyedUpload} makes: it was opened and saved. */
export const KEYED = { version: 2 }

/** Makes an upload of 100 bytes under a key, that nobody holds and of which a client was told. */
export async function keyedUpload(store: MetadataStore): Promise<{ upload: TestUpload; key: string }> {
  const upload = newUpload()
  const open = openCommand(upload)
  const saved = { offset: 100, content: { state: '1:100' } }
  await store.commit([open, saveCommand(upload, { lease: open.lease.token }, saved)])
  return { upload, key: open.key }
}
