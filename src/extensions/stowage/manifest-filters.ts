import { parseGlob } from '../../oci/glob.ts'
import { parseLabelSelector } from '../../oci/label-selector.ts'
import { parsePlatform } from '../../oci/platform.ts'
import { TextError } from '../../oci/text-error.ts'
import type { ManifestFilters } from '../../registry/registry.ts'
import { digestParameter, mediaTypeParameter, timeParameter, wordParameter } from '../parameters.ts'
import type { QueryParameter, QueryValues } from '../query.ts'

const filter = { filter: true } as const
const repeated = { repeated: true } as const

const tag: QueryParameter<string> = {
  description: 'Of this pattern is one of its tags: `*`, `?` and `[a-z]` stand for others.',
  schema: { type: 'string', examples: ['v1.*'] },
  parse(text) {
    parseGlob(text)
    return text
  },
}

const annotation: QueryParameter<{ key: string; value?: string }> = {
  description: 'It has this annotation: `key`, or `key=value`.',
  schema: { type: 'string' },
  parse(text) {
    const equals = text.indexOf('=')
    const key = equals === -1 ? text : text.slice(0, equals)
    if (key === '') throw new TextError('has no key', text, 0)
    return equals === -1 ? { key } : { key, value: text.slice(equals + 1) }
  },
}

/** What a list of manifests can be filtered by. */
export const MANIFEST_FILTERS = {
  tag: { ...tag, ...filter },
  untagged: {
    ...wordParameter(
      ['true'],
      'No tag reaches it, neither through an index nor as a referrer of what a tag reaches.',
    ),
    ...filter,
  },
  artifactType: {
    ...mediaTypeParameter('Its artifact type is this, or one of these.'),
    ...filter,
    ...repeated,
  },
  mediaType: { ...mediaTypeParameter('Its media type is this, or one of these.'), ...filter, ...repeated },
  annotation: { ...annotation, ...filter, ...repeated },
  labelSelector: {
    description: 'The labels of its image config are of this selector, in Kubernetes syntax.',
    schema: { type: 'string', examples: ['tier=base,arch in (amd64,arm64),!broken'] },
    parse: parseLabelSelector,
    ...filter,
  },
  subject: { ...digestParameter('It is a referrer of this.'), ...filter },
  platform: {
    description: 'The platform of its image config is this; without a variant, whatever variant it has.',
    schema: { type: 'string', examples: ['linux/arm64'] },
    parse: parsePlatform,
    ...filter,
  },
  pushedBefore: { ...timeParameter('It was pushed before this time.'), ...filter },
  pushedAfter: { ...timeParameter('It was pushed after this time.'), ...filter },
  pulledBefore: {
    ...timeParameter('It was pulled last before this time; if it never was, it was pushed before it.'),
    ...filter,
  },
} as const

/** The filters that a query names. */
export function manifestFilters(values: QueryValues<typeof MANIFEST_FILTERS>): ManifestFilters {
  const { untagged, artifactType, mediaType, annotation: annotations, labelSelector, ...others } = values
  return {
    ...defined(others),
    ...(untagged && { untagged: true }),
    ...(artifactType.length > 0 && { artifactTypes: artifactType }),
    ...(mediaType.length > 0 && { mediaTypes: mediaType }),
    ...(annotations.length > 0 && { annotations }),
    ...(labelSelector && { labels: labelSelector }),
  }
}

type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> }

function defined<T extends object>(values: T): Defined<T> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as Defined<T>
}
