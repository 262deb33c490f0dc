import type { Actor } from '../metadata/actor.ts'
import type { ManifestRecord } from '../metadata/manifests.ts'
import type { TagCondition } from '../metadata/tags.ts'
import { type Digest, formatDigest, hashAlgorithmOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { type Edge, MAX_MANIFEST_SIZE, type Manifest, parseManifest } from '../oci/manifest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import { TextError } from '../oci/text-error.ts'
import { findLost } from './blobs.ts'
import { hashOf } from './hasher.ts'
import { readImageConfig } from './image-config.ts'
import type { RegistryParts } from './parts.ts'
import { nameOrElse } from './repositories.ts'

/** One manifest can name tens of thousands of digests; the answer must not be larger than the request. */
const MAX_MISSING_SHOWN = 1000

/** A manifest as a request delivers it. */
export interface ManifestPush {
  repository: RepositoryName
  bytes: Uint8Array
  contentType: string | undefined
  /** The digest that the bytes must have; their sha256 if absent. */
  digest: Digest | undefined
  tags: readonly Tag[]
  condition: TagCondition
  actor: Actor
}

/** The result of pushing a manifest. */
export interface PushedManifest {
  digest: Digest
  subject?: Digest
}

/**
 * Stores a manifest byte for byte and sets tags to it, all in one step. All content that it names must be in the repository with all of its
 * bytes, so an answer of 201 means that the whole image can be pulled. Only if sparse indexes are allowed, manifests that an index names
 * may be missing and may be pushed later or never.
 *
 * @throws RegistryError MANIFEST_INVALID, MANIFEST_TOO_LARGE, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN, PRECONDITION_FAILED
 *   or REPOSITORY_DELETING
 * @see OCI Distribution Specification, "Pushing Manifests"
 */
export async function pushManifest(parts: RegistryParts, push: ManifestPush): Promise<PushedManifest> {
  const { repository, bytes, tags, condition, actor } = push
  if (bytes.length > MAX_MANIFEST_SIZE) throw new RegistryError('MANIFEST_TOO_LARGE')
  const digest = await verifiedDigest(bytes, push.digest)
  const { imageConfig, ...manifest } = checkManifest(bytes, push.contentType)
  const edges = edgesFor(parts, repository, manifest.edges)
  await refuseLost(parts, edges)
  const described = imageConfig && (await readImageConfig(parts, repository, imageConfig))
  const [outcome] = await parts.metadata.commit([
    {
      type: 'putManifest',
      actor,
      repository,
      digest,
      bytes,
      ...manifest,
      edges,
      ...described,
      tags,
      condition,
    },
  ])
  if (outcome.result === 'repository-deleting') throw new RegistryError('REPOSITORY_DELETING')
  if (outcome.result === 'precondition-failed') throw new RegistryError('PRECONDITION_FAILED')
  if (outcome.result === 'other-media-type') {
    throw new RegistryError('MANIFEST_INVALID', {
      message: `manifest ${digest} already exists in this repository as ${outcome.mediaType}; the media type of a digest cannot change`,
      details: [{ digest, mediaType: outcome.mediaType }],
    })
  }
  if (outcome.result === 'missing') {
    throw missingContent(edges, outcome.digests)
  }
  return { digest, ...(manifest.subject && { subject: manifest.subject }) }
}

function checkManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  try {
    return parseManifest(bytes, contentType)
  } catch (error) {
    if (!(error instanceof TextError)) throw error
    throw new RegistryError('MANIFEST_INVALID', { message: `manifest ${error.message}`, cause: error })
  }
}

function edgesFor(
  { sparseIndexes }: RegistryParts,
  repository: RepositoryName,
  edges: readonly Edge[],
): readonly Edge[] {
  const namesManifests = edges.some(({ kind }) => kind === 'manifest')
  if (!namesManifests || sparseIndexes?.(repository) !== 'allow') return edges
  return edges.map((edge) => (edge.kind === 'manifest' ? { ...edge, required: false } : edge))
}

function missingContent(edges: readonly Edge[], digests: readonly Digest[]): RegistryError {
  const missing = new Set(digests)
  const isSparse = edges.some(({ kind, digest }) => kind === 'manifest' && missing.has(digest))
  return new RegistryError('MANIFEST_BLOB_UNKNOWN', {
    details: shownOf(digests),
    ...(isSparse && {
      message:
        'the index references manifests that are not in this repository; push those first, or start the registry with --sparse-indexes allow',
    }),
  })
}

/** The bytes of manifests are in the metadata store, so only the bytes of blobs can get lost. */
async function refuseLost(parts: RegistryParts, edges: readonly Edge[]): Promise<void> {
  const named = edges.filter(({ required, kind }) => required && kind !== 'manifest')
  const lost = await findLost(parts, [...new Set(named.map(({ digest }) => digest))])
  if (lost.length === 0) return
  throw new RegistryError('MANIFEST_BLOB_UNKNOWN', {
    message:
      'the registry has lost the bytes of blobs that the manifest references; push those blobs again first',
    details: shownOf(lost),
  })
}

function shownOf(digests: readonly Digest[]): { digest: Digest }[] {
  return digests.slice(0, MAX_MISSING_SHOWN).map((digest) => ({ digest }))
}

async function verifiedDigest(bytes: Uint8Array, wanted: Digest | undefined): Promise<Digest> {
  const algorithm = wanted === undefined ? 'sha256' : hashAlgorithmOf(wanted)
  const found = formatDigest(algorithm, await hashOf(algorithm, bytes))
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

/**
 * Deletes a manifest with its tags. It can be undeleted for some time.
 *
 * @returns whether rows of its tags remain, which no answer takes into account any more
 * @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN or MANIFEST_NEEDED
 */
export async function deleteManifest(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
  actor: Actor,
): Promise<boolean> {
  const [outcome] = await parts.metadata.commit([
    {
      type: 'deleteManifest',
      actor,
      repository,
      digest,
      keep: parts.retention.deletedManifests > 0,
    },
  ])
  if (outcome.result === 'unknown') throw await manifestUnknown(parts, repository, { digest })
  if (outcome.result === 'needed') throw manifestNeeded(digest, outcome.by)
  return outcome.areRowsLeft ?? false
}

function manifestNeeded(digest: Digest, by: Digest): RegistryError {
  return new RegistryError('MANIFEST_NEEDED', {
    message: `manifest ${by} in this repository references this manifest; delete that one first`,
    details: [{ digest, neededBy: by }],
  })
}

/** How a deleted manifest is restored. */
export interface Undelete {
  /** Set to it. */
  tags: readonly Tag[]
  actor: Actor
}

/**
 * Restores a deleted manifest together with the deleted manifests below it, and sets tags to it. If more than a hundred deleted manifests
 * are below it, those are restored first, in steps between other writes. If one of them cannot be restored, the others stay restored.
 *
 * @returns the tags that it had when it was deleted
 * @throws RegistryError MANIFEST_EXISTS, MANIFEST_UNKNOWN, NAME_UNKNOWN, or CONTENT_GONE naming the content that no longer exists
 */
export async function undeleteManifest(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
  { tags, actor }: Undelete,
): Promise<Tag[]> {
  // A parent comes after its children, as on a stack.
  const rest: Digest[] = [digest]
  for (;;) {
    const next = rest.at(-1) ?? digest
    const isLast = rest.length <= 1
    const [outcome] = await parts.metadata.commit([
      {
        type: 'undeleteManifest',
        actor,
        repository,
        digest: next,
        tags: isLast ? tags : [],
      },
    ])
    if (outcome.result === 'missing') throw contentGone(outcome.digests)
    if (outcome.result === 'tombstones-below') rest.push(...outcome.digests)
    // If one of them expired in the meantime, restoring its parent reports that it is missing.
    else if (!isLast) rest.pop()
    else if (outcome.result === 'restored') return outcome.previousTags
    else if (outcome.result === 'exists')
      throw new RegistryError('MANIFEST_EXISTS', { details: [{ digest }] })
    else throw await manifestUnknown(parts, repository, { digest })
  }
}

function contentGone(digests: readonly Digest[]): RegistryError {
  return new RegistryError('CONTENT_GONE', {
    message: 'the manifest cannot be restored: content that it references has already been removed',
    details: shownOf(digests),
  })
}

/**
 * Removes a manifest permanently, whether or not it was deleted before, with the content that only it named in its repository.
 *
 * @returns whether rows of its tags remain, which no answer takes into account any more
 * @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN or MANIFEST_NEEDED
 */
export async function purgeManifest(
  parts: RegistryParts,
  repository: RepositoryName,
  digest: Digest,
  actor: Actor,
): Promise<boolean> {
  const [outcome] = await parts.metadata.commit([{ type: 'purgeManifest', actor, repository, digest }])
  if (outcome.result === 'unknown') throw await manifestUnknown(parts, repository, { digest })
  if (outcome.result === 'needed') throw manifestNeeded(digest, outcome.by)
  return outcome.areRowsLeft ?? false
}

/** How a tag is removed. */
export interface TagDeletion {
  condition: TagCondition
  actor: Actor
}

/** Removes a tag; its manifest stays. @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN or PRECONDITION_FAILED */
export async function deleteTag(
  parts: RegistryParts,
  repository: RepositoryName,
  tag: Tag,
  { condition, actor }: TagDeletion,
): Promise<void> {
  const [outcome] = await parts.metadata.commit([{ type: 'deleteTag', actor, repository, tag, condition }])
  if (outcome.result === 'precondition-failed') throw new RegistryError('PRECONDITION_FAILED')
  if (outcome.result === 'unknown') throw await manifestUnknown(parts, repository, { tag })
}
