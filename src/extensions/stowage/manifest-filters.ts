import type { Parameter, ParameterValues } from '../../api/parameter.ts'
import { digestParameter, mediaTypeParameter, timeParameter, wordParameter } from '../../api/parameters.ts'
import { parseTagGlob } from '../../oci/glob.ts'
import { parseLabelSelector } from '../../oci/label-selector.ts'
import { parsePlatform } from '../../oci/platform.ts'
import { TextError } from '../../oci/text-error.ts'
import type { ManifestFilters } from '../../registry/registry.ts'

const filter = { filter: true } as const
const repeated = { repeated: true } as const

const tag: Parameter<string> = {
  description:
    'List only manifests with a tag that matches this pattern, which may contain the wildcards `*`, `?` and `[a-z]`.',
  schema: { type: 'string', examples: ['v1.*'] },
  parse(text) {
    parseTagGlob(text)
    return text
  },
}

const annotation: Parameter<{ key: string; value?: string }> = {
  description: 'List only manifests with this annotation: `key`, or `key=value`.',
  schema: { type: 'string' },
  parse(text) {
    const equals = text.indexOf('=')
    const key = equals === -1 ? text : text.slice(0, equals)
    if (key === '') throw new TextError('has no key', text, 0)
    return equals === -1 ? { key } : { key, value: text.slice(equals + 1) }
  },
}

/** The filters of a list of manifests. */
export const MANIFEST_FILTERS = {
  tag: { ...tag, ...filter },
  untagged: {
    ...wordParameter(
      ['true'],
      'List only manifests that cannot be reached from a tag: not directly, not through an index, and not as a referrer.',
    ),
    ...filter,
  },
  artifactType: {
    ...mediaTypeParameter('List only manifests with this artifact type, or with one of these types.'),
    ...filter,
    ...repeated,
  },
  mediaType: {
    ...mediaTypeParameter('List only manifests with this media type, or with one of these types.'),
    ...filter,
    ...repeated,
  },
  annotation: { ...annotation, ...filter, ...repeated },
  labelSelector: {
    description: 'List only images whose config has labels that match this selector, in Kubernetes syntax.',
    schema: { type: 'string', examples: ['tier=base,arch in (amd64,arm64),!broken'] },
    parse: parseLabelSelector,
    ...filter,
  },
  subject: { ...digestParameter('List only referrers of this digest.'), ...filter },
  platform: {
    description: 'List only images for this platform; without a variant, images with any variant match.',
    schema: { type: 'string', examples: ['linux/arm64'] },
    parse: parsePlatform,
    ...filter,
  },
  pushedBefore: {
    ...timeParameter('List only manifests that were first pushed before this time.'),
    ...filter,
  },
  pushedAfter: { ...timeParameter('List only manifests that were first pushed after this time.'), ...filter },
  pulledBefore: {
    ...timeParameter(
      'List only manifests that were last pulled before this time, or were never pulled and first pushed before it.',
    ),
    ...filter,
  },
} as const

/** The filters that a query names. */
export function manifestFilters(values: ParameterValues<typeof MANIFEST_FILTERS>): ManifestFilters {
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
