import type { Job } from '../jobs/job.ts'
import type { Actor } from '../metadata/actor.ts'
import type { Change, ChangePage, ChangeQuery } from '../metadata/changes.ts'
import type { ContentHolder, HoldersPage } from '../metadata/contents.ts'
import type {
  ListedManifest,
  ManifestCursor,
  ManifestFilters,
  ManifestPage,
  ManifestQuery,
  ManifestRecord,
  ManifestSort,
  ReferrersPage,
  ReferrersQuery,
} from '../metadata/manifests.ts'
import type { Page } from '../metadata/page.ts'
import type {
  RepositoryDeletion,
  RepositoryEntry,
  RepositoryQuery,
  RepositoryState,
} from '../metadata/repositories.ts'
import type { PastTagsPage, TagChange, TagCondition } from '../metadata/tags.ts'
import type { Digest } from '../oci/digest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import type { BlobAddress, BlobBytes, FileSlice } from '../storage/blob-store.ts'
import { LossCounters, watchedBlobs } from './blob-presence.ts'
import { deleteBlob, findBlob, type Mount, mountBlob, type StoredBlob } from './blobs.ts'
import { countsJob } from './counts.ts'
import { findDeletion, Remover, refuseDeleting } from './deletion.ts'
import {
  type Changes,
  type ChangesRead,
  changesOf,
  type History,
  historyOf,
  type Rollback,
  type RollbackTarget,
  type When,
} from './history.ts'
import {
  deleteManifest,
  deleteTag,
  findManifest,
  type ManifestPush,
  type PushedManifest,
  purgeManifest,
  pushManifest,
  readManifest,
  type TagDeletion,
  type Undelete,
  undeleteManifest,
} from './manifests.ts'
import type { RegistryParts } from './parts.ts'
import { PullLog } from './pulls.ts'
import { type Uploads, uploadsOf } from './push-blob.ts'
import { nameUnknown } from './repositories.ts'
import { withStoreErrors } from './store-error.ts'
import { type SweepOptions, type Swept, sweep } from './sweep.ts'

export type {
  BlobAddress,
  BlobBytes,
  Change,
  ChangePage,
  ChangeQuery,
  Changes,
  ChangesRead,
  ContentHolder,
  FileSlice,
  History,
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
  Rollback,
  RollbackTarget,
  StoredBlob,
  SweepOptions,
  Swept,
  TagChange,
  TagCondition,
  Uploads,
  When,
}

/** Blobs of a repository. */
export interface Blobs {
  find(repository: RepositoryName, digest: Digest): Promise<StoredBlob>
  mount(repository: RepositoryName, digest: Digest, mount: Mount): Promise<boolean>
  delete(repository: RepositoryName, digest: Digest): Promise<void>
}

/** Manifests and tags of a repository. */
export interface Manifests {
  find(repository: RepositoryName, reference: Reference): Promise<ManifestRecord>
  read(repository: RepositoryName, reference: Reference): Promise<ManifestRecord & { bytes: Uint8Array }>
  push(push: ManifestPush): Promise<PushedManifest>
  delete(repository: RepositoryName, digest: Digest, actor: Actor): Promise<void>
  deleteTag(repository: RepositoryName, tag: Tag, deletion: TagDeletion): Promise<void>
  referrers(query: ReferrersQuery): Promise<ReferrersPage>
  tags(repository: RepositoryName, after: string, limit: number): Promise<Page<Tag>>
  list(query: ManifestQuery): Promise<ManifestPage>
  /** @returns the tags that it had when it was deleted */
  undelete(repository: RepositoryName, digest: Digest, undelete: Undelete): Promise<Tag[]>
  purge(repository: RepositoryName, digest: Digest, actor: Actor): Promise<void>
}

/** Repositories of the registry. */
export interface Repositories {
  exists(name: RepositoryName): Promise<boolean>
  list(after: string, limit: number): Promise<Page<RepositoryName>>
  state(name: RepositoryName): Promise<RepositoryState>
  children(query: RepositoryQuery): Promise<Page<RepositoryEntry>>
  delete(name: RepositoryName, actor: Actor): Promise<RepositoryDeletion>
  /** The state of the most recent deletion of a repository with this name. */
  deletion(name: RepositoryName): Promise<RepositoryDeletion>
}

/** Finds content across repositories. */
export interface Contents {
  /** Looks at no more than twice `limit` rows. @param after the id of the repository after which the page begins */
  holders(digest: Digest, after: number, limit: number): Promise<HoldersPage>
  /** Manifests of a repository that name it. */
  namedBy(repository: RepositoryName, digest: Digest, limit: number): Promise<Digest[]>
  /** The bytes of a manifest, for the registry's own use. This does not count as a pull. */
  manifest(repository: RepositoryName, digest: Digest): Promise<Uint8Array>
}

/**
 * The operations of a registry, for code that acts for a client. Every refusal is a RegistryError. Does not know about HTTP, SQL or paths.
 */
export interface Registry {
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly manifests: Manifests
  readonly repositories: Repositories
  readonly history: History
  readonly changes: Changes
  readonly contents: Contents
}

/** What keeps a registry in order. */
export interface Maintenance {
  /** One round of the sweeper; see sweep.ts. */
  sweep(signal: AbortSignal, options?: SweepOptions): Promise<Swept>
  /** Counts the content of repositories that have changed; see counts.ts. */
  readonly counts: Job<{ repositories: number }>
  /** Removes the rows of deleted repositories and tags; see deletion.ts. */
  readonly deletion: Job<{ rows: number }>
  /** Records which manifests were pulled through this registry; see pulls.ts. */
  readonly pulls: Job<{ manifests: number }>
}

/** A registry over its own stores, for the code that runs it. Code that acts for a client only gets a {@link Registry}. */
export interface LocalRegistry extends Registry {
  readonly maintenance: Maintenance
  /** Saves the last pulls, which are not stored yet, and stops communicating with the other threads. */
  close(): Promise<void>
}

/** The registry over its own stores. */
export function localRegistry(given: RegistryParts): LocalRegistry {
  const { clock, losses = new LossCounters(), onLost = () => {}, onStoreFailure = () => {} } = given
  const { blobs, metadata } = withStoreErrors(given, onStoreFailure)
  const parts = { ...given, metadata, blobs: watchedBlobs(blobs, { losses, clock, onLost }) }
  const pulls = new PullLog(parts)
  const remover = new Remover(parts)
  return {
    blobs: {
      find: (repository, digest) => findBlob(parts, repository, digest),
      mount: (repository, digest, mount) => mountBlob(parts, repository, digest, mount),
      delete: (repository, digest) => deleteBlob(parts, repository, digest),
    },
    uploads: guardedUploads(parts),
    manifests: manifestsOf(parts, pulls, remover),
    repositories: {
      exists: (name) => metadata.repositories.exists(name),
      list: (after, limit) => metadata.repositories.list(after, limit),
      state: async (name) => (await metadata.repositories.state(name)) ?? nameUnknown(name),
      children: (query) => metadata.repositories.children(query),
      delete: (name, actor) => remover.delete(name, actor),
      deletion: (name) => findDeletion(parts, name),
    },
    history: historyOf(parts),
    changes: changesOf(parts),
    contents: {
      holders: (digest, after, limit) => metadata.contents.holders(digest, after, limit),
      namedBy: (repository, digest, limit) => metadata.contents.namedBy(repository, digest, limit),
      manifest: async (repository, digest) => (await readManifest(parts, repository, { digest })).bytes,
    },
    maintenance: {
      sweep: (signal, options) => sweep(parts, signal, options),
      counts: countsJob(parts),
      deletion: remover.job,
      pulls: pulls.job,
    },
    async close() {
      // Recording pulls must not make anything else fail.
      await pulls.save().catch(() => {})
      parts.writers?.close()
    },
  }
}

/** Refuses every request for an upload into a repository that is being deleted. */
function guardedUploads(parts: RegistryParts): Uploads {
  const uploads = uploadsOf(parts)
  const guarded =
    <Rest extends unknown[], Result>(
      work: (repository: RepositoryName, ...rest: Rest) => Promise<Result>,
    ): typeof work =>
    async (repository, ...rest) => {
      await refuseDeleting(parts, repository)
      return await work(repository, ...rest)
    }
  return {
    start: guarded(uploads.start),
    append: guarded(uploads.append),
    finish: guarded(uploads.finish),
    pushWhole: guarded(uploads.pushWhole),
    status: guarded(uploads.status),
    cancel: guarded(uploads.cancel),
  }
}

function manifestsOf(parts: RegistryParts, pulls: PullLog, remover: Remover): Manifests {
  const { metadata } = parts
  return {
    find: (repository, reference) => findManifest(parts, repository, reference),
    async read(repository, reference) {
      const found = await readManifest(parts, repository, reference)
      pulls.add(repository, found.digest)
      return found
    },
    push: (push) => pushManifest(parts, push),
    async delete(repository, digest, actor) {
      if (await deleteManifest(parts, repository, digest, actor)) remover.begin()
    },
    deleteTag: (repository, tag, deletion) => deleteTag(parts, repository, tag, deletion),
    referrers: (query) => metadata.manifests.referrers(query),
    tags: async (repository, after, limit) =>
      (await metadata.tags.list(repository, after, limit)) ?? nameUnknown(repository),
    list: async (query) => (await metadata.manifests.list(query)) ?? nameUnknown(query.repository),
    undelete: (repository, digest, undelete) => undeleteManifest(parts, repository, digest, undelete),
    async purge(repository, digest, actor) {
      if (await purgeManifest(parts, repository, digest, actor)) remover.begin()
    },
  }
}
