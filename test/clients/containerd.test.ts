import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type ContainerdStore, startContainerd } from './containerd.ts'
import { contentTree, folderDigests, layoutBlob, layoutTree } from './content-tree.ts'
import type { Descriptor } from './descriptor.ts'
import { imageLayout, largeLayer, multiPlatformLayout, schema2Folder, smallLayer } from './image.ts'
import { servedManifest, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('containerd')
const containerd = await startContainerd(session)
after(() => containerd.stop().finally(() => session.close()))

const { host } = session
const plain = ['--plain-http']

/** Imports the image of a layout under `image`, as if it had been built there. */
async function importLayout(store: ContainerdStore, layout: string, image: string): Promise<void> {
  const archive = `${layout}.tar`
  await session.run('tar', ['--create', '--file', archive, '--directory', layout, '.'])
  await store.ctr(['images', 'import', '--no-unpack', '--all-platforms', '--base-name', 'built', archive])
  await store.ctr(['images', 'tag', 'built:latest', image])
}

function push(store: ContainerdStore, image: string, flags: string[] = plain) {
  return store.ctr(['images', 'push', ...flags, image])
}

function fetchContent(store: ContainerdStore, image: string, flags: string[] = plain) {
  return store.ctr(['content', 'fetch', '--all-platforms', ...flags, image])
}

/** The digests below a descriptor in containerd's own store, each read back and hashed. */
function storedTree(store: ContainerdStore, root: Descriptor): Promise<string[]> {
  const source = {
    async *open({ digest }: Descriptor) {
      yield (await store.ctr(['content', 'get', digest])).bytes
    },
  }
  return contentTree(source, root)
}

async function pushedLayout(name: string, sizes?: number[]) {
  const layout = join(await session.folder(), 'in')
  const image = await imageLayout(layout, sizes)
  const store = containerd.store()
  await importLayout(store, layout, `${host}/${name}:v1`)
  await push(store, `${host}/${name}:v1`, [...plain, '--max-concurrent-uploaded-layers', '3'])
  return { layout, image, digests: await layoutTree(layout) }
}

test('containerd pushes and fetches a multi-platform index with the same digests', async () => {
  const layout = join(await session.folder(), 'in')
  const name = session.repository('index')
  const index = await multiPlatformLayout(layout)
  const [pusher, puller] = [containerd.store(), containerd.store()]
  await importLayout(pusher, layout, `${host}/${name}:v1`)
  await push(pusher, `${host}/${name}:v1`)
  const digests = await layoutTree(layout)
  assert.deepEqual(await servedTree(host, name, 'v1'), digests)
  await fetchContent(puller, `${host}/${name}:v1`)
  assert.deepEqual(await storedTree(puller, index), digests)
})

test('containerd pushes and fetches an image of several layers with one of 300 MB', async () => {
  const name = session.repository('large')
  const { image, digests } = await pushedLayout(name, [smallLayer, largeLayer, smallLayer])
  assert.equal(digests.length, 5)
  assert.deepEqual(await servedTree(host, name, 'v1'), digests)
  const puller = containerd.store()
  await fetchContent(puller, `${host}/${name}@${image.digest}`)
  assert.deepEqual(await storedTree(puller, image), digests)
})

test('containerd fetches a schema 2 image and pushes it on with the same digests', async () => {
  const folder = join(await session.folder(), 'in')
  const [name, copy] = [session.repository('schema2'), session.repository('copy')]
  const image = await schema2Folder(folder)
  const target = `docker://${host}/${name}:v1`
  await session.run('skopeo', ['copy', '--dest-tls-verify=false', `dir:${folder}`, target])
  const store = containerd.store()
  await fetchContent(store, `${host}/${name}:v1`)
  const digests = await storedTree(store, image)
  assert.equal(digests.length, 5)
  await store.ctr(['images', 'push', ...plain, `${host}/${copy}:v2`, `${host}/${name}:v1`])
  assert.deepEqual((await servedManifest(host, copy, 'v2')).descriptor, image)
  assert.deepEqual(await servedTree(host, copy, 'v2'), digests)
})

test('containerd pulls the layers of an image side by side and unpacks them', async () => {
  const name = session.repository('unpacked')
  const { layout, image, digests } = await pushedLayout(name, [smallLayer, 5_000_000, smallLayer, 5_000_000])
  const puller = containerd.store()
  const parallel = ['--max-concurrent-downloads', '4', '--snapshotter', 'native']
  await puller.ctr(['images', 'pull', ...plain, ...parallel, `${host}/${name}:v1`])
  assert.deepEqual(await storedTree(puller, image), digests)
  const [root, expected] = [await session.folder(), await session.folder()]
  for (const layer of digests.slice(2)) {
    await session.run('tar', ['--extract', '--gzip', '--file', layoutBlob(layout, layer)], { cwd: expected })
  }
  await puller.ctr(['images', 'mount', '--snapshotter', 'native', `${host}/${name}:v1`, root])
  const files = await folderDigests(join(root, 'opt')).finally(() => puller.ctr(['images', 'unmount', root]))
  assert.deepEqual(files, await folderDigests(join(expected, 'opt')))
})

test('containerd continues a layer that was partly fetched', async () => {
  const name = session.repository('resumed')
  const { layout, image, digests } = await pushedLayout(name, [2_000_000])
  const puller = containerd.store()
  const layer = digests[2] ?? ''
  const bytes = await readFile(layoutBlob(layout, layer))
  const whole = ['--expected-size', `${bytes.length}`, '--expected-digest', layer]
  // An ingest that ends too early is what a broken connection leaves behind.
  const input = bytes.subarray(0, 1_000_000)
  await puller.refuse(['content', 'ingest', ...whole, `layer-${layer}`], { input })
  const resumed = await fetchContent(puller, `${host}/${name}:v1`, [...plain, '--http-dump'])
  const dump = resumed.stdout + resumed.stderr
  assert.match(dump, /Range: bytes=1000000-/)
  assert.match(dump, new RegExp(`Content-Range: bytes 1000000-${bytes.length - 1}/${bytes.length}`))
  assert.deepEqual(await storedTree(puller, image), digests)
})

test('containerd reaches the registry under the name of another that it mirrors', async () => {
  const [name, copy] = [session.repository('mirrored'), session.repository('pushed')]
  const { image, digests } = await pushedLayout(name)
  const hosts = await session.folder()
  await mkdir(join(hosts, 'upstream.test'))
  const mirror = `server = "http://${host}"\n[host."http://${host}"]\ncapabilities = ["pull", "resolve", "push"]\n`
  await writeFile(join(hosts, 'upstream.test', 'hosts.toml'), mirror)
  const puller = containerd.store()
  await fetchContent(puller, `upstream.test/${name}:v1`, ['--hosts-dir', hosts])
  assert.deepEqual(await storedTree(puller, image), digests)
  await puller.ctr(['images', 'tag', `upstream.test/${name}:v1`, `upstream.test/${copy}:v1`])
  await push(puller, `upstream.test/${copy}:v1`, ['--hosts-dir', hosts])
  assert.deepEqual(await servedTree(host, copy, 'v1'), digests)
})
