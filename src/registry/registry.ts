import type { TagCondition } from '../metadata/command.ts'
import type {
  BlobRecord,
  Change,
  ChangePage,
  ChangeQuery,
  HoldersPage,
  ListedManifest,
  ManifestCursor,
  ManifestFilters,
  ManifestPage,
  ManifestQuery,
  ManifestRecord,
  ManifestSort,
  Page,
  PastTagsPage,
  ReferrersPage,
  ReferrersQuery,
  RepositoryDeletion,
  RepositoryEntry,
  RepositoryQuery,
  RepositoryState,
  TagChange,
} from '../metadata/metadata-store.ts'
import type { Digest, HashAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import type { BlobBytes } from '../storage/blob-store.ts'
import { deleteBlob, findBlob, mountBlob, openBlob } from './blobs.ts'
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

export type {
  BlobBytes,
  BlobRecord,
  Change,
  ChangePage,
  ChangeQuery,
  HoldersPage,
  ListedManifest,
  ManifestCursor,
  ManifestFilters,
  ManifestPage,
  ManifestQuery,
  ManifestRecord,
  ManifestSort,
  Page,
  PastTagsPage,
  ReferrersQuery,
  RepositoryDeletion,
  RepositoryEntry,
  RepositoryQuery,
  RepositoryState,
  Swept,
  TagChange,
  TagCondition,
}

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
  start(repository: RepositoryName, algorithm?: HashAlgorithm): Promise<string>
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
  list(query: ManifestQuery): Promise<ManifestPage>
  /** @returns the tags that it had when it was deleted */
  undelete(repository: RepositoryName, digest: Digest, tags: readonly Tag[]): Promise<Tag[]>
  purge(repository: RepositoryName, digest: Digest): Promise<void>
}

/** Repositories of the registry. */
export interface Repositories {
  exists(name: RepositoryName): Promise<boolean>
  list(after: string, limit: number): Promise<Page<RepositoryName>>
  state(name: RepositoryName): Promise<RepositoryState>
  children(query: RepositoryQuery): Promise<Page<RepositoryEntry>>
  delete(name: RepositoryName): Promise<RepositoryDeletion>
  /** What became of the last repository of this name that was deleted. */
  deletion(name: RepositoryName): Promise<RepositoryDeletion>
}

/** What tags of a repository were. */
export interface History {
  /** Changes of a tag before a revision, newest first. */
  tag(repository: RepositoryName, tag: Tag, page: { before: number; limit: number }): Promise<Page<TagChange>>
  tagsAt(repository: RepositoryName, when: When, page: { after: string; limit: number }): Promise<PastTagsPage>
  /** @returns the digest that the tag points to now */
  rollback(repository: RepositoryName, tag: Tag, to: RollbackTarget): Promise<Digest>
}

/** A point of a repository's history: a revision, or milliseconds since the epoch. */
export type When = { revision: number; time?: never } | { time: number; revision?: never }

/** What a tag is to be again: a manifest of the repository, or what it was at a revision. */
export type RollbackTarget = ({ digest: Digest; revision?: never } | { revision: number; digest?: never }) & {
  condition: TagCondition
}

/** What happens in the registry. */
export interface Changes {
  /** Refuses to leave out what was forgotten. */
  read(query: ChangeQuery): Promise<ChangePage>
  bounds(): Promise<{ floor: number; last: number }>
  /** Resolves when there are changes of the registry behind a sequence number, or the signal is aborted. */
  wait(after: number, signal: AbortSignal): Promise<void>
}

/** Where content is. */
export interface Contents {
  /** Looks at no more than twice `limit` rows. @param after the id of the repository that the page begins behind */
  holders(digest: Digest, after: number, limit: number): Promise<HoldersPage>
  /** Manifests of a repository that name it. */
  namedBy(repository: RepositoryName, digest: Digest, limit: number): Promise<Digest[]>
}

/**
 * What a registry does, for whoever speaks for a client: every refusal is a RegistryError. Knows neither HTTP nor SQL nor paths.
 */
export interface Registry {
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly manifests: Manifests
  readonly repositories: Repositories
  readonly history: History
  readonly changes: Changes
  readonly contents: Contents
  /** One round of the sweeper; see sweep.ts. */
  sweep(signal: AbortSignal): Promise<Swept>
  /** Counts what is in repositories that have changed; see counts.ts. @returns how many it counted */
  count(signal: AbortSignal): Promise<number>
  /** Saves what is known but not stored yet: the last pulls. */
  close(): Promise<void>
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
    sweep: (signal) => sweep(parts, signal),
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
