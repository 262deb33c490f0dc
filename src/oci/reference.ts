import { type Digest, parseDigest } from './digest.ts'

declare const brand: unique symbol

/** A repository name that passed {@link parseRepositoryName}. */
export type RepositoryName = string & { readonly [brand]: 'RepositoryName' }

/** A tag that passed {@link parseTag}. */
export type Tag = string & { readonly [brand]: 'Tag' }

/** The text after `/manifests/`: a tag or a digest. The colon distinguishes them. */
export type Reference = { tag: Tag; digest?: never } | { digest: Digest; tag?: never }

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const MAX_NAME_LENGTH = 255

/**
 * Reads a repository name of at most 255 characters.
 *
 * @returns the name, or undefined if the text isn't one
 * @see OCI Distribution Specification, "Pulling manifests"
 */
export function parseRepositoryName(text: string): RepositoryName | undefined {
  if (text.length > MAX_NAME_LENGTH) return undefined
  // Each component is matched separately, since one expression for the whole grammar could backtrack for a long time.
  return text.split('/').every((component) => COMPONENT.test(component))
    ? (text as RepositoryName)
    : undefined
}

/**
 * Reads a tag of at most 128 characters.
 *
 * @returns the tag, or undefined if the text isn't one
 * @see OCI Distribution Specification, "Pulling manifests"
 */
export function parseTag(text: string): Tag | undefined {
  return TAG.test(text) ? (text as Tag) : undefined
}

/** Reads a tag or a digest; text with a colon is never a tag. */
export function parseReference(text: string): Reference | undefined {
  if (text.includes(':')) {
    const digest = parseDigest(text)
    return digest && { digest }
  }
  const tag = parseTag(text)
  return tag && { tag }
}
