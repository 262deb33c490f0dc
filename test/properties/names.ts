import fc from 'fast-check'
import { textOf } from './text.ts'

const LOWER = 'abcxyz0129'
const TAG_START = `${LOWER}ABZ_`

/** Words that paths of the API are made of: repositories may be called so. */
export const PATH_WORDS = ['v2', 'blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers'] as const

const alphanumeric = fc.oneof(textOf(LOWER, 1, 4), fc.constantFrom(...PATH_WORDS))
const separator = fc.constantFrom('.', '_', '__', '-', '--', '-----')

const component = fc
  .tuple(alphanumeric, fc.array(fc.tuple(separator, alphanumeric), { maxLength: 3 }))
  .map(([first, rest]) => first + rest.flat().join(''))

const names = fc
  .array(component, { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('/'))
  .filter((name) => name.length <= 255)

/** Names of repositories, as the specification has them, up to the 255 characters that are allowed. */
export const repositoryNames: fc.Arbitrary<string> = fc.oneof(
  { weight: 9, arbitrary: names },
  { weight: 1, arbitrary: fc.integer({ min: 250, max: 255 }).map((length) => 'a'.repeat(length)) },
)

/** Tags, as the specification has them. */
export const tags: fc.Arbitrary<string> = fc
  .tuple(
    textOf(TAG_START, 1, 1),
    fc.oneof(textOf(`${TAG_START}.-`, 0, 8), textOf(`${TAG_START}.-`, 120, 127)),
  )
  .map((parts) => parts.join(''))

const hex = (length: number) => textOf('0123456789abcdef', length, length)

/** Digests of the algorithms that the registry computes. */
export const knownDigests: fc.Arbitrary<string> = fc.oneof(
  hex(64).map((value) => `sha256:${value}`),
  hex(64).map((value) => `blake3:${value}`),
  hex(128).map((value) => `sha512:${value}`),
)

/** Digests of algorithms that nobody has heard of. */
export const otherDigests: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('md5', 'sha384', 'sha256sum', 'a'),
    fc.array(fc.tuple(textOf('+._-', 1, 1), textOf(LOWER, 1, 3)), { maxLength: 2 }),
    textOf(`${LOWER}ABZ=_-`, 1, 60),
  )
  .map(([first, rest, encoded]) => `${first}${rest.flat().join('')}:${encoded}`)

/** Digests, as the specification has them. */
export const digests: fc.Arbitrary<string> = fc.oneof(knownDigests, otherDigests)
