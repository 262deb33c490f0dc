import { digestOf } from '../client/hasher.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import type { ProbeAnswer } from './exchange.ts'
import { NotSupported } from './outcome.ts'
import { type Probe, randomContent, wantBody, wantStatus } from './probe.ts'
import { pushBlob } from './upload.ts'

/** A manifest as it is pushed. */
export interface ProbeManifest {
  mediaType: string
  digest: string
  size: number
  bytes: Uint8Array
}

/** How a manifest or a list describes content. */
export interface ProbeDescriptor {
  mediaType: string
  digest: string
  size: number
  artifactType?: string
  annotations?: Readonly<Record<string, string>>
}

/** The content of an empty config, which has a media type of its own. */
const EMPTY = new TextEncoder().encode('{}')

/** Makes a manifest from its fields. */
export async function makeManifest(
  fields: object,
  mediaType: string = MEDIA_TYPES.ociManifest,
): Promise<ProbeManifest> {
  return await manifestOf(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }), mediaType)
}

/** Makes a manifest from any text or bytes. */
export async function manifestOf(
  content: string | Uint8Array,
  mediaType: string = MEDIA_TYPES.ociManifest,
): Promise<ProbeManifest> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  return { mediaType, bytes, size: bytes.length, digest: await digestOf(bytes) }
}

/** Makes an index from descriptors. */
export async function makeIndex(
  manifests: readonly ProbeDescriptor[],
  fields: object = {},
): Promise<ProbeManifest> {
  return await makeManifest({ manifests, ...fields }, MEDIA_TYPES.ociIndex)
}

/** The descriptor by which another manifest names this one. */
export function descriptorOf({ mediaType, digest, size }: ProbeManifest): ProbeDescriptor {
  return { mediaType, digest, size }
}

/** Pushes a config and a layer of random content. @returns an image manifest that names them, not pushed yet */
export async function makeImage(probe: Probe, fields: object = {}): Promise<ProbeManifest> {
  const layer = randomContent(512)
  const config = new TextEncoder().encode(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      created_by: probe.repository,
      rootfs: { type: 'layers', diff_ids: [await digestOf(layer)] },
    }),
  )
  return await makeManifest({
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: await pushBlob(probe, config),
      size: config.length,
    },
    layers: [
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest: await pushBlob(probe, layer),
        size: layer.length,
      },
    ],
    ...fields,
  })
}

/** Pushes the empty blob. @returns its descriptor */
export async function pushEmpty(probe: Probe, repository = probe.repository): Promise<ProbeDescriptor> {
  const digest = await pushBlob(probe, EMPTY, repository)
  return { mediaType: MEDIA_TYPES.ociEmpty, digest, size: EMPTY.length }
}

/** The smallest manifest that names content: an artifact with its own type. It is not pushed yet, but its content is. */
export async function makeArtifact(probe: Probe, fields: object = {}): Promise<ProbeManifest> {
  const empty = await pushEmpty(probe)
  return await makeManifest({
    artifactType: 'application/vnd.example.conformance',
    config: empty,
    layers: [empty],
    annotations: { 'org.example.random': await digestOf(randomContent(32)) },
    ...fields,
  })
}

/** Makes an artifact and pushes it under a tag or its digest. */
export async function pushArtifact(
  probe: Probe,
  reference?: string,
  fields: object = {},
): Promise<ProbeManifest> {
  const artifact = await makeArtifact(probe, fields)
  await pushManifest(probe, artifact, reference)
  return artifact
}

/** The path of a manifest. */
export function manifestTarget(probe: Probe, reference: string, repository = probe.repository): string {
  return `/v2/${repository}/manifests/${reference}`
}

/**
 * Tries to push a manifest under a tag or its digest, and registers it to be deleted afterwards. The case decides whether the push must
 * succeed.
 */
export async function offerManifest(
  probe: Probe,
  manifest: ProbeManifest,
  reference: string = manifest.digest,
  repository = probe.repository,
): Promise<ProbeAnswer> {
  probe.cleanUp({ method: 'DELETE', target: manifestTarget(probe, manifest.digest, repository) })
  return await probe.send({
    method: 'PUT',
    target: manifestTarget(probe, reference, repository),
    headers: { 'Content-Type': manifest.mediaType },
    body: manifest.bytes,
  })
}

/** Pushes a manifest under a tag or its digest, and registers it to be deleted afterwards. */
export async function pushManifest(
  probe: Probe,
  manifest: ProbeManifest,
  reference: string = manifest.digest,
): Promise<ProbeAnswer> {
  const pushed = await offerManifest(probe, manifest, reference)
  if (pushed.status === 405) throw new NotSupported('manifests cannot be pushed (405)')
  wantStatus(pushed, 201)
  return pushed
}

/** Registries hide manifests from clients that don't accept their type, as the specification allows. */
export const ACCEPT = [
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.dockerManifestList,
  '*/*',
].join(', ')

/** Requests a manifest, of any type unless the headers specify it. */
export async function pullManifest(
  probe: Probe,
  reference: string,
  { method = 'GET', headers = {} }: { method?: 'GET' | 'HEAD'; headers?: Record<string, string> } = {},
): Promise<ProbeAnswer> {
  return await probe.send({
    method,
    target: manifestTarget(probe, reference),
    headers: { Accept: ACCEPT, ...headers },
  })
}

/** Fails unless a manifest is pulled as it was pushed. */
export async function wantPullable(probe: Probe, manifest: ProbeManifest, reference = manifest.digest) {
  const pulled = await pullManifest(probe, reference)
  wantStatus(pulled, 200)
  wantBody(pulled, manifest.bytes)
}
