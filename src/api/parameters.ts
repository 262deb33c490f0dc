import { type Digest, type HashAlgorithm, parseDigest, parseHashAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { parseTag, type Tag } from '../oci/reference.ts'
import { TextError } from '../oci/text-error.ts'
import { parseTime } from '../oci/time.ts'
import { atMostRepeated, type Parameter } from './parameter.ts'
import { requireDigest, requireTag } from './path.ts'
import { type JsonSchema, schemaNamed } from './schema.ts'

const MAX_SHOWN = 100
/** All are set in one commit, for which other writes wait. */
const MAX_TAGS = 1_000

/** The `n` of a list of an extension: at least 1, and at most a maximum, which is also the value of an empty one. */
export function limitParameter(maximum: number): Parameter<number> {
  return {
    description: `The maximum number of entries, up to ${maximum}. A page may be shorter; there is another page if \`Link\` is present.`,
    schema: { type: 'integer', minimum: 1 },
    parse: (text) => parseLimit(text, 1, maximum),
  }
}

/** The `n` of a list of the specification, which may be 0. If there are several, the first one counts. */
export function specifiedLimitParameter(maximum: number): Parameter<number> {
  return {
    description:
      'The maximum number of entries. A page may be shorter; there is another page if `Link` is present.',
    schema: { type: 'integer', minimum: 0 },
    parse: (text) => parseLimit(text, 0, maximum),
    choose: first,
  }
}

function parseLimit(text: string, minimum: number, maximum: number): number {
  if (text === '') return maximum
  if (/^\d+$/.test(text) && Number(text) >= minimum) return Math.min(Number(text), maximum)
  throw new TextError(`must be a whole number, at least ${minimum}`, text, 0)
}

/** The `cursor` of a list, which its reader parses. */
export const CURSOR: Parameter<string> = {
  description: 'The position of the next page, taken from a `Link`; it is opaque to clients.',
  schema: { type: 'string' },
  parse: (text) => text,
}

/** A parameter that is never refused. The endpoint interprets it as well as it can. If there are several, the first one counts. */
export function textParameter(
  description: string,
  schema: JsonSchema = { type: 'string' },
): Parameter<string> {
  return { description, schema, errors: [], parse: (text) => text, choose: first }
}

/** A parameter that is one of a few words. */
export function wordParameter<const Word extends string>(
  words: readonly Word[],
  description: string,
): Parameter<Word> {
  return {
    description,
    schema: { type: 'string', enum: words },
    parse(text) {
      const word = words.find((one) => one === text)
      if (word !== undefined) return word
      throw new TextError(`is ${quoted(text)}, not one of ${words.join(', ')}`, text, 0)
    },
  }
}

/** A parameter that is `true` or `false`. */
export function flagParameter(description: string): Parameter<boolean> {
  return {
    description,
    schema: { type: 'boolean' },
    parse(text) {
      if (text === 'true' || text === 'false') return text === 'true'
      throw new TextError(`is ${quoted(text)}, not true or false`, text, 0)
    },
  }
}

/** A parameter that is a time. Its value is in milliseconds since the epoch. */
export function timeParameter(description: string): Parameter<number> {
  return { description, schema: { type: 'string', format: 'date-time' }, parse: parseTime }
}

/** A parameter that is a digest. */
export function digestParameter(description: string): Parameter<Digest> {
  return {
    description,
    schema: schemaNamed('Digest'),
    parse(text) {
      const digest = parseDigest(text)
      if (digest !== undefined) return digest
      throw new TextError(`is ${quoted(text)}, not <algorithm>:<lower-case hexadecimal digits>`, text, 0)
    },
  }
}

/** The `digest` of content that is pushed. Some clients send it twice, so it may be repeated if all values are the same. */
export function contentDigestParameter(description: string): Parameter<Digest> {
  return {
    description,
    schema: schemaNamed('Digest'),
    errors: ['DIGEST_INVALID'],
    parse: requireDigest,
    choose(texts) {
      const different = [...new Set(texts)]
      if (different.length <= 1) return different
      throw new RegistryError('DIGEST_INVALID', { message: 'two different digests were given' })
    },
  }
}

/** A parameter that names a digest algorithm. If there are several, the first one counts. */
export function hashAlgorithmParameter(description: string): Parameter<HashAlgorithm> {
  return {
    description,
    schema: schemaNamed('HashAlgorithm'),
    errors: ['DIGEST_UNSUPPORTED'],
    parse(text) {
      const algorithm = parseHashAlgorithm(text)
      if (algorithm === undefined) throw new RegistryError('DIGEST_UNSUPPORTED')
      return algorithm
    },
    choose: first,
  }
}

/** A parameter that is a tag. */
export function tagParameter(description: string): Parameter<Tag> {
  return {
    description,
    schema: schemaNamed('Tag'),
    parse(text) {
      const tag = parseTag(text)
      if (tag !== undefined) return tag
      const grammar =
        'up to 128 letters, digits, underscores, dots and dashes, not beginning with a dot or a dash'
      throw new TextError(`is ${quoted(text)}, not ${grammar}`, text, 0)
    },
  }
}

/** The `tag` parameters of a manifest that is pushed: up to 1,000 different tags. Duplicates count once. */
export function pushedTagsParameter(description: string): Parameter<Tag> & { repeated: true } {
  return {
    description,
    schema: schemaNamed('Tag'),
    repeated: true,
    errors: ['TAG_INVALID'],
    parse: requireTag,
    choose(texts) {
      const different = [...new Set(texts)]
      if (different.length <= MAX_TAGS) return different
      const message = `at most ${MAX_TAGS} tags are set at once, and the request has ${different.length}`
      throw new RegistryError('TAG_INVALID', { message })
    },
  }
}

/** A parameter that is a media type. An unencoded plus, as in "+json", arrives as a space. */
export function mediaTypeParameter(description: string): Parameter<string> {
  return {
    description,
    schema: { type: 'string' },
    parse(text) {
      if (text !== '') return text.replaceAll(' ', '+')
      throw new TextError('is empty', text, 0)
    },
  }
}

/** Up to 100 media types, a filter of the specification. Empty ones do not count. */
export function mediaTypesParameter(description: string): Parameter<string> & { repeated: true } {
  return {
    ...mediaTypeParameter(description),
    repeated: true,
    choose: (texts, name) =>
      atMostRepeated(
        texts.filter((text) => text !== ''),
        name,
      ),
  }
}

function first(texts: readonly string[]): readonly string[] {
  return texts.slice(0, 1)
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, MAX_SHOWN))
}
