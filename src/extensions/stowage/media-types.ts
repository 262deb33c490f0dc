import { MEDIA_TYPES } from '../../oci/media-type.ts'

/** The media type of a Stowage answer. The meaning of a name never changes: another version gets another name. */
export function ownMediaType(thing: string): string {
  return `application/vnd.stowage.${thing}.v1+json`
}

/** The media types of a Stowage answer: its own, or plain JSON for clients that accept only that. */
export function ownMediaTypes(thing: string): [own: string, json: string] {
  return [ownMediaType(thing), MEDIA_TYPES.json]
}
