import { parseDigest } from '../oci/digest.ts'
import { parseNextLink } from '../oci/link.ts'
import type { Descriptor } from '../oci/manifest.ts'
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../oci/reference.ts'
import { formatRoute } from '../oci/route.ts'
import { readBody } from './body.ts'
import { InvalidResponseError } from './error.ts'
import { findManifest } from './manifests.ts'
import { ask, digestArgument, isObject, objectOf, type RepositorySession } from './request.ts'
import type { Received, SendInSession } from './session.ts'

/** How a list is read. */
export interface ListOptions {
  /** How many entries a page should have; the registry decides if absent. */
  pageSize?: number
  /** The entry after which the list begins. */
  last?: string
  signal?: AbortSignal
}

const MAX_PAGE = 32 * 1024 * 1024

type JsonObject = Readonly<Record<string, unknown>>

/** @see RegistryClient.repositories */
export async function* listRepositories(
  send: SendInSession,
  options: ListOptions = {},
): AsyncGenerator<RepositoryName, void, void> {
  for await (const body of pagesOf(send, `${formatRoute('catalog', {})}${queryOf(options)}`, options))
    yield* namesIn(body, 'repositories', parseRepositoryName)
}

/** @see RepositoryClient.tags */
export async function* listTags(
  { name, send }: RepositorySession,
  options: ListOptions = {},
): AsyncGenerator<Tag, void, void> {
  const target = `${formatRoute('tags', { name })}${queryOf(options)}`
  for await (const body of pagesOf(send, target, options)) yield* namesIn(body, 'tags', parseTag)
}

/** @see RepositoryClient.referrers */
export async function* listReferrers(
  place: RepositorySession,
  text: string,
  { artifactType, signal }: { artifactType?: string; signal?: AbortSignal } = {},
): AsyncGenerator<Descriptor, void, void> {
  const digest = digestArgument(text)
  const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`
  const target = `${formatRoute('referrers', { name: place.name, digest })}${query}`
  const isWanted = (each: Descriptor) => artifactType === undefined || each.artifactType === artifactType
  const options = { ...(signal && { signal }), isOptional: true }
  let isListed = false
  for await (const body of pagesOf(place.send, target, options)) {
    isListed = true
    // A registry need not filter.
    yield* descriptorsIn(body).filter(isWanted)
  }
  if (isListed) return
  // If the registry has no such list, clients keep it under a tag.
  const tagged = await findManifest(place, fallbackTag(digest), signal)
  if (tagged !== undefined) yield* descriptorsIn(objectOf(tagged.bytes)).filter(isWanted)
}

/** @see OCI Distribution Specification, "Referrers Tag Schema" */
function fallbackTag(digest: string): string {
  const [algorithm = '', encoded = ''] = digest.split(':')
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`.replaceAll(/[^A-Za-z0-9._-]/g, '-')
}

/** All pages of a list, found through their links; none if the list may be absent and is. */
async function* pagesOf(
  send: SendInSession,
  first: string,
  { signal, isOptional = false }: { signal?: AbortSignal; isOptional?: boolean },
): AsyncGenerator<JsonObject, void, void> {
  for (let target: string | undefined = first; target !== undefined; ) {
    const page: Received<Uint8Array> = await ask(
      send,
      { method: 'GET', target, ...(signal && { signal }) },
      {
        statuses: isOptional && target === first ? [200, 404] : [200],
        read: (response) => readBody(response, MAX_PAGE),
      },
    )
    if (page.status === 404) return
    yield objectOf(page.body)
    const next = nextOf(page.headers, page.url)
    if (next === page.url) throw new InvalidResponseError('a page of the list leads to itself')
    target = next
  }
}

function nextOf(headers: Headers, base: string): string | undefined {
  const link = headers.get('link')
  if (link === null) return undefined
  const target = parseNextLink(link)
  const url = target === undefined ? null : URL.parse(target, base)
  if (url === null) throw new InvalidResponseError('the Link to the next page is malformed')
  return url.href
}

function queryOf({ pageSize, last }: ListOptions): string {
  const query = new URLSearchParams({
    ...(pageSize !== undefined && { n: String(pageSize) }),
    ...(last !== undefined && { last }),
  }).toString()
  return query === '' ? '' : `?${query}`
}

function namesIn<T>(body: JsonObject, field: string, parse: (text: string) => T | undefined): T[] {
  return entriesIn(body, field).map((entry) => {
    const name = typeof entry === 'string' ? parse(entry) : undefined
    if (name === undefined) throw new InvalidResponseError(`"${field}" has an entry that is malformed`)
    return name
  })
}

/** Some registries write null for an empty list. */
function entriesIn(body: JsonObject, field: string): readonly unknown[] {
  const entries = body[field] ?? []
  if (!Array.isArray(entries)) throw new InvalidResponseError(`"${field}" is not an array`)
  return entries
}

function descriptorsIn(body: JsonObject): Descriptor[] {
  return entriesIn(body, 'manifests').map((entry) => {
    const descriptor = isObject(entry) ? descriptorOf(entry) : undefined
    if (descriptor === undefined)
      throw new InvalidResponseError('"manifests" has an entry that is not a descriptor')
    return descriptor
  })
}

function descriptorOf({ mediaType, digest, size, artifactType, annotations }: JsonObject) {
  const parsed = typeof digest === 'string' ? parseDigest(digest) : undefined
  if (parsed === undefined || typeof mediaType !== 'string' || !isSize(size)) return undefined
  return {
    mediaType,
    digest: parsed,
    size,
    ...(typeof artifactType === 'string' && { artifactType }),
    ...(isObject(annotations) && { annotations: stringsOf(annotations) }),
  }
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function stringsOf(object: JsonObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}
