import type { Digest } from '../oci/digest.ts'

/** The row of a tag. A hidden tag was deleted with its manifest, and that is not in the change log yet. */
export interface FoundTag {
  digest: Digest
  isHidden: boolean
}

/** The digest that a tag points to; undefined if there is no such tag. */
export function currentDigest(found: FoundTag | undefined): Digest | undefined {
  return found === undefined || found.isHidden ? undefined : found.digest
}

/** What pointing a tag to a manifest changes. */
export interface TagMove {
  /** What a hidden tag pointed to. Its removal is recorded before the new state. */
  removed: Digest | undefined
  /** What the tag pointed to. */
  old: Digest | undefined
}

/** Points a tag to a manifest. @returns undefined if it already does, which is no change */
export function moveTag(found: FoundTag | undefined, digest: Digest): TagMove | undefined {
  const old = currentDigest(found)
  if (old === digest) return undefined
  return { removed: found?.isHidden ? found.digest : undefined, old }
}
