import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Descriptor, isManifest, type Manifest } from './descriptor.ts'
import { fileDigest } from './image.ts'

type Bytes = AsyncIterable<Uint8Array>

/** Where content lies: a folder, a registry, containerd's store. */
export type ContentSource = { open(descriptor: Descriptor): Bytes | Promise<Bytes> }

/**
 * The digests of all content below a descriptor, in the order of its manifests. Each is read to its end, hashed and
 * measured on the way, so two equal lists mean equal bytes on both sides.
 */
export async function contentTree(source: ContentSource, root: Descriptor): Promise<string[]> {
  const bytes = await read(source, root)
  if (!isManifest(root.mediaType)) return [root.digest]
  const manifest: Manifest = JSON.parse(bytes.toString())
  const children = [...(manifest.manifests ?? []), manifest.config, ...(manifest.layers ?? [])]
  const digests = [root.digest]
  for (const child of children) if (child) digests.push(...(await contentTree(source, child)))
  return digests
}

async function read(source: ContentSource, descriptor: Descriptor): Promise<Buffer> {
  const kept: Uint8Array[] = []
  const algorithm = descriptor.digest.slice(0, descriptor.digest.indexOf(':'))
  const hash = createHash(algorithm)
  let size = 0
  for await (const chunk of await source.open(descriptor)) {
    hash.update(chunk)
    size += chunk.length
    if (isManifest(descriptor.mediaType)) kept.push(chunk)
  }
  assert.equal(`${algorithm}:${hash.digest('hex')}`, descriptor.digest, `bytes of a ${descriptor.mediaType}`)
  assert.equal(size, descriptor.size, `size of ${descriptor.digest}`)
  return Buffer.concat(kept)
}

/** An OCI image layout on disk. */
export function layoutSource(folder: string): ContentSource {
  return { open: ({ digest }) => createReadStream(layoutBlob(folder, digest)) }
}

export function layoutBlob(folder: string, digest: string): string {
  return join(folder, 'blobs', digest.replace(':', '/'))
}

/** The digests below each entry of a layout's index, or below the one that has this tag. */
export async function layoutTree(folder: string, tag?: string): Promise<string[]> {
  const index: Manifest = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'))
  const digests: string[] = []
  for (const entry of index.manifests ?? []) {
    const name = entry.annotations?.['org.opencontainers.image.ref.name']
    if (tag === undefined || name === tag) digests.push(...(await contentTree(layoutSource(folder), entry)))
  }
  assert.notEqual(digests.length, 0, `${folder} holds no image ${tag ?? ''}`)
  return digests
}

/** Every file of a folder with the hash of its bytes, for clients whose own format is a folder. */
export async function folderDigests(folder: string): Promise<string[]> {
  const names = await readdir(folder)
  return Promise.all(names.sort().map(async (name) => `${name} ${await fileDigest(join(folder, name))}`))
}
