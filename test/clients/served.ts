import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type ContentSource, contentTree } from './content-tree.ts'
import { type Descriptor, isManifest, type Manifest, mediaTypes } from './descriptor.ts'

export type ServedManifest = { descriptor: Descriptor; bytes: Buffer; manifest: Manifest }

const accept = Object.values(mediaTypes)
  .flatMap(({ index, manifest }) => [index, manifest])
  .join(', ')

/** What the registry itself answers over HTTP, beside any client. */
export async function servedManifest(
  host: string,
  repository: string,
  reference: string,
): Promise<ServedManifest> {
  const response = await get(host, `${repository}/manifests/${reference}`)
  assert.equal(response.status, 200, `manifest ${repository} ${reference}`)
  const bytes = Buffer.from(await response.arrayBuffer())
  const digest = response.headers.get('docker-content-digest') ?? ''
  const algorithm = digest.startsWith('sha512:') ? 'sha512' : 'sha256'
  assert.equal(digest, `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`)
  const manifest: Manifest = JSON.parse(bytes.toString())
  const mediaType = response.headers.get('content-type') ?? ''
  if (manifest.mediaType) assert.equal(mediaType, manifest.mediaType)
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes, manifest }
}

/** The digests of everything a tag leads to, as served, each checked against its bytes. */
export async function servedTree(host: string, repository: string, reference: string): Promise<string[]> {
  const { descriptor } = await servedManifest(host, repository, reference)
  return contentTree(servedSource(host, repository), descriptor)
}

export async function servedReferrers(
  host: string,
  repository: string,
  digest: string,
): Promise<Descriptor[]> {
  const response = await get(host, `${repository}/referrers/${digest}`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), mediaTypes.oci.index)
  const index: Manifest = JSON.parse(await response.text())
  return index.manifests ?? []
}

export async function servedTags(host: string, repository: string): Promise<string[]> {
  const response = await get(host, `${repository}/tags/list`)
  assert.equal(response.status, 200)
  const list: { tags: string[] | null } = JSON.parse(await response.text())
  return list.tags ?? []
}

/** The status of a GET, for content that must be gone. */
export async function servedStatus(host: string, path: string): Promise<number> {
  const response = await get(host, path)
  await response.body?.cancel()
  return response.status
}

function servedSource(host: string, repository: string): ContentSource {
  return {
    async open({ digest, mediaType }) {
      const manifest = isManifest(mediaType)
      const response = await get(host, `${repository}/${manifest ? 'manifests' : 'blobs'}/${digest}`)
      assert.equal(response.status, 200, `${mediaType} ${digest}`)
      if (manifest) assert.equal(response.headers.get('content-type'), mediaType)
      return response.body ?? new ReadableStream<Uint8Array>()
    },
  }
}

function get(host: string, path: string): Promise<Response> {
  return fetch(`http://${host}/v2/${path}`, { headers: { accept } })
}
