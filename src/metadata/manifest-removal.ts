import type { Digest } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'

/** The most tags that are removed together with their manifest. If there are more, all of them are hidden, and follow in small steps. */
const MAX_REMOVED_AT_ONCE = 500

/** How many tags of a manifest must be read before it is removed: as many as a deleted manifest is remembered to have had. */
export const MAX_REMEMBERED_TAGS = 1_000

/** Whether a manifest may be deleted or purged. Only a live one can be needed by another. */
export function judgeRemoval({
  isThere,
  neededBy,
}: {
  isThere: boolean
  neededBy: Digest | undefined
}): { result: 'unknown' } | { result: 'needed'; by: Digest } | undefined {
  if (!isThere) return { result: 'unknown' }
  return neededBy === undefined ? undefined : { result: 'needed', by: neededBy }
}

/**
 * Which tags are removed together with their manifest.
 *
 * @param tags of the manifest, in byte order; the first {@link MAX_REMEMBERED_TAGS} of them if there are more
 * @returns `hide` if all of them become invisible at once, and are removed later
 */
export function removeTags(tags: readonly Tag[]): readonly Tag[] | 'hide' {
  return tags.length > MAX_REMOVED_AT_ONCE ? 'hide' : tags
}

/** Whether a deleted manifest can be restored in one step, with the deleted manifests below it. */
export function judgeUndelete({
  missing,
  first,
}: {
  /** Content that they name and that the repository no longer has. */
  missing: readonly Digest[]
  /** If those below are too many: some of its direct children. */
  first: readonly Digest[] | undefined
}): { result: 'missing' | 'tombstones-below'; digests: Digest[] } | undefined {
  if (missing.length > 0) return { result: 'missing', digests: [...missing] }
  return first === undefined ? undefined : { result: 'tombstones-below', digests: [...first] }
}
