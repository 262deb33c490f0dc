import { RegistryError } from '../oci/error.ts'
import type { TagCondition } from '../registry/registry.ts'

/** The part of a request that conditions are read from. */
interface Headers {
  /** The value of a header by its lower-case name; several of one name joined by commas. */
  header(name: string): string | undefined
}

/** Whether `If-None-Match` says that the client already has this content. @see RFC 9110, section 13.1.2 */
export function isNotModified(request: Headers, digest: string): boolean {
  const header = request.header('if-none-match')
  if (header === undefined) return false
  const tags = parseEntityTags(header)
  return tags === '*' || tags.some((tag) => tag.value === digest)
}

/** Whether `If-Range` allows a partial answer: it is absent, or names this content strongly. @see RFC 9110, section 13.1.5 */
export function allowsRange(request: Headers, digest: string): boolean {
  const header = request.header('if-range')
  return header === undefined || header.trim() === `"${digest}"`
}

/** Compares `If-Match` with the current content. @throws RegistryError PRECONDITION_FAILED @see RFC 9110, section 13.1.1 */
export function requireMatch(request: Headers, digest: string): void {
  const { ifMatch } = tagCondition(request)
  if (ifMatch === undefined || ifMatch === '*' || ifMatch.includes(digest)) return
  throw new RegistryError('PRECONDITION_FAILED', { message: 'the current content does not match If-Match' })
}

/** The condition that a write of a tag sets for the tag. @see RFC 9110, sections 13.1.1 and 13.1.2 */
export function tagCondition(request: Headers): TagCondition {
  const ifMatch = request.header('if-match')
  const ifNoneMatch = request.header('if-none-match')
  return {
    // A weak tag never matches strongly, so it counts as a digest that no tag has.
    ...(ifMatch !== undefined && { ifMatch: digests(parseEntityTags(ifMatch), (tag) => !tag.weak) }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch: digests(parseEntityTags(ifNoneMatch), () => true) }),
  }
}

interface EntityTag {
  value: string
  weak: boolean
}

function digests(tags: '*' | EntityTag[], keep: (tag: EntityTag) => boolean): '*' | string[] {
  return tags === '*' ? '*' : tags.filter(keep).map((tag) => tag.value)
}

/** Reads entity tags; without quotes too, as some clients send digests. */
function parseEntityTags(header: string): '*' | EntityTag[] {
  if (header.trim() === '*') return '*'
  // A comma between quotes belongs to the tag.
  return (header.match(/(?:"[^"]*"|[^,"])+/g) ?? []).map((part) => {
    const tag = part.trim()
    const weak = tag.startsWith('W/')
    return { value: tag.slice(weak ? 2 : 0).replace(/^"|"$/g, ''), weak }
  })
}
