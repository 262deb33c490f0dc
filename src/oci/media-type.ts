/** Media types that this registry or its client names. This is not a list of allowed types: any type can be stored. */
export const MEDIA_TYPES = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  blob: 'application/octet-stream',
  json: 'application/json',
} as const

const NAME = '[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}'
const MEDIA_TYPE = new RegExp(`^[ \\t]*(${NAME}/${NAME})[ \\t]*(?:;|$)`)
const FOREIGN_LAYER =
  /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.|docker\.image\.rootfs\.foreign\.)/i
const MANIFEST_TYPE = /^application\/vnd\..|\+json$/i

/**
 * Reads a media type without its parameters, as `Content-Type` carries it.
 *
 * @returns the type as it was written, or undefined if the text isn't one
 * @see RFC 6838, section 4.2
 */
export function parseMediaType(text: string): string | undefined {
  return MEDIA_TYPE.exec(text)?.[1]
}

/**
 * Whether a manifest can have this media type. It may be any specific type, known here or not, but not a generic one, such as the default
 * of curl.
 */
export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPE.test(mediaType)
}

/** Whether two media types are the same: the comparison ignores case. @see RFC 9110, section 8.3.1 */
export function isSameMediaType(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}

/** Whether a layer of this type need not be in the registry: its bytes are stored elsewhere. */
export function isForeignLayer(mediaType: string): boolean {
  return FOREIGN_LAYER.test(mediaType)
}
