import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'

/** The media types of what the tests push. */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'

/** A descriptor of bytes. */
export interface TestDescriptor {
  mediaType: string
  digest: string
  size: number
}

/** A manifest with its bytes as they are pushed. */
export interface TestManifest extends TestDescriptor {
  bytes: Buffer
}

/** The sha256 (or another) digest of bytes. */
export function digestOf(bytes: Uint8Array | string, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** Pushes a blob by POST and PUT. @returns its digest */
export async function pushBlob(url: string, name: string, bytes: Uint8Array | string): Promise<string> {
  const digest = digestOf(bytes)
  const begun = await fetch(`${url}/v2/${name}/blobs/uploads/`, { method: 'POST' })
  assert.equal(begun.status, 202)
  const location = new URL(begun.headers.get('location') ?? '', url)
  const put = await fetch(`${location}?digest=${digest}`, { method: 'PUT', body: Buffer.from(bytes) })
  assert.equal(put.status, 201, await put.text())
  return digest
}

/** Makes a manifest of JSON. */
export function manifestOf(body: object, mediaType: string = OCI_MANIFEST): TestManifest {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...body }))
  return { mediaType, bytes, size: bytes.length, digest: digestOf(bytes) }
}

/** Pushes a manifest under a tag or its digest. */
export async function pushManifest(
  url: string,
  name: string,
  manifest: TestManifest,
  reference: string = manifest.digest,
): Promise<Response> {
  return await fetch(`${url}/v2/${name}/manifests/${reference}`, {
    method: 'PUT',
    headers: { 'Content-Type': manifest.mediaType },
    body: new Uint8Array(manifest.bytes),
  })
}

/** Pushes an image of random content: its config, its layers, then its manifest. */
export async function pushImage(
  url: string,
  name: string,
  reference?: string,
  extra: object = {},
): Promise<TestManifest> {
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', id: randomBytes(8).toString('hex') }),
  )
  const layer = randomBytes(1000)
  await pushBlob(url, name, config)
  await pushBlob(url, name, layer)
  const manifest = manifestOf({
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(config),
      size: config.length,
    },
    layers: [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(layer), size: layer.length },
    ],
    ...extra,
  })
  const pushed = await pushManifest(url, name, manifest, reference)
  assert.equal(pushed.status, 201, await pushed.text())
  return manifest
}

/** The codes in an error body. */
export async function errorCodes(response: Response): Promise<string[]> {
  const { errors } = (await response.json()) as { errors: { code: string }[] }
  return errors.map((error) => error.code)
}
