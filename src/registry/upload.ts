import { setTimeout as sleep } from 'node:timers/promises'
import type { SaveUpload, UploadRecord } from '../metadata/command.ts'
import type { HashAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { RegistryParts } from './parts.ts'
import { formatUploadId, parseUploadId } from './upload-id.ts'

/** An upload as a request finds it. */
export interface Upload {
  id: string
  repository: RepositoryName
  algorithm: HashAlgorithm
  record: UploadRecord
}

/** A chunk does not begin where the upload ends. */
export class UploadOutOfOrderError extends RegistryError {
  /** How many bytes the upload has. */
  readonly offset: number

  constructor(offset: number) {
    super('UPLOAD_OUT_OF_ORDER', { details: [{ offset }] })
    this.offset = offset
  }
}

const BUSY_WAIT_MS = 2_000
const BUSY_POLL_MS = 50

/** Begins an upload; nothing is stored before its first byte. @returns its id */
export function startUpload(
  parts: RegistryParts,
  repository: RepositoryName,
  algorithm: HashAlgorithm = 'sha256',
): string {
  const claims = { startedAt: parts.clock(), algorithm }
  return formatUploadId(parts.metadata.secret, repository, claims, parts.random(10))
}

/** An upload that nobody has been told of: for content that comes with its first request. */
export function freshUpload(
  parts: RegistryParts,
  repository: RepositoryName,
  algorithm: HashAlgorithm,
): Upload {
  const id = startUpload(parts, repository, algorithm)
  return { id, repository, algorithm, record: emptyRecord(repository) }
}

function emptyRecord(repository: RepositoryName): UploadRecord {
  return { repository, offset: 0, content: { bytes: new Uint8Array() }, digests: {} }
}

/**
 * Finds an upload of a repository.
 *
 * @throws RegistryError UPLOAD_UNKNOWN if it was never begun here, is closed, cancelled or expired
 */
export async function findUpload(
  parts: RegistryParts,
  repository: RepositoryName,
  id: string,
): Promise<Upload> {
  const claims = parseUploadId(parts.metadata.secret, repository, id)
  if (claims === undefined) throw new RegistryError('UPLOAD_UNKNOWN')
  const found = await parts.metadata.uploads.find(id)
  if (found === 'ended') throw new RegistryError('UPLOAD_UNKNOWN')
  const isFresh = parts.clock() - claims.startedAt < parts.retention.uploads
  if (found === undefined && !isFresh) throw new RegistryError('UPLOAD_UNKNOWN')
  const record = found ?? emptyRecord(repository)
  return { id, repository, algorithm: claims.algorithm, record }
}

/**
 * Finds an upload that nobody is writing to. After a cut connection the request that was cut may still be saving what it got, so this
 * waits for it, two seconds at most.
 */
export async function findQuietUpload(
  parts: RegistryParts,
  repository: RepositoryName,
  id: string,
): Promise<Upload> {
  for (let waited = 0; ; waited += BUSY_POLL_MS) {
    const upload = await findUpload(parts, repository, id)
    const { leasedUntil } = upload.record
    if (leasedUntil === undefined || leasedUntil <= parts.clock() || waited >= BUSY_WAIT_MS) return upload
    await sleep(BUSY_POLL_MS)
  }
}

/**
 * Records what an upload holds now.
 *
 * @throws RegistryError UPLOAD_UNKNOWN if it has ended, UPLOAD_BUSY if someone else has changed it
 */
export async function saveUpload(
  parts: RegistryParts,
  { id, repository }: Upload,
  progress: Pick<SaveUpload, 'claim' | 'offset' | 'content' | 'digests' | 'lease'>,
): Promise<void> {
  const at = parts.clock()
  const [outcome] = await parts.metadata.commit([{ type: 'saveUpload', id, repository, ...progress, at }])
  if (outcome.result === 'unknown') throw new RegistryError('UPLOAD_UNKNOWN')
  if (outcome.result === 'changed') throw new RegistryError('UPLOAD_BUSY')
}

/** Cancels an upload; what it held goes. @throws RegistryError UPLOAD_UNKNOWN */
export async function cancelUpload(
  parts: RegistryParts,
  repository: RepositoryName,
  id: string,
): Promise<void> {
  await findUpload(parts, repository, id)
  const [outcome] = await parts.metadata.commit([{ type: 'endUpload', id, repository, at: parts.clock() }])
  if (outcome.result === 'unknown') throw new RegistryError('UPLOAD_UNKNOWN')
}
