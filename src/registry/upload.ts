import type {
  LeaseTerms,
  SaveUpload,
  UploadClaim,
  UploadPosition,
  UploadRecord,
} from '../metadata/uploads.ts'
import type { HashAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { RegistryParts } from './parts.ts'
import { formatUploadId, parseUploadId, type UploadClaims } from './upload-id.ts'
import { takenOver, UploadWriter } from './upload-writers.ts'

const LEASE_MS = 120_000

/** An upload as a request that writes to it finds it. */
export interface Upload {
  id: string
  repository: RepositoryName
  algorithm: HashAlgorithm
  record: UploadRecord
  /** The claim by which it may be changed. */
  claim: UploadClaim
  /** The request itself, as other requests see it. */
  writer: UploadWriter
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

/** Begins an upload; nothing is stored before its first byte. @returns its id */
export function startUpload(
  parts: RegistryParts,
  repository: RepositoryName,
  algorithm: HashAlgorithm = 'sha256',
): string {
  const claims = { startedAt: parts.clock(), algorithm }
  return formatUploadId(parts.metadata.secret, repository, claims, parts.random(10))
}

/** An upload whose id no client knows: for content that arrives with the first request. */
export function freshUpload(
  parts: RegistryParts,
  repository: RepositoryName,
  algorithm: HashAlgorithm,
): Upload {
  const id = startUpload(parts, repository, algorithm)
  const record = emptyRecord(repository)
  return { id, repository, algorithm, record, claim: { version: 0 }, writer: new UploadWriter(id, 0n) }
}

function emptyRecord(repository: RepositoryName): UploadRecord {
  const nothing: UploadPosition = { offset: 0, content: { bytes: new Uint8Array() }, digests: {} }
  return { ...nothing, repository, version: 0, acknowledged: nothing, mustMove: false }
}

/** An upload that was begun by this registry, according to its id. Only the metadata knows whether it is still open. */
export interface BegunUpload extends UploadClaims {
  id: string
  repository: RepositoryName
}

/** Reads the id of an upload. @throws RegistryError UPLOAD_UNKNOWN unless this registry made it for this repository */
export function readUploadId(parts: RegistryParts, repository: RepositoryName, id: string): BegunUpload {
  const claims = parseUploadId(parts.metadata.secret, repository, id)
  if (claims === undefined) throw new RegistryError('UPLOAD_UNKNOWN')
  const { startedAt, algorithm } = claims
  return { id, repository, startedAt, algorithm }
}

/**
 * Finds an upload.
 *
 * @throws RegistryError UPLOAD_UNKNOWN if it is closed, cancelled or expired
 */
export async function findUpload(
  parts: RegistryParts,
  { id, repository, startedAt }: BegunUpload,
): Promise<UploadRecord> {
  const found = await parts.metadata.uploads.find(id)
  if (found === 'ended') throw new RegistryError('UPLOAD_UNKNOWN')
  const isFresh = parts.clock() - startedAt < parts.retention.uploads
  if (found === undefined && !isFresh) throw new RegistryError('UPLOAD_UNKNOWN')
  return found ?? emptyRecord(repository)
}

/**
 * Takes an upload in order to write to it. If another writer may still be active, the upload is seized: later commits of that writer are
 * refused, and nothing writes to its key any more.
 *
 * @param allStopped whether all older writers of this process have confirmed that they stopped
 * @throws RegistryError UPLOAD_UNKNOWN
 */
export async function takeUpload(
  parts: RegistryParts,
  begun: BegunUpload,
  { writer, allStopped }: { writer: UploadWriter; allStopped: boolean },
): Promise<Upload> {
  const { id, repository, algorithm } = begun
  const record = await findUpload(parts, begun)
  // If there is still a lease after all our writers have stopped, it belongs to another process or to a writer that could not release it.
  const isFree = allStopped && record.lease === undefined
  if (isFree) return { id, repository, algorithm, record, claim: { version: record.version }, writer }
  const lease = newLease(parts)
  const [outcome] = await parts.metadata.commit([{ type: 'seizeUpload', id, repository, lease }])
  if (outcome.result === 'unknown') throw new RegistryError('UPLOAD_UNKNOWN')
  return { id, repository, algorithm, record: outcome.upload, claim: { lease: lease.token }, writer }
}

/** A new lease. */
export function newLease(parts: RegistryParts): LeaseTerms {
  return { token: `${parts.holder ?? ''}${randomHex(parts)}`, duration: LEASE_MS }
}

/** 32 digits. */
export function randomHex(parts: RegistryParts): string {
  return Buffer.from(parts.random(16)).toString('hex')
}

/**
 * Records what an upload holds now.
 *
 * @returns the claim by which it may be changed next
 * @throws RegistryError UPLOAD_UNKNOWN if it has ended, UPLOAD_TAKEN_OVER if another writer has changed it
 */
export async function saveUpload(
  parts: RegistryParts,
  { id, repository }: Upload,
  progress: Pick<SaveUpload, 'claim' | 'offset' | 'content' | 'digests' | 'acknowledged' | 'lease'>,
): Promise<UploadClaim> {
  const [outcome] = await parts.metadata.commit([{ type: 'saveUpload', id, repository, ...progress }])
  if (outcome.result !== 'saved') throw lostUpload(outcome.result)
  return progress.lease === undefined ? { version: outcome.version } : { lease: progress.lease.token }
}

/** The error of a request that has lost its upload. */
export function lostUpload(result: 'unknown' | 'changed'): RegistryError {
  return result === 'unknown' ? new RegistryError('UPLOAD_UNKNOWN') : takenOver()
}

/** Drops what an upload holds after its acknowledged end, and releases it. Does nothing if another request has taken the upload. */
export async function revertUpload(
  parts: RegistryParts,
  { id, repository }: Upload,
  claim: UploadClaim,
): Promise<void> {
  await parts.metadata.commit([{ type: 'revertUpload', id, repository, claim }])
}

/** Releases a lease after a failure. If this fails too, the lease expires by itself. */
export async function releaseUpload(
  parts: RegistryParts,
  { id }: Pick<Upload, 'id'>,
  { lease }: UploadClaim,
): Promise<void> {
  if (lease !== undefined) await parts.metadata.commit([{ type: 'releaseUpload', id, lease }]).catch(() => {})
}

/**
 * Where an upload ends, for an answer to a client, which acknowledges the bytes up to there.
 *
 * @throws RegistryError UPLOAD_UNKNOWN if it has ended in the meantime
 */
export async function acknowledgeUpload(
  parts: RegistryParts,
  { id, record }: { id: string; record: UploadRecord },
): Promise<number> {
  if (record.offset === record.acknowledged.offset) return record.offset
  const { repository } = record
  const [outcome] = await parts.metadata.commit([{ type: 'acknowledgeUpload', id, repository }])
  if (outcome.result === 'unknown') throw new RegistryError('UPLOAD_UNKNOWN')
  return outcome.offset
}

/** Cancels an upload, even while another request is writing to it. Its bytes are deleted. @throws RegistryError UPLOAD_UNKNOWN */
export async function cancelUpload(parts: RegistryParts, begun: BegunUpload): Promise<void> {
  const { id, repository } = begun
  await findUpload(parts, begun)
  const [outcome] = await parts.metadata.commit([{ type: 'endUpload', id, repository }])
  if (outcome.result === 'unknown') throw new RegistryError('UPLOAD_UNKNOWN')
}
