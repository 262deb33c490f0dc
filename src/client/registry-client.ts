import type { Descriptor } from '../oci/manifest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { formatRoute } from '../oci/route.ts'
import { type GetBlobOptions, getBlob, headBlob, type PulledBlob } from './blobs.ts'
import { type ListOptions, listReferrers, listRepositories, listTags } from './lists.ts'
import {
  getManifest,
  headManifest,
  type ManifestInfo,
  type PulledManifest,
  type PushedManifest,
  putManifest,
} from './manifests.ts'
import {
  ask,
  digestArgument,
  ignoreBody,
  type RepositorySession,
  referenceArgument,
  repositoryArgument,
} from './request.ts'
import { openSession, type SessionOptions } from './session.ts'
import { type BlobContent, mountBlob, type PushBlobOptions, type PushedBlob, pushBlob } from './uploads.ts'

/** Talks to one registry. */
export interface RegistryClient {
  /** Scheme, host and port of the registry. */
  readonly origin: string
  /** Checks that the server is a registry that accepts the credentials. */
  ping(signal?: AbortSignal): Promise<void>
  /** All repositories, in the order of the registry. Pages are requested as they are needed. */
  repositories(options?: ListOptions): AsyncIterable<RepositoryName>
  /** A client of one repository. @throws TypeError if it is not a repository name */
  repository(name: string): RepositoryClient
}

/**
 * Talks to one repository.
 *
 * All methods throw TypeError for a tag or digest that is malformed, ResponseError if the registry refuses a request, DigestError if
 * content does not have its digest, any other ClientError if a response is not acceptable, and the error of fetch if there was no response.
 */
export interface RepositoryClient {
  readonly name: RepositoryName
  /** Checks whether a manifest exists. @returns undefined if it does not */
  headManifest(reference: string, signal?: AbortSignal): Promise<ManifestInfo | undefined>
  /** Pulls a manifest of at most 4 MiB by tag or digest. Its bytes have the requested digest, or the digest that the registry returns. */
  getManifest(reference: string, signal?: AbortSignal): Promise<PulledManifest>
  /** Pushes a manifest under a tag or its digest. */
  putManifest(
    reference: string,
    manifest: { mediaType: string; bytes: Uint8Array; signal?: AbortSignal },
  ): Promise<PushedManifest>
  /** Deletes a tag, or a manifest by its digest. */
  deleteManifest(reference: string, signal?: AbortSignal): Promise<void>
  /** Checks whether a blob exists. @returns undefined if it does not */
  headBlob(digest: string, signal?: AbortSignal): Promise<{ size?: number } | undefined>
  /** Pulls a blob. Its bytes are verified as they pass. */
  getBlob(digest: string, options?: GetBlobOptions): Promise<PulledBlob>
  /** Pushes a blob. After a network failure it continues from the bytes that the registry has received. */
  pushBlob(content: BlobContent, options?: PushBlobOptions): Promise<PushedBlob>
  /** Mounts a blob of another repository into this one. @returns false if the registry did not mount it; it must then be pushed */
  mountBlob(digest: string, options: { from: string; signal?: AbortSignal }): Promise<boolean>
  deleteBlob(digest: string, signal?: AbortSignal): Promise<void>
  /** All tags, in the order of the registry. Pages are requested as they are needed. */
  tags(options?: ListOptions): AsyncIterable<Tag>
  /** All manifests whose subject is this digest, from the list or, if the registry has none, from the tag that replaces it. */
  referrers(
    digest: string,
    options?: { artifactType?: string; signal?: AbortSignal },
  ): AsyncIterable<Descriptor>
}

const TIMEOUT = 60_000

/**
 * Makes a client of one registry. It sends nothing until one of its methods is called.
 *
 * Requests go to the registry's own origin, to `allowedHosts`, and for tokens to hosts that use https. Credentials never go to any other
 * host. If a registry stores blobs on another host, that host must be listed.
 *
 * @param url scheme, host and port
 * @throws TypeError if it is something else
 */
export function openRegistryClient(url: string, options: SessionOptions = {}): RegistryClient {
  const origin = originOf(url)
  const send = openSession(origin, options)
  const { timeout = TIMEOUT } = options
  return {
    origin,
    async ping(signal) {
      const request = { method: 'GET', target: formatRoute('base', {}), ...(signal && { signal }) }
      await ask(send, request, { statuses: [200], read: ignoreBody })
    },
    repositories: (list) => listRepositories(send, list),
    repository: (name) => repositoryAt({ name: repositoryArgument(name), send, timeout }),
  }
}

function repositoryAt(place: RepositorySession): RepositoryClient {
  const { name, send } = place
  const remove = async (target: string, signal?: AbortSignal) => {
    const request = { method: 'DELETE', target, ...(signal && { signal }) }
    await ask(send, request, { statuses: [200, 202, 204], read: ignoreBody })
  }
  return {
    name,
    headManifest: (reference, signal) => headManifest(place, reference, signal),
    getManifest: (reference, signal) => getManifest(place, reference, signal),
    putManifest: (reference, manifest) => putManifest(place, reference, manifest),
    async deleteManifest(reference, signal) {
      referenceArgument(reference)
      await remove(formatRoute('manifest', { name, reference }), signal)
    },
    headBlob: (digest, signal) => headBlob(place, digest, signal),
    getBlob: (digest, options) => getBlob(place, digest, options),
    pushBlob: (content, options) => pushBlob(place, content, options),
    mountBlob: (digest, options) => mountBlob(place, digest, options),
    async deleteBlob(digest, signal) {
      await remove(formatRoute('blob', { name, digest: digestArgument(digest) }), signal)
    },
    tags: (list) => listTags(place, list),
    referrers: (digest, list) => listReferrers(place, digest, list),
  }
}

function originOf(text: string): string {
  const url = URL.parse(text)
  const isOrigin =
    url !== null &&
    ['http:', 'https:'].includes(url.protocol) &&
    url.username + url.password + url.search + url.hash === '' &&
    ['/', '/v2', '/v2/'].includes(url.pathname)
  if (!isOrigin) throw new TypeError(`${JSON.stringify(text)} is not the URL of a registry`)
  return url.origin
}
