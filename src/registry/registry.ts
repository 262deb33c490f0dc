import type { TagCondition } from '../metadata/command.ts'
import type {
  BlobRecord,
  ManifestRecord,
  Page,
  ReferrersPage,
  ReferrersQuery,
} from '../metadata/metadata-store.ts'
import type { Digest, HashAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import type { BlobBytes, FileSlice } from '../storage/blob-store.ts'
import { deleteBlob, findBlob, mountBlob, openBlob } from './blobs.ts'
import type { ForwardJumps } from './clock-jumps.ts'
import {
  deleteManifest,
  deleteTag,
  findManifest,
  type ManifestPush,
  type PushedManifest,
  pushManifest,
  readManifest,
} from './manifests.ts'
import type { RegistryParts } from './parts.ts'
import { type BlobPusher, blobPusher } from './push-blob.ts'
import { type Swept, sweep } from './sweep.ts'
import { cancelUpload, findQuietUpload, startUpload } from './upload.ts'

export type { BlobBytes, BlobRecord, FileSlice, ManifestRecord, Page, ReferrersQuery, Swept, TagCondition }

/** Blobs of a repository. */
export interface Blobs {
  find(repository: RepositoryName, digest: Digest): Promise<BlobRecord>
  open(
    repository: RepositoryName,
    digest: Digest,
    part: { blob: BlobRecord; range: ByteRange },
  ): Promise<BlobBytes>
  mount(repository: RepositoryName, digest: Digest, from: RepositoryName | undefined): Promise<boolean>
  delete(repository: RepositoryName, digest: Digest): Promise<void>
}

/** Uploads into a repository. */
export interface Uploads extends BlobPusher {
  start(repository: RepositoryName, algorithm?: HashAlgorithm): string
  status(repository: RepositoryName, id: string): Promise<{ offset: number }>
  cancel(repository: RepositoryName, id: string): Promise<void>
}

/** Manifests and tags of a repository. */
export interface Manifests {
  find(repository: RepositoryName, reference: Reference): Promise<ManifestRecord>
  read(repository: RepositoryName, reference: Reference): Promise<ManifestRecord & { bytes: Uint8Array }>
  push(push: ManifestPush): Promise<PushedManifest>
  delete(repository: RepositoryName, digest: Digest): Promise<void>
  deleteTag(repository: RepositoryName, tag: Tag, condition: TagCondition): Promise<void>
  referrers(query: ReferrersQuery): Promise<ReferrersPage>
  tags(repository: RepositoryName, after: string, limit: number): Promise<Page<Tag>>
}

/** Repositories of the registry. */
export interface Repositories {
  exists(name: RepositoryName): Promise<boolean>
  list(after: string, limit: number): Promise<Page<RepositoryName>>
}

/**
 * What a registry does, for whoever speaks for a client: every refusal is a RegistryError. Knows neither HTTP nor SQL nor paths.
 */
export interface Registry {
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly manifests: Manifests
  readonly repositories: Repositories
  /** One round of the sweeper; see sweep.ts. */
  sweep(signal: AbortSignal, jumps?: ForwardJumps): Promise<Swept>
}

/** The registry over its own stores. */
export function localRegistry(parts: RegistryParts): Registry {
  return {
    blobs: {
      find: (repository, digest) => findBlob(parts, repository, digest),
      open: (repository, digest, part) => openBlob(parts, repository, digest, part),
      mount: (repository, digest, from) => mountBlob(parts, repository, digest, from),
      delete: (repository, digest) => deleteBlob(parts, repository, digest),
    },
    uploads: {
      ...blobPusher(parts),
      start: (repository, algorithm) => startUpload(parts, repository, algorithm),
      status: async (repository, id) => {
        const { record } = await findQuietUpload(parts, repository, id)
        return { offset: record.offset }
      },
      cancel: (repository, id) => cancelUpload(parts, repository, id),
    },
    manifests: {
      find: (repository, reference) => findManifest(parts, repository, reference),
      read: (repository, reference) => readManifest(parts, repository, reference),
      push: (push) => pushManifest(parts, push),
      delete: (repository, digest) => deleteManifest(parts, repository, digest),
      deleteTag: (repository, tag, condition) => deleteTag(parts, repository, tag, condition),
      referrers: (query) => parts.metadata.manifests.referrers(query),
      tags: (repository, after, limit) => listTags(parts, repository, after, limit),
    },
    repositories: {
      exists: (name) => parts.metadata.repositories.exists(name),
      list: (after, limit) => parts.metadata.repositories.list(after, limit),
    },
    sweep: (signal, jumps) => sweep(parts, signal, jumps),
  }
}

async function listTags(
  parts: RegistryParts,
  repository: RepositoryName,
  after: string,
  limit: number,
): Promise<Page<Tag>> {
  const page = await parts.metadata.tags.list(repository, after, limit)
  if (page === undefined) throw new RegistryError('NAME_UNKNOWN', { details: [{ name: repository }] })
  return page
}
