import { RegistryError } from './error.ts'

declare const brand: unique symbol

/** A digest that passed {@link parseDigest}: `<algorithm>:<encoded>`, at most 255 characters. */
export type Digest = string & { readonly [brand]: 'Digest' }

/** The algorithms that this registry computes, with the length of their lower-case hexadecimal form. */
export const HASH_ALGORITHMS = { sha256: 64, sha512: 128, blake3: 64 } as const

/** An algorithm that this registry computes. */
export type HashAlgorithm = keyof typeof HASH_ALGORITHMS

const GRAMMAR = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/
const HEX = /^[0-9a-f]+$/
const MAX_LENGTH = 255

/**
 * Reads a digest. Algorithms that this registry doesn't know pass when they fit the grammar; known ones must have exactly
 * their length in lower-case hexadecimal digits.
 *
 * @returns the digest, or undefined if the text isn't one
 * @see OCI Image Specification, descriptor.md, "Digests"
 */
export function parseDigest(text: string): Digest | undefined {
  if (text.length > MAX_LENGTH || !GRAMMAR.test(text)) return undefined
  const colon = text.indexOf(':')
  const algorithm = parseHashAlgorithm(text.slice(0, colon))
  if (algorithm === undefined) return text as Digest
  const encoded = text.slice(colon + 1)
  return encoded.length === HASH_ALGORITHMS[algorithm] && HEX.test(encoded) ? (text as Digest) : undefined
}

/** Makes a digest of an algorithm and the hexadecimal form of its value. */
export function formatDigest(algorithm: HashAlgorithm, hex: string): Digest {
  return `${algorithm}:${hex}` as Digest
}

/** Reads the name of an algorithm that this registry computes; undefined for any other. */
export function parseHashAlgorithm(name: string): HashAlgorithm | undefined {
  return Object.hasOwn(HASH_ALGORITHMS, name) ? (name as HashAlgorithm) : undefined
}

/**
 * The algorithm of a digest whose content must be hashed.
 *
 * @throws RegistryError DIGEST_UNSUPPORTED if this registry doesn't compute it
 */
export function hashAlgorithmOf(digest: Digest): HashAlgorithm {
  const algorithm = parseHashAlgorithm(digest.slice(0, digest.indexOf(':')))
  if (algorithm === undefined) throw new RegistryError('DIGEST_UNSUPPORTED', { details: [{ digest }] })
  return algorithm
}
