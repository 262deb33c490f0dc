import { schemaNamed } from '../api/schema.ts'
import { type Digest, parseDigest } from '../oci/digest.ts'
import { parseTag, type Tag } from '../oci/reference.ts'
import { TextError } from '../oci/text-error.ts'
import { parseTime } from '../oci/time.ts'
import type { QueryParameter } from './query.ts'

const MAX_SHOWN = 100

/** The `n` of a list: at least 1, and at most a maximum, which stands where it is absent or empty. */
export function limitParameter(maximum: number): QueryParameter<number> {
  return {
    description: `The maximum number of entries, up to ${maximum}. A page may be shorter; there is another page if \`Link\` is present.`,
    schema: { type: 'integer', minimum: 1 },
    parse(text) {
      if (text === '') return maximum
      if (/^\d{1,15}$/.test(text) && Number(text) > 0) return Math.min(Number(text), maximum)
      throw new TextError('must be a whole number, at least 1', text, 0)
    },
  }
}

/** The `cursor` of a list, which its reader parses. */
export const CURSOR: QueryParameter<string> = {
  description: 'The position of the next page, taken from a `Link`; it is opaque to clients.',
  schema: { type: 'string' },
  parse: (text) => text,
}

/** A parameter that is one of a few words. */
export function wordParameter<const Word extends string>(
  words: readonly Word[],
  description: string,
): QueryParameter<Word> {
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
export function flagParameter(description: string): QueryParameter<boolean> {
  return {
    description,
    schema: { type: 'boolean' },
    parse(text) {
      if (text === 'true' || text === 'false') return text === 'true'
      throw new TextError(`is ${quoted(text)}, not true or false`, text, 0)
    },
  }
}

/** A parameter that is a time; read in milliseconds since the epoch. */
export function timeParameter(description: string): QueryParameter<number> {
  return { description, schema: { type: 'string', format: 'date-time' }, parse: parseTime }
}

/** A parameter that is a digest. */
export function digestParameter(description: string): QueryParameter<Digest> {
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

/** A parameter that is a tag. */
export function tagParameter(description: string): QueryParameter<Tag> {
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

/** A parameter that is a media type. An unencoded plus, as in "+json", arrives as a space. */
export function mediaTypeParameter(description: string): QueryParameter<string> {
  return {
    description,
    schema: { type: 'string' },
    parse(text) {
      if (text !== '') return text.replaceAll(' ', '+')
      throw new TextError('is empty', text, 0)
    },
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, MAX_SHOWN))
}
