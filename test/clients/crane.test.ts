import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { layoutBlob, layoutTree } from './content-tree.ts'
import { mediaTypes } from './descriptor.ts'
import { imageLayout, largeLayer, multiPlatformLayout, randomLayer, smallLayer } from './image.ts'
import { servedManifest, servedStatus, servedTags, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('crane')
after(() => session.close())

const { host } = session

const crane = (...args: string[]) => session.run('crane', args, { seconds: 180 })

/** Lines of output, in the registry's own order. */
async function lines(...args: string[]): Promise<string[]> {
  return (await crane(...args)).stdout.trim().split('\n')
}

async function pushedImage(name: string, sizes?: number[]) {
  const layout = join(await session.folder(), 'in')
  const image = await imageLayout(layout, sizes)
  await crane('push', layout, `${host}/${name}:v1`)
  return { layout, image, digests: await layoutTree(layout) }
}

test('crane pushes and pulls a multi-platform index with the same digests', async () => {
  const folder = await session.folder()
  const name = session.repository('index')
  const index = await multiPlatformLayout(join(folder, 'in'))
  const pushed = await lines('push', join(folder, 'in'), `${host}/${name}:v1`)
  assert.deepEqual(pushed, [`${host}/${name}@${index.digest}`])
  const digests = await layoutTree(join(folder, 'in'))
  assert.deepEqual(await servedTree(host, name, 'v1'), digests)
  await crane('pull', '--format', 'oci', `${host}/${name}:v1`, join(folder, 'out'))
  assert.deepEqual(await layoutTree(join(folder, 'out')), digests)
  await crane('validate', '--remote', `${host}/${name}:v1`)
})

test('crane pushes and pulls an image of several layers with one of 300 MB', async () => {
  const name = session.repository('large')
  const { digests } = await pushedImage(name, [smallLayer, largeLayer, smallLayer])
  assert.equal(digests.length, 5)
  assert.deepEqual(await servedTree(host, name, 'v1'), digests)
  const out = join(await session.folder(), 'out')
  await crane('pull', '--format', 'oci', `${host}/${name}:v1`, out)
  assert.deepEqual(await layoutTree(out), digests)
})

test('crane pushes a schema 2 image from a tarball and pulls the same layers', async () => {
  const folder = await session.folder()
  const [source, name] = [session.repository('source'), session.repository('schema2')]
  const { digests } = await pushedImage(source)
  await crane('pull', `${host}/${source}:v1`, join(folder, 'image.tar'))
  await crane('push', join(folder, 'image.tar'), `${host}/${name}:v1`)
  const { descriptor } = await servedManifest(host, name, 'v1')
  assert.equal(descriptor.mediaType, mediaTypes.docker.manifest)
  const served = await servedTree(host, name, 'v1')
  assert.deepEqual(served.slice(1), digests.slice(1))
  await crane('pull', '--format', 'oci', `${host}/${name}:v1`, join(folder, 'out'))
  assert.deepEqual(await layoutTree(join(folder, 'out')), served)
})

test('crane copies an index and all tags of a repository to another', async () => {
  const folder = await session.folder()
  const [source, target] = [session.repository('from'), session.repository('to')]
  await multiPlatformLayout(folder)
  await crane('push', folder, `${host}/${source}:v1`)
  await crane('tag', `${host}/${source}:v1`, 'v2')
  await crane('copy', `${host}/${source}:v1`, `${host}/${target}:single`)
  await crane('copy', '--all-tags', `${host}/${source}`, `${host}/${target}`)
  const digests = await layoutTree(folder)
  for (const tag of ['single', 'v1', 'v2']) assert.deepEqual(await servedTree(host, target, tag), digests)
})

test('crane reads the manifest, the digest, the config and the blobs that were pushed', async () => {
  const name = session.repository('read')
  const { layout, image, digests } = await pushedImage(name)
  const bytes = (digest = '') => readFile(layoutBlob(layout, digest))
  const [, config, layer] = digests
  assert.deepEqual(await lines('digest', `${host}/${name}:v1`), [image.digest])
  assert.deepEqual((await crane('manifest', `${host}/${name}:v1`)).bytes, await bytes(image.digest))
  assert.deepEqual((await crane('config', `${host}/${name}@${image.digest}`)).bytes, await bytes(config))
  assert.deepEqual((await crane('blob', `${host}/${name}@${layer}`)).bytes, await bytes(layer))
})

test('crane lists the tags of a repository and the repositories of the registry', async () => {
  const names = [session.repository('listed-a'), session.repository('listed-b')]
  for (const name of names) {
    await pushedImage(name)
    await crane('tag', `${host}/${name}:v1`, 'second')
    assert.deepEqual(await lines('ls', `${host}/${name}`), ['second', 'v1'])
  }
  const catalog = await lines('catalog', host)
  assert.deepEqual(
    catalog.filter((name) => names.includes(name)),
    names,
  )
})

test('crane appends a layer to a pushed image and mutates its config', async () => {
  const [base, derived] = [session.repository('base'), session.repository('derived')]
  const { digests } = await pushedImage(base)
  const layer = await randomLayer(await session.folder())
  await crane('append', '--base', `${host}/${base}:v1`, '-f', layer.file, '-t', `${host}/${derived}:v1`)
  const [, , ...layers] = await servedTree(host, derived, 'v1')
  assert.deepEqual(layers, [...digests.slice(2), layer.digest])
  const mutation = ['--label', 'mutated=yes', '--entrypoint', '/bin/sh', '--annotation', 'note=kept']
  await crane('mutate', `${host}/${derived}:v1`, ...mutation, '-t', `${host}/${derived}:v2`)
  assert.deepEqual((await servedTree(host, derived, 'v2')).slice(2), layers)
  const { config } = JSON.parse((await crane('config', `${host}/${derived}:v2`)).stdout)
  assert.deepEqual([config.Labels.mutated, config.Entrypoint], ['yes', ['/bin/sh']])
  assert.equal((await servedManifest(host, derived, 'v2')).manifest.annotations?.note, 'kept')
})

test('crane makes an index of pushed images and filters a platform out of another', async () => {
  const folder = await session.folder()
  const name = session.repository('assembled')
  await multiPlatformLayout(folder)
  const { digest } = (await pushedImage(name)).image
  await crane('push', folder, `${host}/${name}:both`)
  const members = ['-m', `${host}/${name}:both`, '-m', `${host}/${name}@${digest}`]
  await crane('index', 'append', '--flatten=false', ...members, '-t', `${host}/${name}:made`)
  const digests = await servedTree(host, name, 'made')
  assert.deepEqual(digests.slice(1), [
    ...(await layoutTree(folder)),
    ...(await servedTree(host, name, digest)),
  ])
  await crane(
    'index',
    'filter',
    `${host}/${name}:both`,
    '--platform',
    'linux/arm64',
    '-t',
    `${host}/${name}:arm`,
  )
  const [, arm] = (await servedManifest(host, name, 'both')).manifest.manifests ?? []
  const filtered = await servedTree(host, name, 'arm')
  assert.deepEqual(filtered.slice(1), await servedTree(host, name, arm?.digest ?? ''))
})

test('crane deletes an image by digest and leaves the others', async () => {
  const name = session.repository('deleted')
  const { image } = await pushedImage(name)
  await crane('tag', `${host}/${name}:v1`, 'also')
  const other = join(await session.folder(), 'other')
  await imageLayout(other)
  await crane('push', other, `${host}/${name}:kept`)
  await crane('delete', `${host}/${name}@${image.digest}`)
  for (const gone of ['v1', 'also', image.digest]) {
    assert.equal(await servedStatus(host, `${name}/manifests/${gone}`), 404)
  }
  assert.deepEqual(await servedTags(host, name), ['kept'])
  assert.deepEqual(await servedTree(host, name, 'kept'), await layoutTree(other))
})
