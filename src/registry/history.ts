import type { Actor } from '../metadata/actor.ts'
import type { ChangePage, ChangeQuery } from '../metadata/changes.ts'
import type { Page } from '../metadata/page.ts'
import type { PastTagsPage, TagChange, TagCondition } from '../metadata/tags.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import type { RegistryParts } from './parts.ts'
import { nameUnknown } from './repositories.ts'

/** A point of a repository's history: a revision, or milliseconds since the epoch. */
export type When = { revision: number; time?: never } | { time: number; revision?: never }

/** The target of a rollback: a manifest of the repository, or the state of the tag at a revision. */
export type RollbackTarget = ({ digest: Digest; revision?: never } | { revision: number; digest?: never }) & {
  condition: TagCondition
  actor: Actor
}

/** The result of rolling a tag back. */
export interface Rollback {
  /** Undefined if the tag did not exist. */
  old: Digest | undefined
  new: Digest
  /** Of the repository after the rollback. */
  revision: number
}

/** The past states of the tags of a repository. */
export interface History {
  /** Changes of a tag before a revision, newest first. */
  tag(repository: RepositoryName, tag: Tag, page: { before: number; limit: number }): Promise<Page<TagChange>>
  tagsAt(
    repository: RepositoryName,
    when: When,
    page: { after: string; limit: number },
  ): Promise<PastTagsPage>
  rollback(repository: RepositoryName, tag: Tag, to: RollbackTarget): Promise<Rollback>
}

/** Changes that were read. Changes of repositories that the caller may not know about are left out. */
export interface ChangesRead extends ChangePage {
  /** The sequence number after which the next page begins. */
  next: number
}

/** What happens in the registry. */
export interface Changes {
  /** Fails if changes that it should return were already forgotten. */
  read(query: ChangeQuery): Promise<ChangesRead>
  bounds(): Promise<{ floor: number; last: number }>
  /** Resolves when the registry has changes after a sequence number, or the signal is aborted. */
  wait(after: number, signal: AbortSignal): Promise<void>
}

/** The history of tags. */
export function historyOf(parts: RegistryParts): History {
  return {
    tag: async (repository, tag, page) =>
      (await parts.metadata.tags.history(repository, tag, page)) ?? nameUnknown(repository),
    tagsAt: (repository, when, page) => readTagsAt(parts, repository, when, page),
    rollback: (repository, tag, to) => rollBack(parts, repository, tag, to),
  }
}

async function readTagsAt(
  parts: RegistryParts,
  repository: RepositoryName,
  when: When,
  page: { after: string; limit: number },
): Promise<PastTagsPage> {
  const found = await parts.metadata.tags.at(repository, when, page)
  if (found === undefined) return nameUnknown(repository)
  if (found === 'pruned') throw new RegistryError('HISTORY_PRUNED')
  return found
}

async function rollBack(
  parts: RegistryParts,
  repository: RepositoryName,
  tag: Tag,
  to: RollbackTarget,
): Promise<Rollback> {
  const digest = to.digest ?? (await digestAt(parts, repository, tag, to.revision))
  const [outcome] = await parts.metadata.commit([
    { type: 'setTag', actor: to.actor, repository, tag, digest, condition: to.condition },
  ])
  if (outcome.result === 'set') return { old: outcome.old, new: digest, revision: outcome.revision }
  if (outcome.result === 'precondition-failed') throw new RegistryError('PRECONDITION_FAILED')
  if (outcome.result === 'deleted') throw new RegistryError('MANIFEST_DELETED', { details: [{ digest }] })
  if (!(await parts.metadata.repositories.exists(repository))) return nameUnknown(repository)
  throw to.digest === undefined
    ? new RegistryError('CONTENT_GONE', {
        message: `the manifest that this tag pointed to at revision ${to.revision} has already been removed`,
        details: [{ digest }],
      })
    : new RegistryError('MANIFEST_UNKNOWN', { details: [{ digest }] })
}

async function digestAt(
  parts: RegistryParts,
  repository: RepositoryName,
  tag: Tag,
  revision: number,
): Promise<Digest> {
  // The state at a revision may have been forgotten, and only this read can tell.
  await readTagsAt(parts, repository, { revision }, { after: '', limit: 0 })
  const page = await parts.metadata.tags.history(repository, tag, { before: revision + 1, limit: 1 })
  const digest = page?.items[0]?.digest
  if (digest !== undefined) return digest
  throw new RegistryError('MANIFEST_UNKNOWN', {
    message: `the tag did not exist at revision ${revision}`,
    details: [{ tag }],
  })
}

/** The change log. */
export function changesOf(parts: RegistryParts): Changes {
  return {
    read: (query) => readChanges(parts, query),
    bounds: () => parts.metadata.log.bounds(),
    wait: (after, signal) => parts.metadata.log.changed(after, signal),
  }
}

async function readChanges(parts: RegistryParts, query: ChangeQuery): Promise<ChangesRead> {
  const page = await parts.metadata.log.read(query)
  if (page === undefined) {
    throw new RegistryError('NAME_UNKNOWN', { details: [{ name: query.repository }] })
  }
  if (query.after >= page.floor) {
    const { changes, last } = page
    return { ...page, next: changes.length < query.limit ? last : (changes.at(-1)?.sequence ?? last) }
  }
  throw new RegistryError('HISTORY_PRUNED', {
    message: `changes up to sequence ${page.floor} are no longer kept; list the current state again, and continue after ${page.last}`,
    details: [{ floor: page.floor, last: page.last }],
  })
}
