import { digestParameter, tagParameter } from '../api/parameters.ts'
import { type JsonSchema, schemaNamed } from '../api/schema.ts'
import { type Digest, parseDigest } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'
import { TextError } from '../oci/text-error.ts'
import type { BodyField } from './body.ts'

const MAX_SHOWN = 100
/** Each is a separate write within one transaction. */
const MAX_TAGS = 1_000

const digestText = digestParameter('')
const tagText = tagParameter('')

/** A field that is a digest. */
export function digestField(description: string): BodyField<Digest> {
  return {
    schema: { ...digestText.schema, description },
    parse: (value) => digestText.parse(requireText(value)),
  }
}

/** A field that is a tag. */
export function tagField(description: string): BodyField<Tag> {
  return { schema: { ...tagText.schema, description }, parse: parseTagValue }
}

/** A field that is an array of tags. Duplicates count once. */
export function tagsField(description: string): BodyField<Tag[]> {
  return {
    schema: { type: 'array', items: schemaNamed('Tag'), maxItems: MAX_TAGS, description },
    parse(value) {
      if (Array.isArray(value) && value.length > MAX_TAGS)
        throw new TextError(`has ${value.length} tags; the maximum is ${MAX_TAGS}`, '', 0)
      if (Array.isArray(value)) return [...new Set(value.map(parseTagValue))]
      throw new TextError(`is ${shown(value)}, not an array of tags`, '', 0)
    },
  }
}

/** A digest, or a revision of a repository. */
export type DigestOrRevision = { digest: Digest; revision?: never } | { revision: number; digest?: never }

/** A field that is a digest as text, or a revision as a number. */
export function digestOrRevisionField(description: string): BodyField<DigestOrRevision> {
  const revision: JsonSchema = { type: 'integer', minimum: 1 }
  return {
    schema: { description, anyOf: [schemaNamed('Digest'), revision] },
    parse(value) {
      if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return { revision: value }
      const digest = typeof value === 'string' ? parseDigest(value) : undefined
      if (digest !== undefined) return { digest }
      throw new TextError(
        `is ${shown(value)}, which is neither a digest nor a revision number, at least 1`,
        '',
        0,
      )
    },
  }
}

function parseTagValue(value: unknown): Tag {
  return tagText.parse(requireText(value))
}

function requireText(value: unknown): string {
  if (typeof value === 'string') return value
  throw new TextError(`is ${shown(value)}, not a string`, '', 0)
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, MAX_SHOWN)
}
