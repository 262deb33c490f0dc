import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip } from 'node:zlib'
import { type Descriptor, type Format, isManifest, mediaTypes } from './descriptor.ts'

type Layer = { file: string; digest: string; diffId: string; size: number }

/** A folder of images: how it names content, and of which format that content is. */
type Shelf = { format: Format; layers: string; pathOf(descriptor: Descriptor): string }

export const smallLayer = 10 * 1024
export const largeLayer = 300 * 1024 * 1024
const severalSmall: readonly number[] = [smallLayer, smallLayer, smallLayer]

/** An OCI layout with one image, tagged `latest`; `sizes` are those of its layers. */
export async function imageLayout(
  folder: string,
  sizes: readonly number[] = severalSmall,
): Promise<Descriptor> {
  const shelf = await layoutShelf(folder)
  const image = await addImage(shelf, 'amd64', await randomLayers(shelf, sizes))
  await tagLayout(folder, image)
  return image
}

/** An OCI layout with an index of two platforms that share a layer, tagged `latest`. */
export async function multiPlatformLayout(folder: string): Promise<Descriptor> {
  const index = await addIndex(await layoutShelf(folder))
  await tagLayout(folder, index)
  return index
}

/** A schema 2 image in the form of skopeo's `dir:` transport. */
export async function schema2Folder(folder: string): Promise<Descriptor> {
  const shelf = await dirShelf(folder)
  const image = await addImage(shelf, 'amd64', await randomLayers(shelf, severalSmall))
  await rename(shelf.pathOf(image), join(folder, 'manifest.json'))
  return image
}

/** A schema 2 manifest list of two platforms in the form of skopeo's `dir:` transport. */
export async function schema2ListFolder(folder: string): Promise<Descriptor> {
  const shelf = await dirShelf(folder)
  const list = await addIndex(shelf)
  await rename(shelf.pathOf(list), join(folder, 'manifest.json'))
  return list
}

/** A gzip compressed layer with `size` random bytes in it, packed by the system's tar. */
export async function randomLayer(folder: string, size = smallLayer): Promise<Layer> {
  const name = randomBytes(8).toString('hex')
  const content = join(folder, name, 'opt')
  await mkdir(content, { recursive: true })
  await writeFile(join(content, `${name}.txt`), `layer ${name}\n`.repeat(100))
  await pipeline(randomChunks(size), createWriteStream(join(content, `${name}.bin`)))
  const tar = join(folder, `${name}.tar`)
  await promisify(execFile)('tar', ['--create', '--file', tar, '--directory', join(folder, name), 'opt'])
  const file = `${tar}.gz`
  // Random bytes do not shrink: stored blocks save ten seconds on a layer of 300 MB.
  await pipeline(createReadStream(tar), createGzip({ level: 0 }), createWriteStream(file))
  const [digest, diffId, { size: packed }] = [await fileDigest(file), await fileDigest(tar), await stat(file)]
  await Promise.all([rm(tar), rm(join(folder, name), { recursive: true })])
  return { file, digest, diffId, size: packed }
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return `sha256:${hash.digest('hex')}`
}

async function randomLayers(shelf: Shelf, sizes: readonly number[]): Promise<Layer[]> {
  const layers: Layer[] = []
  for (const size of sizes) layers.push(await randomLayer(shelf.layers, size))
  return layers
}

function* randomChunks(size: number): Generator<Buffer> {
  const chunk = 1024 * 1024
  for (let left = size; left > 0; left -= chunk) yield randomBytes(Math.min(left, chunk))
}

async function addIndex(shelf: Shelf): Promise<Descriptor> {
  const shared = await randomLayer(shelf.layers)
  const manifests: Descriptor[] = []
  for (const architecture of ['amd64', 'arm64']) {
    const image = await addImage(shelf, architecture, [shared, await randomLayer(shelf.layers)])
    manifests.push({ ...image, platform: { os: 'linux', architecture } })
  }
  const mediaType = mediaTypes[shelf.format].index
  return addJson(shelf, mediaType, { schemaVersion: 2, mediaType, manifests })
}

async function addImage(shelf: Shelf, architecture: string, layers: Layer[]): Promise<Descriptor> {
  const types = mediaTypes[shelf.format]
  const descriptors: Descriptor[] = []
  for (const { file, digest, size } of layers) {
    const descriptor = { mediaType: types.layer, digest, size }
    await copyFile(file, shelf.pathOf(descriptor))
    descriptors.push(descriptor)
  }
  const config = await addJson(shelf, types.config, {
    architecture,
    os: 'linux',
    config: { Cmd: ['/bin/true'], Labels: { purpose: 'client tests' } },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'tar' })),
  })
  const mediaType = types.manifest
  return addJson(shelf, mediaType, { schemaVersion: 2, mediaType, config, layers: descriptors })
}

async function addJson(shelf: Shelf, mediaType: string, value: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value))
  const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length }
  await writeFile(shelf.pathOf(descriptor), bytes)
  return descriptor
}

async function layoutShelf(folder: string): Promise<Shelf> {
  const blobs = join(folder, 'blobs', 'sha256')
  await mkdir(blobs, { recursive: true })
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return {
    format: 'oci',
    layers: await layersBeside(folder),
    pathOf: ({ digest }) => join(blobs, hex(digest)),
  }
}

async function tagLayout(folder: string, descriptor: Descriptor): Promise<void> {
  const tagged = { ...descriptor, annotations: { 'org.opencontainers.image.ref.name': 'latest' } }
  const index = { schemaVersion: 2, mediaType: mediaTypes.oci.index, manifests: [tagged] }
  await writeFile(join(folder, 'index.json'), JSON.stringify(index))
}

async function dirShelf(folder: string): Promise<Shelf> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'version'), 'Directory Transport Version: 1.1\n')
  return {
    format: 'docker',
    layers: await layersBeside(folder),
    pathOf: ({ digest, mediaType }) =>
      join(folder, isManifest(mediaType) ? `${hex(digest)}.manifest.json` : hex(digest)),
  }
}

async function layersBeside(folder: string): Promise<string> {
  const layers = `${folder}.layers`
  await mkdir(layers, { recursive: true })
  return layers
}

function hex(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1)
}
