import { type Content, contentOf, digestOfBytes } from './content.ts'

/** Media types of what is pushed. */
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'
const LAYER_BYTES = 4096

/** Bytes with their digest. */
export interface Stamped {
  bytes: Buffer
  digest: string
}

/** A small image: one layer, a config and a manifest. */
export interface Image {
  layer: Content
  config: Stamped
  manifest: Stamped
}

/**
 * Image number `id`; no two have any content in common.
 *
 * @param extra fields of its manifest
 */
export function imageOf(id: number, extra: object = {}): Image {
  const layer = contentOf(id, LAYER_BYTES)
  const config = stamped({
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{ created: '2026-01-01T00:00:00Z', created_by: `image ${id}` }],
  })
  const manifest = stamped({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: config.digest, size: config.bytes.length },
    layers: [{ mediaType: LAYER_TYPE, digest: layer.digest, size: layer.size }],
    ...extra,
  })
  return { layer, config, manifest }
}

function stamped(body: object): Stamped {
  const bytes = Buffer.from(JSON.stringify(body))
  return { bytes, digest: digestOfBytes(bytes) }
}
