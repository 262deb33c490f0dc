import type { Digest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import type { Actor } from './actor.ts'
import type { Page } from './page.ts'

/** The condition that a tag must meet before a command may change it. @see RFC 9110, section 13.1 */
export interface TagCondition {
  /** One of these digests, or with `*` any. */
  ifMatch?: '*' | readonly string[]
  /** None of these digests, or with `*` absent. */
  ifNoneMatch?: '*' | readonly string[]
}

/** A change of one tag. */
export interface TagChange {
  revision: number
  /** Milliseconds since the epoch. */
  at: number
  /** Undefined if the tag was removed. */
  digest?: Digest
  actor?: string
  /** Whether the repository still has the manifest. */
  available: boolean
}

/** A tag as it was. */
export interface PastTag {
  tag: Tag
  digest: Digest
  /** When it was set to this state. */
  revision: number
  at: number
  available: boolean
}

/** A page of the tags as they were at a revision; `next` is where the following page begins, if there is one. */
export interface PastTagsPage {
  revision: number
  tags: PastTag[]
  next?: Tag
}

/** Reads of tags; undefined if the repository does not exist. */
export interface TagReads {
  /** Tags after `after`, in byte order. */
  list(repository: RepositoryName, after: string, limit: number): Promise<Page<Tag> | undefined>
  /** Changes of one tag before a revision, newest first. */
  history(
    repository: RepositoryName,
    tag: Tag,
    page: { before: number; limit: number },
  ): Promise<Page<TagChange> | undefined>
  /**
   * The tags as they were at a revision or time, in byte order. Looks at no more than 10,000 tags, so a page may be short or empty and
   * still have a next one.
   */
  at(
    repository: RepositoryName,
    when: { revision: number; time?: never } | { time: number; revision?: never },
    page: { after: string; limit: number },
  ): Promise<PastTagsPage | 'pruned' | undefined>
}

/** Sets a tag to a manifest that is in the repository. */
export interface SetTag {
  type: 'setTag'
  /** Recorded in the change log. */
  actor: Actor
  repository: RepositoryName
  tag: Tag
  digest: Digest
  condition: TagCondition
}

/** The tag pointed to `old` before, and was set at `revision`. `deleted` if the manifest was deleted and can be restored. */
export type SetTagOutcome =
  | { result: 'set'; old: Digest | undefined; revision: number }
  | { result: 'precondition-failed' | 'unknown' | 'deleted' }

/** Removes a tag; the manifest stays. */
export interface DeleteTag {
  type: 'deleteTag'
  /** Recorded in the change log. */
  actor: Actor
  repository: RepositoryName
  tag: Tag
  condition: TagCondition
}

/** @see DeleteTag */
export type DeleteTagOutcome = { result: 'deleted' | 'unknown' | 'precondition-failed' }

/** Removes rows of tags whose manifest was deleted with more tags than one step removes. These tags are already invisible. */
export interface DropHiddenTags {
  type: 'dropHiddenTags'
  limit: number
}

/** @see DropHiddenTags */
export type DropHiddenTagsOutcome = { result: 'done'; count: number; more: boolean }
