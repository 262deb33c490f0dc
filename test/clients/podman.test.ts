import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { folderDigests, layoutTree } from './content-tree.ts'
import { mediaTypes } from './descriptor.ts'
import { imageLayout, multiPlatformLayout } from './image.ts'
import { servedManifest, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('podman')
after(() => session.close())

const { host } = session

type StorageDriver = 'vfs' | 'overlay'

/** Podman with its own image store, so that a pull finds nothing there already. */
async function imageStore(driver: StorageDriver = 'vfs') {
  const folder = await session.folder()
  const settings = join(folder, 'storage.conf')
  await writeFile(settings, storageSettings(folder, driver))
  const flags = ['--tmpdir', join(folder, 'tmp'), '--cgroup-manager', 'cgroupfs', '--events-backend', 'none']
  const env = { CONTAINERS_STORAGE_CONF: settings }
  return (...args: string[]) => session.run('podman', [...flags, ...args], { env })
}

function storageSettings(folder: string, driver: StorageDriver): string {
  return `[storage]
driver = "${driver}"
graphroot = "${folder}/root"
runroot = "${folder}/run"
[storage.options]
pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}
`
}

type Podman = Awaited<ReturnType<typeof imageStore>>

/** Loads a new image into a store: the name it has there and the digests of its layout. */
async function loadImage(podman: Podman, sizes?: number[]) {
  const folder = await session.folder()
  await imageLayout(folder, sizes)
  const image = (await podman('pull', '--quiet', `oci:${folder}:latest`)).stdout.trim()
  return { image, digests: await layoutTree(folder, 'latest') }
}

async function push(podman: Podman, image: string, name: string, ...flags: string[]) {
  await podman('push', '--quiet', '--tls-verify=false', ...flags, image, `docker://${host}/${name}`)
}

async function pull(podman: Podman, reference: string) {
  await podman('pull', '--quiet', '--tls-verify=false', reference)
}

/** What podman holds of an image: the digest of its manifest, its id, and the files in it. */
async function held(podman: Podman, reference: string) {
  const format = ['--format', '{{.Digest}} {{.Id}}']
  const [digest, id] = (await podman('image', 'inspect', ...format, reference)).stdout.trim().split(' ')
  const root = (await podman('image', 'mount', reference)).stdout.trim()
  const files = await folderDigests(join(root, 'opt'))
  await podman('image', 'umount', reference)
  return { digest, config: `sha256:${id}`, files }
}

test('podman pushes an image and pulls it back into an empty store', async () => {
  const [pusher, puller] = [await imageStore(), await imageStore()]
  const name = session.repository('image')
  const { image, digests } = await loadImage(pusher)
  const digestFile = join(await session.folder(), 'digest')
  await push(pusher, image, `${name}:v1`, '--digestfile', digestFile)
  const { descriptor, manifest } = await servedManifest(host, name, 'v1')
  assert.equal(descriptor.digest, await readFile(digestFile, 'utf8'))
  assert.equal((await servedTree(host, name, 'v1')).length, digests.length)
  await pull(puller, `${host}/${name}:v1`)
  const { files } = await held(pusher, image)
  assert.equal(files.length, 6)
  const config = manifest.config?.digest
  assert.equal(config, digests[1])
  assert.deepEqual(await held(puller, `${host}/${name}:v1`), { digest: descriptor.digest, config, files })
})

test('podman pushes an image as schema 2 and pulls it back', async () => {
  const [pusher, puller] = [await imageStore(), await imageStore()]
  const name = session.repository('schema2')
  const { image } = await loadImage(pusher)
  await push(pusher, image, `${name}:v1`, '--format', 'v2s2')
  const { descriptor } = await servedManifest(host, name, 'v1')
  assert.equal(descriptor.mediaType, mediaTypes.docker.manifest)
  const [digest, config] = await servedTree(host, name, 'v1')
  await pull(puller, `${host}/${name}@${digest}`)
  const { files } = await held(pusher, image)
  assert.deepEqual(await held(puller, `${host}/${name}@${digest}`), { digest, config, files })
})

test('podman pushes an index of two platforms and pulls each of its images', async () => {
  const pusher = await imageStore()
  const name = session.repository('index')
  const folder = await session.folder()
  const index = await multiPlatformLayout(folder)
  await pusher('manifest', 'create', 'list')
  await pusher('manifest', 'add', '--all', 'list', `oci:${folder}:latest`)
  await pusher('manifest', 'push', '--all', '--tls-verify=false', 'list', `docker://${host}/${name}:v1`)
  const pushed = await layoutTree(folder)
  assert.equal(pushed[0], index.digest)
  assert.deepEqual((await servedTree(host, name, 'v1')).slice(1), pushed.slice(1))
  const { manifest } = await servedManifest(host, name, 'v1')
  for (const { digest, platform } of manifest.manifests ?? []) {
    const puller = await imageStore()
    const arch = platform?.architecture ?? ''
    await puller('pull', '--quiet', '--tls-verify=false', '--arch', arch, `${host}/${name}:v1`)
    const { config } = await held(puller, `${host}/${name}:v1`)
    assert.equal(config, (await servedTree(host, name, digest))[1])
  }
})

test('podman pushes layers as zstd:chunked and pulls them back whole', async () => {
  const [pusher, puller] = [await imageStore(), await imageStore()]
  const name = session.repository('zstd')
  const { image } = await loadImage(pusher)
  await push(pusher, image, `${name}:v1`, '--format', 'oci', '--compression-format', 'zstd:chunked')
  await assertChunked(name)
  const [digest, config] = await servedTree(host, name, 'v1')
  await pull(puller, `${host}/${name}:v1`)
  const { files } = await held(pusher, image)
  assert.deepEqual(await held(puller, `${host}/${name}:v1`), { digest, config, files })
})

// The one test with overlay: podman fetches parts of a layer, by several ranges in one request, with no other driver.
test('podman pulls only the parts of a zstd:chunked layer that it lacks', async () => {
  const [pusher, puller] = [await imageStore(), await imageStore('overlay')]
  const name = session.repository('partial')
  const { image } = await loadImage(pusher, [2 * 1024 * 1024, 10 * 1024])
  await push(pusher, image, `${name}:v1`, '--format', 'oci', '--compression-format', 'zstd:chunked')
  await assertChunked(name)
  const [digest, config, ...layers] = await servedTree(host, name, 'v1')
  const pulled = await puller('--log-level=debug', 'pull', '--tls-verify=false', `${host}/${name}:v1`)
  for (const layer of layers) assert.match(pulled.stderr, new RegExp(`Retrieved partial blob ${layer}`))
  const { files } = await held(pusher, image)
  assert.deepEqual(await held(puller, `${host}/${name}:v1`), { digest, config, files })
})

async function assertChunked(name: string): Promise<void> {
  const { manifest } = await servedManifest(host, name, 'v1')
  for (const { mediaType, annotations } of manifest.layers ?? []) {
    assert.equal(mediaType, 'application/vnd.oci.image.layer.v1.tar+zstd')
    assert.match(annotations?.['io.containers.zstd-chunked.manifest-position'] ?? '', /^\d+:\d+:\d+:1$/)
  }
}

test('podman searches the catalog and lists the tags of a repository', async () => {
  const podman = await imageStore()
  const names = ['b', 'a'].map((name) => session.repository(`searched-${name}`))
  const { image } = await loadImage(podman)
  for (const name of names) for (const tag of ['1', '2']) await push(podman, image, `${name}:${tag}`)
  const search = (...flags: string[]) => podman('search', '--tls-verify=false', ...flags)
  const found = await search('--format', '{{.Name}}', '--limit', '100', `${host}/${prefix(names)}`)
  assert.deepEqual(found.stdout.trim().split('\n').sort(), names.map((name) => `${host}/${name}`).sort())
  for (const name of names) {
    const listed = await search('--list-tags', '--format', 'json', `${host}/${name}`)
    const [{ Tags }] = JSON.parse(listed.stdout)
    assert.deepEqual(Tags.sort(), ['1', '2'])
  }
})

function prefix([name = '']: string[]): string {
  return name.slice(0, name.lastIndexOf('-', name.lastIndexOf('-') - 1))
}
