import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { blake3 } from 'hash-wasm'

/** The media types of what the tests push. */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'
export const OCI_EMPTY = 'application/vnd.oci.empty.v1+json'
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'

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

/** The digest of bytes in any algorithm of the registry. */
export async function digestIn(algorithm: string, bytes: Uint8Array): Promise<string> {
  return algorithm === 'blake3' ? `blake3:${await blake3(bytes)}` : digestOf(bytes, algorithm)
}

/** The descriptor of a blob. */
export function descriptorOf(bytes: Uint8Array | string, mediaType: string = OCI_LAYER): TestDescriptor {
  return { mediaType, digest: digestOf(bytes), size: Buffer.byteLength(bytes) }
}

/** The blob of artifacts that have nothing to say in their config. */
export const EMPTY_CONFIG = descriptorOf('{}', OCI_EMPTY)

/** Pushes a blob by POST and PUT. @returns its digest */
export async function pushBlob(
  url: string,
  name: string,
  bytes: Uint8Array | string,
  digest: string = digestOf(bytes),
): Promise<string> {
  const begun = await fetch(`${url}/v2/${name}/blobs/uploads/`, { method: 'POST' })
  assert.equal(begun.status, 202)
  const location = new URL(begun.headers.get('location') ?? '', url)
  // Other registries keep a query of their own in it.
  location.searchParams.set('digest', digest)
  const put = await fetch(location, { method: 'PUT', body: Buffer.from(bytes) })
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
    config: descriptorOf(config, OCI_CONFIG),
    layers: [descriptorOf(layer)],
    ...extra,
  })
  const pushed = await pushManifest(url, name, manifest, reference)
  assert.equal(pushed.status, 201, await pushed.text())
  return manifest
}

/** Pushes an artifact that has nothing but what its manifest says. */
export async function pushArtifact(
  url: string,
  name: string,
  body: object,
  reference?: string,
): Promise<TestManifest> {
  await pushBlob(url, name, '{}')
  const manifest = manifestOf({ config: EMPTY_CONFIG, layers: [EMPTY_CONFIG], ...body })
  const pushed = await pushManifest(url, name, manifest, reference)
  assert.equal(pushed.status, 201, await pushed.text())
  return manifest
}

/** The descriptor of a manifest, as others name it. */
export function manifestDescriptor({ mediaType, digest, size }: TestManifest): TestDescriptor {
  return { mediaType, digest, size }
}

/** The bytes of a response. */
export async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

/** The codes in an error body. */
export async function errorCodes(response: Response): Promise<string[]> {
  const { errors } = (await response.json()) as { errors: { code: string }[] }
  return errors.map((error) => error.code)
}
