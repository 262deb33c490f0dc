import { setImmediate } from 'node:timers/promises'
import type { Digest } from '../../oci/digest.ts'
import { parseJson } from '../../oci/json.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Registry } from '../../registry/registry.ts'
import { isAbsence } from './held-content.ts'
import { isLocationUrl } from './location-url.ts'

/**
 * The artifact type of manifests whose annotations describe where content is: the key is a digest, and the value is a list of URLs
 * separated by spaces.
 */
export const LOCATIONS_ARTIFACT_TYPE = 'application/vnd.stowage.locations.v1+json'

const MAX_PARENTS = 16
const MAX_REGISTRATIONS = 100
const DESCRIPTOR_FIELDS = ['config', 'layers', 'blobs', 'manifests', 'subject'] as const

/** How much a request may still read in order to find locations. */
export interface ReadBudget {
  /** Manifests to read, and subjects whose referrers to list. */
  manifests: number
  /** Of manifests. */
  bytes: number
  /** Bytes of registered locations, in annotations. */
  registeredBytes: number
  /** Locations to return. */
  locations: number
}

/** The locations of content according to the manifests of a repository. */
export interface DescribedLocations {
  /** In the `urls` of descriptors. */
  descriptors: string[]
  /** Registered for the content, or for a manifest that names it. */
  referrers: string[]
  /** As a descriptor has it. */
  size?: number
}

/** Finds the locations of content that the manifests of a repository name, as far as the budget allows. It reduces the budget. */
export async function describedLocations(
  registry: Registry,
  { repository, digest }: { repository: RepositoryName; digest: Digest },
  budget: ReadBudget,
): Promise<DescribedLocations> {
  const found: DescribedLocations = { descriptors: [], referrers: [] }
  const parents = await registry.contents.namedBy(repository, digest, MAX_PARENTS)
  for (const subject of [digest, ...parents]) {
    if (budget.manifests-- <= 0) break
    // Each step may read very many referrers, and other requests must be answered in between.
    await setImmediate()
    if (budget.registeredBytes > 0) {
      const registered = await registeredFor(registry, { repository, subject, digest }, budget)
      found.referrers.push(...registered)
    }
    if (subject === digest) continue
    const descriptors = await descriptorsOf(registry, { repository, manifest: subject }, budget)
    for (const descriptor of descriptors.filter((one) => one.digest === digest)) {
      const urls = urlsOf(descriptor).slice(0, budget.locations)
      budget.locations -= urls.length
      found.descriptors.push(...urls)
      if (typeof descriptor.size === 'number') found.size = descriptor.size
    }
  }
  return found
}

async function registeredFor(
  registry: Registry,
  { repository, subject, digest }: { repository: RepositoryName; subject: Digest; digest: Digest },
  budget: ReadBudget,
): Promise<string[]> {
  const { descriptors } = await registry.manifests.referrers({
    repository,
    subject,
    artifactTypes: [LOCATIONS_ARTIFACT_TYPE],
    after: '',
    limit: MAX_REGISTRATIONS,
    maxBytes: budget.registeredBytes,
  })
  const urls: string[] = []
  for (const { annotations = {} } of descriptors) {
    budget.registeredBytes -= Object.entries(annotations).reduce(
      (sum, [key, text]) => sum + key.length + text.length,
      0,
    )
    for (const [text] of (annotations[digest] ?? '').matchAll(/\S+/g)) {
      if (budget.locations <= 0) return urls
      if (!isLocationUrl(text)) continue
      urls.push(text)
      budget.locations--
    }
  }
  return urls
}

interface AnyDescriptor {
  digest?: unknown
  size?: unknown
  urls?: unknown
}

async function descriptorsOf(
  registry: Registry,
  { repository, manifest }: { repository: RepositoryName; manifest: Digest },
  budget: ReadBudget,
): Promise<AnyDescriptor[]> {
  try {
    const { size } = await registry.manifests.find(repository, { digest: manifest })
    if (size > budget.bytes) return []
    budget.bytes -= size
    // It was checked when it was pushed.
    const body = parseJson(await registry.contents.manifest(repository, manifest)) as Record<string, unknown>
    return DESCRIPTOR_FIELDS.flatMap((field) => (body[field] ?? []) as AnyDescriptor | AnyDescriptor[])
  } catch (error) {
    if (isAbsence(error)) return []
    throw error
  }
}

function urlsOf({ urls }: AnyDescriptor): string[] {
  return Array.isArray(urls) ? urls.filter(isLocationUrl) : []
}
