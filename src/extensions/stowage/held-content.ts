import type { Digest } from '../../oci/digest.ts'
import { type ErrorId, RegistryError } from '../../oci/error.ts'
import { MEDIA_TYPES } from '../../oci/media-type.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { ContentHolder, Registry, StoredBlob } from '../../registry/registry.ts'

/** A request looks at no more repositories than this. */
const MAX_LOOKUPS = 100
const ABSENT: readonly ErrorId[] = ['BLOB_UNKNOWN', 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN']

/** Content as one repository has it. */
export interface HeldContent {
  repository: RepositoryName
  as: ContentHolder['as']
  mediaType: string
  size: number
  open: StoredBlob['open']
}

/**
 * The repositories that have some content and from which the caller may pull, the oldest first. If there are many, it checks only the first
 * hundred.
 */
export async function listHolders(registry: Registry, digest: Digest): Promise<ContentHolder[]> {
  return (await registry.contents.holders(digest, 0, MAX_LOOKUPS)).holders
}

/** Finds content in a repository as it is served there; undefined if it was removed in the meantime. */
export async function findHeld(
  registry: Registry,
  { repository, as }: Pick<ContentHolder, 'repository' | 'as'>,
  digest: Digest,
): Promise<HeldContent | undefined> {
  try {
    const held = as === 'manifest' ? findManifest : findBlob
    return await held(registry, repository, digest)
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw error
  }
}

async function findBlob(
  registry: Registry,
  repository: RepositoryName,
  digest: Digest,
): Promise<HeldContent> {
  const { size, open } = await registry.blobs.find(repository, digest)
  return { repository, as: 'blob', mediaType: MEDIA_TYPES.blob, size, open }
}

async function findManifest(
  registry: Registry,
  repository: RepositoryName,
  digest: Digest,
): Promise<HeldContent> {
  const { mediaType, size } = await registry.manifests.find(repository, { digest })
  return {
    repository,
    as: 'manifest',
    mediaType,
    size,
    async open({ start, end }) {
      const { bytes } = await registry.manifests.read(repository, { digest })
      return { type: 'bytes', bytes: bytes.subarray(start, end + 1) }
    },
  }
}

/** The refusal of an unknown digest, and of one that the caller may not know about. */
export function contentUnknown(digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', {
    message: 'content is not known to this registry',
    details: [{ digest }],
  })
}

/** Whether an error says that something does not exist. */
export function isAbsence(error: unknown): boolean {
  return error instanceof RegistryError && ABSENT.includes(error.id)
}
