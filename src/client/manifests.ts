import type { Digest } from '../oci/digest.ts'
import { MAX_MANIFEST_SIZE } from '../oci/manifest.ts'
import { MEDIA_TYPES, parseMediaType } from '../oci/media-type.ts'
import { formatRoute } from '../oci/route.ts'
import { readBody } from './body.ts'
import { DigestError, InvalidResponseError, ResponseError } from './error.ts'
import { algorithmOf, digestOf } from './hasher.ts'
import { ask, digestIn, ignoreBody, lengthIn, type RepositorySession, referenceArgument } from './request.ts'

/** What a registry returns about a manifest without its bytes. */
export interface ManifestInfo {
  mediaType: string
  /** Absent if the registry does not return it. */
  digest?: Digest
  /** In bytes; absent if the registry does not return it. */
  size?: number
}

/** A manifest whose bytes have its digest. */
export interface PulledManifest {
  mediaType: string
  digest: Digest
  bytes: Uint8Array
}

/** The result of pushing a manifest. */
export interface PushedManifest {
  digest: Digest
  /** The subject that the registry lists the manifest for; absent if it has none, or the registry has no list of referrers. */
  subject?: Digest
}

/** Registries hide manifests from clients that don't accept their type, as the specification allows. */
const ACCEPT = [
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.dockerManifestList,
  '*/*',
].join(', ')

/** @see RepositoryClient.headManifest */
export async function headManifest(
  { name, send }: RepositorySession,
  reference: string,
  signal?: AbortSignal,
): Promise<ManifestInfo | undefined> {
  const wanted = referenceArgument(reference)
  const { status, headers } = await ask(
    send,
    {
      method: 'HEAD',
      target: formatRoute('manifest', { name, reference }),
      headers: { Accept: ACCEPT },
      ...(signal && { signal }),
    },
    { statuses: [200, 404], read: ignoreBody },
  )
  if (status === 404) return undefined
  const digest = digestIn(headers) ?? wanted.digest
  if (wanted.digest !== undefined && digest !== wanted.digest)
    throw new DigestError(`the registry has ${digest} in place of ${wanted.digest}`)
  const size = lengthIn(headers)
  return {
    mediaType: mediaTypeIn(headers),
    ...(digest !== undefined && { digest }),
    ...(size !== undefined && { size }),
  }
}

/** @see RepositoryClient.getManifest */
export async function getManifest(
  { name, send }: RepositorySession,
  reference: string,
  signal?: AbortSignal,
): Promise<PulledManifest> {
  const wanted = referenceArgument(reference)
  const { headers, body: bytes } = await ask(
    send,
    {
      method: 'GET',
      target: formatRoute('manifest', { name, reference }),
      headers: { Accept: ACCEPT },
      ...(signal && { signal }),
    },
    { statuses: [200], read: (response) => readBody(response, MAX_MANIFEST_SIZE) },
  )
  const named = wanted.digest ?? digestIn(headers)
  const digest = await digestOf(bytes, named && algorithmOf(named))
  if (named !== undefined && digest !== named)
    throw new DigestError(`the manifest has the digest ${digest} in place of ${named}`)
  return { mediaType: mediaTypeIn(headers), digest, bytes }
}

/** @see RepositoryClient.putManifest */
export async function putManifest(
  { name, send }: RepositorySession,
  reference: string,
  { mediaType, bytes, signal }: { mediaType: string; bytes: Uint8Array; signal?: AbortSignal },
): Promise<PushedManifest> {
  const wanted = referenceArgument(reference).digest
  const digest = await digestOf(bytes, wanted && algorithmOf(wanted))
  if (wanted !== undefined && digest !== wanted)
    throw new DigestError(`the manifest has the digest ${digest} in place of ${wanted}`)
  const { headers } = await ask(
    send,
    {
      method: 'PUT',
      target: formatRoute('manifest', { name, reference }),
      headers: { 'Content-Type': mediaType },
      body: bytes,
      ...(signal && { signal }),
    },
    { statuses: [201], read: ignoreBody },
  )
  const stored = digestIn(headers)
  if (stored !== undefined && stored !== (await digestOf(bytes, algorithmOf(stored))))
    throw new DigestError(`the registry stored ${stored} in place of ${digest}`)
  const subject = digestIn(headers, 'OCI-Subject')
  return { digest, ...(subject !== undefined && { subject }) }
}

/** The manifest, or undefined if it does not exist. */
export async function findManifest(
  place: RepositorySession,
  reference: string,
  signal?: AbortSignal,
): Promise<PulledManifest | undefined> {
  try {
    return await getManifest(place, reference, signal)
  } catch (error) {
    if (error instanceof ResponseError && error.status === 404) return undefined
    throw error
  }
}

function mediaTypeIn(headers: Headers): string {
  const mediaType = parseMediaType(headers.get('content-type') ?? '')
  if (mediaType === undefined) throw new InvalidResponseError('the manifest has no media type')
  return mediaType
}
