import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { CommandOptions } from './command.ts'
import { layoutBlob, layoutTree } from './content-tree.ts'
import { mediaTypes } from './descriptor.ts'
import { imageLayout, multiPlatformLayout, sha256 } from './image.ts'
import { servedManifest, servedReferrers, servedStatus, servedTags, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('regctl')
after(() => session.close())

const { host } = session
const regctl = (args: string[], options?: CommandOptions) => session.run('regctl', args, options)
await regctl(['registry', 'set', '--tls', 'disabled', host])

async function lines(...args: string[]): Promise<string[]> {
  return (await regctl(args)).stdout.trim().split('\n')
}

async function pushedImage(name: string, sizes?: number[]) {
  const layout = join(await session.folder(), 'in')
  const image = await imageLayout(layout, sizes)
  await regctl(['image', 'copy', `ocidir://${layout}:latest`, `${host}/${name}:v1`])
  return { layout, image, digests: await layoutTree(layout) }
}

/** Attaches an artifact of one random file to an image. */
async function attach(image: string, artifactType: string, annotation: string): Promise<Buffer> {
  const input = randomBytes(1000)
  const flags = ['--artifact-type', artifactType, '--annotation', annotation, '--subject', image]
  await regctl(['artifact', 'put', ...flags], { input })
  return input
}

test('regctl copies a multi-platform index in and out with the same digests', async () => {
  const folder = await session.folder()
  const name = session.repository('index')
  await multiPlatformLayout(join(folder, 'in'))
  await regctl(['image', 'copy', `ocidir://${folder}/in:latest`, `${host}/${name}:v1`])
  const digests = await layoutTree(join(folder, 'in'))
  assert.deepEqual(await servedTree(host, name, 'v1'), digests)
  await regctl(['image', 'copy', `${host}/${name}:v1`, `ocidir://${folder}/out:v1`])
  assert.deepEqual(await layoutTree(join(folder, 'out'), 'v1'), digests)
})

test('regctl copies an image with its referrers and digest tags to another repository and to disk', async () => {
  const folder = await session.folder()
  const [source, target] = [session.repository('source'), session.repository('target')]
  const { image } = await pushedImage(source)
  await attach(`${host}/${source}:v1`, 'application/vnd.test.sbom', 'made=first')
  await attach(`${host}/${source}:v1`, 'application/vnd.test.scan', 'made=second')
  const digestTag = `${image.digest.replace(':', '-')}.sig`
  await regctl(['artifact', 'put', `${host}/${source}:${digestTag}`], { input: 'a signature by tag' })
  const copy = ['image', 'copy', '--referrers', '--digest-tags']
  await regctl([...copy, `${host}/${source}:v1`, `${host}/${target}:v1`])
  const referrers = await sortedReferrers(source, image.digest)
  assert.equal(referrers.length, 2)
  assert.deepEqual(await sortedReferrers(target, image.digest), referrers)
  assert.deepEqual(await servedTree(host, target, digestTag), await servedTree(host, source, digestTag))
  await regctl([...copy, `${host}/${source}:v1`, `ocidir://${folder}/out:v1`])
  const held = new Set(await layoutTree(join(folder, 'out')))
  for (const { digest } of referrers) {
    for (const content of await servedTree(host, source, digest)) assert.ok(held.has(content), content)
  }
})

async function sortedReferrers(name: string, digest: string) {
  return (await servedReferrers(host, name, digest)).sort((a, b) => a.digest.localeCompare(b.digest))
}

test('regctl puts artifacts on a subject, lists them by type and gets them back', async () => {
  const name = session.repository('artifacts')
  const { image } = await pushedImage(name)
  const sbom = await attach(`${host}/${name}:v1`, 'application/vnd.test.sbom+json', 'made=first')
  const scan = await attach(`${host}/${name}:v1`, 'application/vnd.test.scan', 'made=second')
  const listed = await regctl(['artifact', 'list', `${host}/${name}:v1`, '--format', '{{json .Descriptors}}'])
  const served = await servedReferrers(host, name, image.digest)
  assert.deepEqual(JSON.parse(listed.stdout), served)
  assert.deepEqual(served.map(({ annotations }) => annotations?.made).sort(), ['first', 'second'])
  for (const [type, bytes] of [
    ['application/vnd.test.sbom+json', sbom],
    ['application/vnd.test.scan', scan],
  ] as const) {
    const get = ['artifact', 'get', '--subject', `${host}/${name}:v1`, '--filter-artifact-type', type]
    assert.deepEqual((await regctl(get)).bytes, bytes)
  }
})

test('regctl pushes an artifact of several files and gets them back', async () => {
  const folder = await session.folder()
  const name = session.repository('files')
  const files = ['one.bin', 'two.bin']
  for (const file of files) await writeFile(join(folder, file), randomBytes(50_000))
  const flags = files.flatMap((file) => ['--file', file, '--file-media-type', 'application/octet-stream'])
  const put = ['artifact', 'put', '--artifact-type', 'application/vnd.test.files', '--file-title', ...flags]
  await regctl([...put, `${host}/${name}:v1`], { cwd: folder })
  await servedTree(host, name, 'v1')
  await mkdir(join(folder, 'out'))
  await regctl(['artifact', 'get', `${host}/${name}:v1`, '--output', join(folder, 'out')])
  for (const file of files) {
    assert.deepEqual(await readFile(join(folder, 'out', file)), await readFile(join(folder, file)))
  }
})

test('regctl lists tags page by page and deletes one without its image', async () => {
  const name = session.repository('tags')
  const { image, digests } = await pushedImage(name)
  const tags = ['a', 'b', 'c', 'v1']
  for (const tag of tags) await regctl(['image', 'copy', `${host}/${name}:v1`, `${host}/${name}:${tag}`])
  const list = ['tag', 'ls', `${host}/${name}`]
  assert.deepEqual(await lines(...list), tags)
  assert.deepEqual(await lines(...list, '--limit', '2'), ['a', 'b'])
  assert.deepEqual(await lines(...list, '--limit', '2', '--last', 'b'), ['c', 'v1'])
  await regctl(['tag', 'delete', `${host}/${name}:b`])
  assert.deepEqual(await servedTags(host, name), ['a', 'c', 'v1'])
  assert.equal(await servedStatus(host, `${name}/manifests/b`), 404)
  assert.deepEqual(await servedTree(host, name, image.digest), digests)
})

test('regctl lists the repositories of the registry page by page', async () => {
  const names = [session.repository('listed-a'), session.repository('listed-b')]
  for (const name of names) await pushedImage(name)
  const [first = '', second] = names
  const repositories = await lines('repo', 'ls', host)
  assert.deepEqual(
    repositories.filter((name) => names.includes(name)),
    names,
  )
  assert.deepEqual(await lines('repo', 'ls', host, '--limit', '1', '--last', first), [second])
})

test('regctl puts, gets and deletes a blob', async () => {
  const name = session.repository('blobs')
  const input = randomBytes(300_000)
  const put = await regctl(['blob', 'put', `${host}/${name}`], { input })
  const digest = sha256(input)
  assert.equal(put.stdout.trim(), digest)
  assert.deepEqual((await regctl(['blob', 'get', `${host}/${name}`, digest])).bytes, input)
  await regctl(['blob', 'delete', `${host}/${name}`, digest])
  assert.equal(await servedStatus(host, `${name}/blobs/${digest}`), 404)
})

test('regctl uploads a blob in chunks', async () => {
  const name = session.repository('chunks')
  const home = await session.folder()
  const chunked = ['--blob-chunk', '100000', '--blob-max', '100000']
  await regctl(['registry', 'set', '--tls', 'disabled', ...chunked, host], { env: { HOME: home } })
  const input = randomBytes(1_234_567)
  const put = ['blob', 'put', `${host}/${name}`, '--verbosity', 'trace']
  const { stdout, stderr } = await regctl(put, { input, env: { HOME: home } })
  assert.equal(stdout.trim(), sha256(input))
  assert.equal(stderr.match(/req-method=PATCH/g)?.length, 13)
  assert.deepEqual((await regctl(['blob', 'get', `${host}/${name}`, sha256(input)])).bytes, input)
})

test('regctl puts a manifest by tag and by digest, reads it and deletes it', async () => {
  const name = session.repository('manifests')
  const { layout, image } = await pushedImage(name)
  const input = await readFile(layoutBlob(layout, image.digest))
  const put = ['manifest', 'put', '--content-type', mediaTypes.oci.manifest]
  await regctl([...put, `${host}/${name}:again`], { input })
  await regctl([...put, '--by-digest', `${host}/${name}`], { input })
  const get = ['manifest', 'get', '--format', 'raw-body']
  for (const reference of [':again', `@${image.digest}`]) {
    assert.deepEqual((await regctl([...get, `${host}/${name}${reference}`])).bytes, input)
    assert.deepEqual(await lines('manifest', 'head', `${host}/${name}${reference}`), [image.digest])
  }
  await regctl(['manifest', 'delete', `${host}/${name}@${image.digest}`])
  assert.equal(await servedStatus(host, `${name}/manifests/${image.digest}`), 404)
  await session.refuse('regctl', [...get, `${host}/${name}:again`])
})

test('regctl pushes an index and its images under sha512 and copies them back', async () => {
  const folder = await session.folder()
  const name = session.repository('sha512')
  await multiPlatformLayout(join(folder, 'in'))
  await regctl(['image', 'copy', `ocidir://${folder}/in:latest`, `${host}/${name}:v1`])
  const modify = ['image', 'mod', '--digest-algo', 'sha512', '--create', `${host}/${name}:v2`]
  await regctl([...modify, `${host}/${name}:v1`])
  const digests = await servedTree(host, name, 'v2')
  assert.equal(digests.length, 9)
  for (const digest of digests) assert.match(digest, /^sha512:[0-9a-f]{128}$/)
  await regctl(['image', 'copy', `${host}/${name}:v2`, `ocidir://${folder}/out:v2`])
  assert.deepEqual(await layoutTree(join(folder, 'out'), 'v2'), digests)
})

test('regctl converts an image to schema 2 and exports what it can import again', async () => {
  const folder = await session.folder()
  const [name, copy] = [session.repository('schema2'), session.repository('imported')]
  await pushedImage(name)
  await regctl(['image', 'mod', '--to-docker', '--create', `${host}/${name}:v2`, `${host}/${name}:v1`])
  const { descriptor } = await servedManifest(host, name, 'v2')
  assert.equal(descriptor.mediaType, mediaTypes.docker.manifest)
  await regctl(['image', 'export', `${host}/${name}:v2`, join(folder, 'image.tar')])
  await regctl(['image', 'import', `${host}/${copy}:v2`, join(folder, 'image.tar')])
  assert.deepEqual(await servedTree(host, copy, 'v2'), await servedTree(host, name, 'v2'))
})
