import { type Digest, parseDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import {
  parseReference,
  parseRepositoryName,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts'

/** Parameters of a path once they passed their parsers. */
export interface PathParameters {
  name: RepositoryName
  digest: Digest
  reference: Reference
}

/** All are set in one commit, which others wait for. */
const MAX_TAGS = 1_000
const MAX_SHOWN = 100

/**
 * Parses the parameters of a path that have a grammar.
 *
 * @param method of the request: to read what can't be there is not to find it, and only a write must be told what is wrong
 * @throws RegistryError NAME_INVALID, DIGEST_INVALID or TAG_INVALID; MANIFEST_UNKNOWN for reads of a tag that can't be one
 */
export function parsePathParameters(
  params: Readonly<Record<string, string>>,
  method: string,
): Record<string, unknown> & Partial<PathParameters> {
  const parsed: Record<string, unknown> & Partial<PathParameters> = {}
  for (const [name, text] of Object.entries(params)) parsed[name] = text
  if (params.name !== undefined) parsed.name = requireName(params.name)
  if (params.digest !== undefined) parsed.digest = requireDigest(params.digest)
  if (params.reference !== undefined) parsed.reference = requireReference(params.reference, method)
  return parsed
}

function requireName(text: string): RepositoryName {
  const name = parseRepositoryName(text)
  if (name !== undefined) return name
  const message =
    'a repository name has up to 255 characters: lower-case letters, digits and single separators, in parts separated by slashes'
  throw new RegistryError('NAME_INVALID', { message, details: [{ name: text.slice(0, MAX_SHOWN) }] })
}

function requireDigest(text: string): Digest {
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

function requireTag(text: string): Tag {
  const tag = parseTag(text)
  if (tag !== undefined) return tag
  const message =
    'a tag has up to 128 letters, digits, underscores, dots and dashes, and does not begin with a dot or a dash'
  throw new RegistryError('TAG_INVALID', { message, details: [{ tag: text.slice(0, MAX_SHOWN) }] })
}

/** The `digest` parameter; some clients send it twice. @throws RegistryError DIGEST_INVALID if two differ or one is malformed */
export function digestParameter(query: URLSearchParams): Digest | undefined {
  const values = [...new Set(query.getAll('digest'))]
  if (values.length > 1)
    throw new RegistryError('DIGEST_INVALID', { message: 'two different digests were given' })
  return values[0] === undefined ? undefined : requireDigest(values[0])
}

/** The `tag` parameters, each once, up to 1,000 of them. @throws RegistryError TAG_INVALID */
export function tagParameters(query: URLSearchParams): Tag[] {
  const names = new Set(query.getAll('tag'))
  if (names.size > MAX_TAGS) {
    const message = `at most ${MAX_TAGS} tags are set at once, and the request has ${names.size}`
    throw new RegistryError('TAG_INVALID', { message })
  }
  return [...names].map(requireTag)
}

/** The `n` parameter, not above a maximum, which also stands where it is absent or empty. @throws RegistryError PARAMETER_INVALID */
export function limitParameter(query: URLSearchParams, maximum: number): number {
  const text = query.get('n') ?? ''
  if (text === '') return maximum
  if (!/^\d+$/.test(text)) {
    throw new RegistryError('PARAMETER_INVALID', {
      message: '"n" must be a whole number, at least 0',
    })
  }
  return Math.min(Number(text), maximum)
}
