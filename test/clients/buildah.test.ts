import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { mediaTypes } from './descriptor.ts'
import { sha256 } from './image.ts'
import { servedManifest, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('buildah')
after(() => session.close())

const { host } = session

/** Buildah with its own image store below `folder`, so that a pull finds nothing there already. */
async function imageStore() {
  const folder = await session.folder()
  const flags = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs']
  return async (command: string, ...args: string[]) =>
    (await session.run('buildah', [...flags, command, ...args], { cwd: folder })).stdout.trim()
}

type Buildah = Awaited<ReturnType<typeof imageStore>>

/** Commits an image whose only layer holds one random file, and answers that file. */
async function commitImage(buildah: Buildah, image: string, architecture = 'amd64'): Promise<Buffer> {
  const content = randomBytes(200_000)
  const file = join(await session.folder(), 'content')
  await writeFile(file, content)
  const container = await buildah('from', 'scratch')
  await buildah('add', container, file, '/srv/content')
  await buildah('config', '--arch', architecture, '--label', 'purpose=client tests', container)
  await buildah('commit', '--rm', container, image)
  return content
}

function push(buildah: Buildah, image: string, name: string, ...flags: string[]) {
  return buildah('push', '--tls-verify=false', ...flags, image, `docker://${host}/${name}`)
}

/** Pulls into an empty store; answers the manifest's digest as buildah kept it, and the file in the image. */
async function pulled(reference: string) {
  const buildah = await imageStore()
  await buildah('pull', '--quiet', '--tls-verify=false', reference)
  const kept = JSON.parse(await buildah('inspect', '--type', 'image', reference))
  const container = await buildah('from', '--pull-never', reference)
  const root = await buildah('mount', container)
  const content = await readFile(join(root, 'srv', 'content'))
  await buildah('umount', container)
  return { digest: kept.FromImageDigest, manifest: sha256(Buffer.from(kept.Manifest)), content }
}

for (const [format, flag] of [
  ['oci', 'oci'],
  ['docker', 'v2s2'],
] as const) {
  test(`buildah builds, pushes and pulls back an image in ${format} format`, async () => {
    const buildah = await imageStore()
    const name = session.repository(format)
    const content = await commitImage(buildah, 'built')
    const digestFile = join(await session.folder(), 'digest')
    await push(buildah, 'built', `${name}:v1`, '--format', flag, '--digestfile', digestFile)
    const { descriptor } = await servedManifest(host, name, 'v1')
    assert.equal(descriptor.mediaType, mediaTypes[format].manifest)
    assert.equal(descriptor.digest, await readFile(digestFile, 'utf8'))
    assert.equal((await servedTree(host, name, 'v1')).length, 3)
    const { digest } = descriptor
    assert.deepEqual(await pulled(`${host}/${name}:v1`), { digest, manifest: digest, content })
    assert.deepEqual(await pulled(`${host}/${name}@${digest}`), { digest, manifest: digest, content })
  })
}

test('buildah builds on a base image that it pulls and pushes the result to another repository', async () => {
  const buildah = await imageStore()
  const [base, derived] = [session.repository('base'), session.repository('derived')]
  const content = await commitImage(buildah, 'base')
  await push(buildah, 'base', `${base}:v1`)
  const context = await session.folder()
  await writeFile(join(context, 'added'), 'added\n')
  await writeFile(join(context, 'Containerfile'), `FROM ${host}/${base}:v1\nCOPY added /srv/added\n`)
  const builder = await imageStore()
  const build = ['--isolation', 'chroot', '--layers', '--tls-verify=false', '--tag', 'derived', context]
  await builder('build', ...build)
  await push(builder, 'derived', `${derived}:v1`)
  const [baseLayer] = (await servedTree(host, base, 'v1')).slice(2)
  const layers = (await servedTree(host, derived, 'v1')).slice(2)
  assert.equal(layers.length, 2)
  assert.equal(layers[0], baseLayer)
  assert.deepEqual((await pulled(`${host}/${derived}:v1`)).content, content)
})

test('buildah pushes an index of two platforms with its images and pulls one of them', async () => {
  const buildah = await imageStore()
  const name = session.repository('index')
  const contents = new Map<string, Buffer>()
  await buildah('manifest', 'create', 'list')
  for (const arch of ['amd64', 'arm64']) {
    contents.set(arch, await commitImage(buildah, arch, arch))
    await buildah('manifest', 'add', '--arch', arch, '--os', 'linux', 'list', `localhost/${arch}`)
  }
  await buildah('manifest', 'push', '--all', '--tls-verify=false', 'list', `docker://${host}/${name}:v1`)
  const { descriptor, manifest } = await servedManifest(host, name, 'v1')
  assert.equal(descriptor.mediaType, mediaTypes.oci.index)
  assert.equal((await servedTree(host, name, 'v1')).length, 7)
  for (const { digest, platform } of manifest.manifests ?? []) {
    const image = await pulled(`${host}/${name}@${digest}`)
    assert.deepEqual(image.content, contents.get(platform?.architecture ?? ''))
    assert.equal(image.manifest, digest)
  }
})
