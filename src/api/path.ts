import { type Digest, parseDigest } from '../oci/digest.ts'
import { type ErrorId, RegistryError } from '../oci/error.ts'
import {
  parseReference,
  parseRepositoryName,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts'
import type { Route, RouteId, RouteParams } from '../oci/route.ts'
import type { ParameterDescription } from './operation.ts'
import { schemaNamed } from './schema.ts'

const MAX_SHOWN = 100

/** A parameter of a path as it is described, and as it is read. */
interface PathParameter<T> extends ParameterDescription {
  errors: readonly ErrorId[]
  /**
   * @param method of the request
   * @throws RegistryError of {@link PathParameter.errors}
   */
  parse(text: string, method: string): T
}

/** The parameters of paths, in the order in which they are parsed. */
export const PATH_PARAMETERS = {
  name: {
    description:
      'The name of the repository. Its slashes may be percent-encoded in requests; they never are in responses.',
    schema: schemaNamed('RepositoryName'),
    errors: ['NAME_INVALID'],
    parse: requireName,
  },
  digest: {
    description: 'The digest of the content.',
    schema: schemaNamed('Digest'),
    errors: ['DIGEST_INVALID'],
    parse: requireDigest,
  },
  reference: {
    description: 'The tag or the digest of the manifest.',
    schema: schemaNamed('Reference'),
    errors: ['DIGEST_INVALID'],
    parse: requireReference,
  },
  tag: {
    description: 'The tag.',
    schema: schemaNamed('Tag'),
    errors: ['TAG_INVALID'],
    parse: requireTag,
  },
  upload: {
    description: 'The id of the upload, as part of the `Location` in each response.',
    schema: schemaNamed('UploadId'),
    errors: [],
    parse: (text) => text,
  },
} as const satisfies Record<string, PathParameter<unknown>>

/** The name of a parameter that a path may have. */
export type PathParameterName = keyof typeof PATH_PARAMETERS

const NAMES = Object.keys(PATH_PARAMETERS) as PathParameterName[]

/** The parameters of a route's path as its endpoints get them. */
export type PathValues<Id extends RouteId> = {
  [Name in keyof RouteParams<Id>]: Name extends PathParameterName
    ? ReturnType<(typeof PATH_PARAMETERS)[Name]['parse']>
    : string
}

/** A path whose parameters are parsed. */
export type ParsedPath<Id extends RouteId = RouteId> = {
  [Each in Id]: {
    id: Each
    values: PathValues<Each>
    /** The repository in the path, if there is one. */
    repository: RepositoryName | undefined
  }
}[Id]

/**
 * Parses the parameters of a path.
 *
 * @param method of the request: a read of a tag that cannot exist finds nothing, and only a write gets the reason
 * @throws RegistryError NAME_INVALID, DIGEST_INVALID or TAG_INVALID; MANIFEST_UNKNOWN for reads of a tag that is not one
 */
export function parsePath({ id, params }: Route, method: string): ParsedPath {
  const texts: Readonly<Record<string, string>> = params
  const values: Record<string, unknown> = { ...texts }
  for (const name of NAMES) {
    const text = texts[name]
    if (text !== undefined) values[name] = PATH_PARAMETERS[name].parse(text, method)
  }
  return { id, values, repository: values.name } as ParsedPath
}

function requireName(text: string): RepositoryName {
  const name = parseRepositoryName(text)
  if (name !== undefined) return name
  const message =
    'a repository name has up to 255 characters: lower-case letters, digits and single separators, in parts separated by slashes'
  throw new RegistryError('NAME_INVALID', { message, details: [{ name: text.slice(0, MAX_SHOWN) }] })
}

/** @throws RegistryError DIGEST_INVALID */
export function requireDigest(text: string): Digest {
  const digest = parseDigest(text)
  if (digest !== undefined) return digest
  const message = 'digest is malformed; it must be <algorithm>:<lower-case hexadecimal digits>'
  throw new RegistryError('DIGEST_INVALID', { message, details: [{ digest: text.slice(0, MAX_SHOWN) }] })
}

function requireReference(text: string, method: string): Reference {
  const reference = parseReference(text)
  if (reference !== undefined) return reference
  if (text.includes(':')) return { digest: requireDigest(text) }
  if (method === 'GET' || method === 'HEAD') {
    throw new RegistryError('MANIFEST_UNKNOWN', { details: [{ tag: text.slice(0, MAX_SHOWN) }] })
  }
  return { tag: requireTag(text) }
}

/** @throws RegistryError TAG_INVALID */
export function requireTag(text: string): Tag {
  const tag = parseTag(text)
  if (tag !== undefined) return tag
  const message =
    'a tag has up to 128 letters, digits, underscores, dots and dashes, and does not begin with a dot or a dash'
  throw new RegistryError('TAG_INVALID', { message, details: [{ tag: text.slice(0, MAX_SHOWN) }] })
}
