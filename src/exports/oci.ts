/**
 * The types of the OCI specifications, and parsers for text and bytes that come from outside. All of it is pure and runs everywhere.
 *
 * @see docs/embedding.md
 */
export {
  type Digest,
  formatDigest,
  HASH_ALGORITHMS,
  type HashAlgorithm,
  parseDigest,
  parseHashAlgorithm,
} from '../oci/digest.ts'
export {
  type Descriptor,
  type Edge,
  type EdgeKind,
  MAX_MANIFEST_SIZE,
  type Manifest,
  parseManifest,
} from '../oci/manifest.ts'
export { isManifestType, MEDIA_TYPES, parseMediaType } from '../oci/media-type.ts'
export { parsePlatform } from '../oci/platform.ts'
export {
  parseReference,
  parseRepositoryName,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts'
export { TextError } from '../oci/text-error.ts'
