import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { folderDigests, layoutBlob, layoutTree } from './content-tree.ts'
import { mediaTypes } from './descriptor.ts'
import {
  imageLayout,
  largeLayer,
  multiPlatformLayout,
  schema2Folder,
  schema2ListFolder,
  smallLayer,
} from './image.ts'
import { servedManifest, servedStatus, servedTags, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('skopeo')
after(() => session.close())

const { host } = session

function copy(source: string, target: string, ...flags: string[]) {
  const insecure = [
    ...(source.startsWith('docker:') ? ['--src-tls-verify=false'] : []),
    ...(target.startsWith('docker:') ? ['--dest-tls-verify=false'] : []),
  ]
  return session.run('skopeo', ['copy', '--quiet', ...insecure, ...flags, source, target], { seconds: 180 })
}

test('skopeo copies a multi-platform index in and out with the same digests', async () => {
  const folder = await session.folder()
  const name = session.repository('index')
  const index = await multiPlatformLayout(join(folder, 'in'))
  await copy(`oci:${folder}/in:latest`, `docker://${host}/${name}:v1`, '--all', '--preserve-digests')
  const pushed = await layoutTree(join(folder, 'in'))
  assert.equal(pushed[0], index.digest)
  assert.deepEqual(await servedTree(host, name, 'v1'), pushed)
  await copy(`docker://${host}/${name}:v1`, `oci:${folder}/out:latest`, '--all', '--preserve-digests')
  assert.deepEqual(await layoutTree(join(folder, 'out')), pushed)
})

test('skopeo pulls the image of one platform out of an index', async () => {
  const folder = await session.folder()
  const name = session.repository('platform')
  await multiPlatformLayout(join(folder, 'in'))
  await copy(`oci:${folder}/in:latest`, `docker://${host}/${name}:v1`, '--all')
  const platform = ['--override-os', 'linux', '--override-arch', 'arm64']
  const image = `docker://${host}/${name}:v1`
  await session.run('skopeo', [
    ...platform,
    'copy',
    '--src-tls-verify=false',
    image,
    `oci:${folder}/out:latest`,
  ])
  const { manifest } = await servedManifest(host, name, 'v1')
  const arm = manifest.manifests?.find(({ platform }) => platform?.architecture === 'arm64')
  assert.deepEqual(await layoutTree(join(folder, 'out')), await servedTree(host, name, arm?.digest ?? ''))
})

test('skopeo copies a schema 2 image in and out byte by byte', async () => {
  const folder = await session.folder()
  const name = session.repository('schema2')
  const image = await schema2Folder(join(folder, 'in'))
  await copy(`dir:${folder}/in`, `docker://${host}/${name}:v1`, '--preserve-digests')
  const served = await servedManifest(host, name, 'v1')
  assert.deepEqual(served.descriptor, image)
  await copy(`docker://${host}/${name}:v1`, `dir:${folder}/out`, '--preserve-digests')
  assert.deepEqual(await folderDigests(join(folder, 'out')), await folderDigests(join(folder, 'in')))
})

test('skopeo copies a schema 2 manifest list in and out byte by byte', async () => {
  const folder = await session.folder()
  const name = session.repository('list')
  const list = await schema2ListFolder(join(folder, 'in'))
  await copy(`dir:${folder}/in`, `docker://${host}/${name}:v1`, '--all', '--preserve-digests')
  const served = await servedManifest(host, name, 'v1')
  assert.deepEqual(served.descriptor, list)
  await copy(`docker://${host}/${name}:v1`, `dir:${folder}/out`, '--all', '--preserve-digests')
  assert.deepEqual(await folderDigests(join(folder, 'out')), await folderDigests(join(folder, 'in')))
})

test('skopeo converts an OCI image to schema 2 while it pushes', async () => {
  const folder = await session.folder()
  const name = session.repository('converted')
  await imageLayout(join(folder, 'in'))
  await copy(`oci:${folder}/in:latest`, `docker://${host}/${name}:v1`, '--format', 'v2s2')
  const { descriptor, bytes } = await servedManifest(host, name, 'v1')
  assert.equal(descriptor.mediaType, mediaTypes.docker.manifest)
  const [, config, ...layers] = await servedTree(host, name, 'v1')
  const [, ociConfig, ...ociLayers] = await layoutTree(join(folder, 'in'))
  assert.deepEqual([config, layers], [ociConfig, ociLayers])
  await copy(`docker://${host}/${name}:v1`, `dir:${folder}/out`)
  assert.deepEqual(await readFile(join(folder, 'out', 'manifest.json')), bytes)
})

test('skopeo pushes and pulls an image of several layers with one of 300 MB', async () => {
  const folder = await session.folder()
  const name = session.repository('large')
  await imageLayout(join(folder, 'in'), [smallLayer, largeLayer, smallLayer])
  await copy(`oci:${folder}/in:latest`, `docker://${host}/${name}:v1`, '--preserve-digests')
  const pushed = await layoutTree(join(folder, 'in'))
  assert.equal(pushed.length, 5)
  assert.deepEqual(await servedTree(host, name, 'v1'), pushed)
  await copy(`docker://${host}/${name}:v1`, `oci:${folder}/out:latest`, '--preserve-digests')
  assert.deepEqual(await layoutTree(join(folder, 'out')), pushed)
})

test('skopeo inspects the manifest, the config and the digest that were pushed', async () => {
  const folder = await session.folder()
  const name = session.repository('inspected')
  const image = await imageLayout(join(folder, 'in'))
  await copy(`oci:${folder}/in:latest`, `docker://${host}/${name}:v1`)
  const inspect = (...flags: string[]) =>
    session.run('skopeo', ['inspect', '--tls-verify=false', ...flags, `docker://${host}/${name}:v1`])
  const [digest, config, ...layers] = await layoutTree(join(folder, 'in'))
  const summary = JSON.parse((await inspect()).stdout)
  assert.deepEqual([summary.Digest, summary.Layers, summary.RepoTags], [digest, layers, ['v1']])
  const blob = (digest = '') => readFile(layoutBlob(join(folder, 'in'), digest))
  assert.deepEqual((await inspect('--raw')).bytes, await blob(image.digest))
  assert.deepEqual((await inspect('--raw', '--config')).bytes, await blob(config))
})

test('skopeo lists the tags of a repository', async () => {
  const folder = await session.folder()
  const name = session.repository('tagged')
  await imageLayout(join(folder, 'in'))
  const tags = ['1.0', '1.1', 'latest', 'v2_rc-1']
  for (const tag of tags) await copy(`oci:${folder}/in:latest`, `docker://${host}/${name}:${tag}`)
  const listed = await session.run('skopeo', ['list-tags', '--tls-verify=false', `docker://${host}/${name}`])
  assert.deepEqual(JSON.parse(listed.stdout).Tags.sort(), tags)
})

test('skopeo copies an image between repositories of the registry', async () => {
  const folder = await session.folder()
  const [source, target] = [session.repository('source'), session.repository('target')]
  await multiPlatformLayout(join(folder, 'in'))
  await copy(`oci:${folder}/in:latest`, `docker://${host}/${source}:v1`, '--all')
  await copy(`docker://${host}/${source}:v1`, `docker://${host}/${target}:v1`, '--all', '--preserve-digests')
  assert.deepEqual(await servedTree(host, target, 'v1'), await layoutTree(join(folder, 'in')))
})

test('skopeo syncs all tags of a repository to a folder', async () => {
  const folder = await session.folder()
  const name = session.repository('synced')
  await schema2Folder(join(folder, 'in'))
  for (const tag of ['a', 'b']) await copy(`dir:${folder}/in`, `docker://${host}/${name}:${tag}`)
  const sync = ['sync', '--src', 'docker', '--dest', 'dir', '--src-tls-verify=false', `${host}/${name}`]
  await session.run('skopeo', [...sync, join(folder, 'out')])
  const pushed = await folderDigests(join(folder, 'in'))
  const last = name.slice(name.lastIndexOf('/') + 1)
  for (const tag of ['a', 'b']) {
    assert.deepEqual(await folderDigests(join(folder, 'out', `${last}:${tag}`)), pushed)
  }
})

test('skopeo deletes an image and leaves the others', async () => {
  const folder = await session.folder()
  const name = session.repository('deleted')
  for (const tag of ['gone', 'kept']) {
    await imageLayout(join(folder, tag))
    await copy(`oci:${folder}/${tag}:latest`, `docker://${host}/${name}:${tag}`)
  }
  const { descriptor } = await servedManifest(host, name, 'gone')
  await session.run('skopeo', ['delete', '--tls-verify=false', `docker://${host}/${name}:gone`])
  assert.equal(await servedStatus(host, `${name}/manifests/gone`), 404)
  assert.equal(await servedStatus(host, `${name}/manifests/${descriptor.digest}`), 404)
  assert.deepEqual(await servedTags(host, name), ['kept'])
  assert.deepEqual(await servedTree(host, name, 'kept'), await layoutTree(join(folder, 'kept')))
})
