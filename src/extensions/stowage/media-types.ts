import { MEDIA_TYPES } from '../../oci/media-type.ts'

/** The media type of an answer of ours. What an answer says under one name never changes: another version is another name. */
export function ownMediaType(thing: string): string {
  return `application/vnd.stowage.${thing}.v1+json`
}

/** What an answer of ours is sent in: its own media type, or plain JSON for who asks for only that. */
export function ownMediaTypes(thing: string): [own: string, json: string] {
  return [ownMediaType(thing), MEDIA_TYPES.json]
}
