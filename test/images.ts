import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { bytesOf, descriptorOf, digestOf, manifestOf, pushBlob, pushManifest } from './content.ts'

/** An image of a test. */
export interface PushedImage {
  repository: string
  tag: string
  digest: string
  /** The digest of its one layer, which is in a file. */
  layer: string
}

/** So large that it is not kept in the database. */
export const LAYER_SIZE = 100_000

/** Pushes an image with a random layer of its own. */
export async function pushRandomImage(url: string, repository: string, tag: string): Promise<PushedImage> {
  const layer = randomBytes(LAYER_SIZE)
  await pushBlob(url, repository, layer)
  const manifest = manifestOf({ layers: [descriptorOf(layer)] })
  const pushed = await pushManifest(url, repository, manifest, tag)
  assert.equal(pushed.status, 201)
  return { repository, tag, digest: manifest.digest, layer: digestOf(layer) }
}

/** Fails unless an image can be pulled by its digest with all that it names, byte for byte. */
export async function assertPullsWhole(url: string, repository: string, reference: string): Promise<void> {
  const pulled = await fetch(`${url}/v2/${repository}/manifests/${reference}`)
  const bytes = await bytesOf(pulled)
  assert.equal(pulled.status, 200, `${repository}@${reference}: ${bytes}`)
  if (reference.startsWith('sha256:')) assert.equal(digestOf(bytes), reference)
  const { layers } = JSON.parse(bytes.toString()) as { layers: { digest: string }[] }
  for (const { digest } of layers) {
    const blob = await bytesOf(await fetch(`${url}/v2/${repository}/blobs/${digest}`))
    assert.equal(digestOf(blob), digest, `${repository}@${reference}`)
  }
}

/** Fails unless every tag of a registry leads to a whole image. @returns how many there are */
export async function assertAllWhole(url: string): Promise<number> {
  const { repositories } = (await (await fetch(`${url}/v2/_catalog`)).json()) as { repositories: string[] }
  let count = 0
  for (const repository of repositories) {
    const list = await fetch(`${url}/v2/${repository}/tags/list?n=10000`)
    const { tags } = (await list.json()) as { tags: string[] }
    for (const tag of tags) await assertPullsWhole(url, repository, tag)
    count += tags.length
  }
  return count
}
