import { MEDIA_TYPES } from '../oci/media-type.ts'
import type { ProbeAnswer } from './exchange.ts'
import { digestOf, type Probe, randomContent, wantStatus } from './probe.ts'
import { pushBlob } from './upload.ts'

/** A manifest as it is pushed. */
export interface ProbeManifest {
  mediaType: string
  digest: string
  size: number
  bytes: Uint8Array
}

/** Makes a manifest of its fields. */
export async function makeManifest(
  fields: object,
  mediaType: string = MEDIA_TYPES.ociManifest,
): Promise<ProbeManifest> {
  const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }))
  return { mediaType, bytes, size: bytes.length, digest: await digestOf(bytes) }
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

/** Pushes a manifest under a tag or its digest, and has it deleted afterwards. */
export async function pushManifest(
  probe: Probe,
  manifest: ProbeManifest,
  reference: string = manifest.digest,
): Promise<ProbeAnswer> {
  const base = `/v2/${probe.repository}/manifests/`
  probe.cleanUp({ method: 'DELETE', target: base + manifest.digest })
  const pushed = await probe.send({
    method: 'PUT',
    target: base + reference,
    headers: { 'Content-Type': manifest.mediaType },
    body: manifest.bytes,
  })
  wantStatus(pushed, 201)
  return pushed
}
