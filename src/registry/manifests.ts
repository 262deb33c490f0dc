import type { TagCondition } from '../metadata/command.ts'
import type { ManifestRecord } from '../metadata/metadata-store.ts'
import { type Digest, formatDigest, hashAlgorithmOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { MAX_MANIFEST_SIZE, parseManifest } from '../oci/manifest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import { createHasher } from './hasher.ts'
import type { RegistryParts } from './parts.ts'
import { nameOrElse } from './repositories.ts'

/** One manifest can name tens of thousands; the answer must not be larger than the question. */
const MAX_MISSING_SHOWN = 1000

/** A manifest as a request brings it. */
export interface ManifestPush {
  repository: RepositoryName
  bytes: Uint8Array
  contentType: string | undefined
  /** What the bytes must hash to; sha256 of them if absent. */
  digest: Digest | undefined
  tags: readonly Tag[]
  condition: TagCondition
}

/** What became of a manifest that was pushed. */
export interface PushedManifest {
  digest: Digest
  subject?: Digest
}

/**
 * Stores a manifest byte for byte and sets tags to it, all in one step.
 *
 * @throws RegistryError MANIFEST_INVALID, MANIFEST_TOO_LARGE, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN or PRECONDITION_FAILED
 * @see OCI Distribution Specification, "Pushing Manifests"
 */
export async function pushManifest(parts: RegistryParts, push: ManifestPush): Promise<PushedManifest> {
  const { repository, bytes, tags, condition } = push
  if (bytes.length > MAX_MANIFEST_SIZE) throw new RegistryError('MANIFEST_TOO_LARGE')
  const digest = await verifiedDigest(bytes, push.digest)
  const manifest = parseManifest(bytes, push.contentType)
  const [outcome] = await parts.metadata.commit([
    { type: 'putManifest', repository, digest, bytes, ...manifest, tags, condition, at: parts.clock() },
  ])
  if (outcome.result === 'precondition-failed') throw new RegistryError('PRECONDITION_FAILED')
  if (outcome.result === 'missing') {
    const shown = outcome.digests.slice(0, MAX_MISSING_SHOWN)
    throw new RegistryError('MANIFEST_BLOB_UNKNOWN', {
      details: shown.map((missing) => ({ digest: missing })),
    })
  }
  return { digest, ...(manifest.subject && { subject: manifest.subject }) }
}

async function verifiedDigest(bytes: Uint8Array, wanted: Digest | undefined): Promise<Digest> {
  const algorithm = wanted === undefined ? 'sha256' : hashAlgorithmOf(wanted)
  const hasher = await createHasher([algorithm])
  hasher.update(bytes)
  const found = formatDigest(algorithm, hasher.digests()[algorithm] ?? '')
  if (wanted === undefined || wanted === found) return found
  throw new RegistryError('DIGEST_INVALID', {
    message: 'digest does not match the manifest',
    details: [{ digest: wanted, content: found }],
  })
}

/** Finds a manifest without its bytes. @throws RegistryError MANIFEST_UNKNOWN or NAME_UNKNOWN */
export async function findManifest(
  parts: RegistryParts,
  repository: RepositoryName,
  reference: Reference,
): Promise<ManifestRecord> {
  const found = await parts.metadata.manifests.find(repository, reference)
  if (found === undefined) throw await manifestUnknown(parts, repository, reference)
  return found
}

/** Reads a manifest as it was pushed. @throws RegistryError MANIFEST_UNKNOWN or NAME_UNKNOWN */
export async function readManifest(
  parts: RegistryParts,
  repository: RepositoryName,
  reference: Reference,
): Promise<ManifestRecord & { bytes: Uint8Array }> {
  const found = await parts.metadata.manifests.read(repository, reference)
  if (found === undefined) throw await manifestUnknown(parts, repository, reference)
  return found
}

async function manifestUnknown(
  parts: RegistryParts,
  repository: RepositoryName,
  reference: Reference,
): Promise<RegistryError> {
  return await nameOrElse(parts, repository, 'MANIFEST_UNKNOWN', { details: [reference] })
}

/** Deletes a manifest with its tags. @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN or MANIFEST_NEEDED */
export async function deleteManifest(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
): Promise<void> {
  const [outcome] = await parts.metadata.commit([
    { type: 'deleteManifest', repository, digest, at: parts.clock() },
  ])
  if (outcome.result === 'unknown') throw await manifestUnknown(parts, repository, { digest })
  if (outcome.result === 'needed') {
    throw new RegistryError('MANIFEST_NEEDED', {
      message: `manifest ${outcome.by} of this repository needs this manifest; delete that first`,
      details: [{ digest, neededBy: outcome.by }],
    })
  }
}

/** Removes a tag; its manifest stays. @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN or PRECONDITION_FAILED */
export async function deleteTag(
  parts: RegistryParts,
  repository: RepositoryName,
  tag: Tag,
  condition: TagCondition,
): Promise<void> {
  const [outcome] = await parts.metadata.commit([
    { type: 'deleteTag', repository, tag, condition, at: parts.clock() },
  ])
  if (outcome.result === 'precondition-failed') throw new RegistryError('PRECONDITION_FAILED')
  if (outcome.result === 'unknown') throw await manifestUnknown(parts, repository, { tag })
}
