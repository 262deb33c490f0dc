/**
 * A client of any OCI registry. It needs only web standards, so it also runs in browsers.
 *
 * @see docs/embedding.md
 */
export type { Credentials } from '../client/authorization.ts'
export type { GetBlobOptions, PulledBlob } from '../client/blobs.ts'
export {
  ClientError,
  DestinationError,
  DigestError,
  type ErrorEntry,
  InvalidResponseError,
  ResponseError,
  TokenError,
} from '../client/error.ts'
export { digestOf } from '../client/hasher.ts'
export type { ListOptions } from '../client/lists.ts'
export type { ManifestInfo, PulledManifest, PushedManifest } from '../client/manifests.ts'
export { openRegistryClient, type RegistryClient, type RepositoryClient } from '../client/registry-client.ts'
export type { SessionOptions } from '../client/session.ts'
export type { Fetch, Route } from '../client/transport.ts'
export type { BlobContent, PushBlobOptions, PushedBlob } from '../client/uploads.ts'
