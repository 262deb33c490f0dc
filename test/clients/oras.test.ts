import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { CommandOptions } from './command.ts'
import { folderDigests, layoutBlob, layoutTree } from './content-tree.ts'
import { mediaTypes } from './descriptor.ts'
import { imageLayout, multiPlatformLayout, sha256 } from './image.ts'
import { servedManifest, servedReferrers, servedStatus, servedTags, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('oras')
after(() => session.close())

const { host } = session
const oras = (args: string[], options?: CommandOptions) => session.run('oras', args, options)
const plain = '--plain-http'
const ontoRegistry = ['--from-oci-layout', '--to-plain-http']
const withinRegistry = ['--from-plain-http', '--to-plain-http']
const outOfRegistry = ['--from-plain-http', '--to-oci-layout']

async function lines(...args: string[]): Promise<string[]> {
  return (await oras(args)).stdout.trim().split('\n')
}

/** A folder with files of random content, to push from. */
async function filesFolder(...names: string[]): Promise<string> {
  const folder = await session.folder()
  for (const name of names) await writeFile(join(folder, name), randomBytes(100_000))
  return folder
}

/** Pushes an artifact and answers its digest. */
async function pushedArtifact(name: string, tag = 'v1'): Promise<string> {
  const push = ['push', plain, '--format', 'json', '--artifact-type', 'application/vnd.test.thing']
  const cwd = await filesFolder('thing.bin')
  const pushed = await oras([...push, `${host}/${name}:${tag}`, 'thing.bin'], { cwd })
  return JSON.parse(pushed.stdout).digest
}

async function attach(subject: string, artifactType: string, ...flags: string[]): Promise<string> {
  const attach = ['attach', plain, '--format', 'json', '--artifact-type', artifactType, ...flags]
  const cwd = await filesFolder('attached.bin')
  const attached = await oras([...attach, subject, 'attached.bin:application/octet-stream'], { cwd })
  return JSON.parse(attached.stdout).digest
}

async function discover(subject: string, ...flags: string[]): Promise<DiscoveredReferrer[]> {
  const discovered = await oras(['discover', plain, '--format', 'json', ...flags, subject])
  return JSON.parse(discovered.stdout).referrers
}

type DiscoveredReferrer = { digest: string; artifactType: string; referrers: DiscoveredReferrer[] }

test('oras pushes an artifact of several files and pulls the same bytes', async () => {
  const name = session.repository('files')
  const cwd = await filesFolder('one.bin', 'two.txt')
  const push = ['push', plain, '--artifact-type', 'application/vnd.test.files', '--annotation', 'note=kept']
  await oras([...push, `${host}/${name}:v1`, 'one.bin:application/x-one', 'two.txt:text/plain'], { cwd })
  const { manifest } = await servedManifest(host, name, 'v1')
  assert.deepEqual(
    manifest.layers?.map(({ mediaType }) => mediaType),
    ['application/x-one', 'text/plain'],
  )
  assert.equal(manifest.annotations?.note, 'kept')
  const out = await session.folder()
  await oras(['pull', plain, '--output', out, `${host}/${name}:v1`])
  assert.deepEqual(await folderDigests(out), await folderDigests(cwd))
})

test('oras attaches artifacts to an artifact and discovers them as a tree and by type', async () => {
  const name = session.repository('attached')
  const subject = `${host}/${name}@${await pushedArtifact(name)}`
  const [sbom, scan] = [await attach(subject, 'test/sbom+json'), await attach(subject, 'test/scan')]
  const signature = await attach(`${host}/${name}@${sbom}`, 'test/signature')
  const tree = await discover(subject)
  const nested = Object.fromEntries(
    tree.map(({ digest, referrers }) => [digest, referrers.map((r) => r.digest)]),
  )
  assert.deepEqual(nested, { [sbom]: [signature], [scan]: [] })
  const filtered = await discover(subject, '--artifact-type', 'test/sbom+json', '--depth', '1')
  assert.deepEqual(
    filtered.map(({ digest }) => digest),
    [sbom],
  )
})

test('oras copies an artifact with all its referrers to another repository and to disk', async () => {
  const [source, target] = [session.repository('source'), session.repository('target')]
  const digest = await pushedArtifact(source)
  const sbom = await attach(`${host}/${source}:v1`, 'test/sbom')
  const signature = await attach(`${host}/${source}@${sbom}`, 'test/signature')
  await oras(['cp', '-r', ...withinRegistry, `${host}/${source}:v1`, `${host}/${target}:v1`])
  for (const subject of [digest, sbom]) {
    const referrers = await servedReferrers(host, source, subject)
    assert.equal(referrers.length, 1)
    assert.deepEqual(await servedReferrers(host, target, subject), referrers)
  }
  const out = join(await session.folder(), 'out')
  await oras(['cp', '-r', ...outOfRegistry, `${host}/${target}:v1`, `${out}:v1`])
  const held = new Set(await layoutTree(out))
  for (const part of [digest, sbom, signature]) {
    for (const content of await servedTree(host, source, part)) assert.ok(held.has(content), content)
  }
})

test('oras registers where else content is, in the one command that docs/extensions/content.md shows', async () => {
  const name = session.repository('elsewhere')
  const digest = await pushedArtifact(name)
  const type = 'application/vnd.stowage.locations.v1+json'
  const registration = `${digest}=ipfs://bafybeigd https://mirror.team.example/app-1.0.tar`
  await oras(['attach', plain, '--artifact-type', type, '--annotation', registration, `${host}/${name}:v1`])
  const answer = await fetch(`http://${host}/v2/${name}/_stowage/content/locations?digest=${digest}`)
  const { locations } = (await answer.json()) as { locations: { type: string; url: string }[] }
  assert.deepEqual(
    locations.filter(({ type }) => type === 'referrer').map(({ url }) => url),
    ['ipfs://bafybeigd', 'https://mirror.team.example/app-1.0.tar'],
  )
})

test('oras attaches by the referrers tag and the referrers API lists it once', async () => {
  const name = session.repository('fallback')
  const subject = `${host}/${name}@${await pushedArtifact(name)}`
  const byApi = await attach(subject, 'test/api')
  const byTag = await attach(subject, 'test/tag', '--distribution-spec', 'v1.1-referrers-tag')
  const digests = (await discover(subject)).map(({ digest }) => digest)
  assert.deepEqual(digests.sort(), [byApi, byTag].sort())
  const tagged = await discover(subject, '--distribution-spec', 'v1.1-referrers-tag')
  assert.ok(tagged.some(({ digest }) => digest === byTag))
})

test('oras copies a multi-platform index in and out with the same digests', async () => {
  const folder = await session.folder()
  const name = session.repository('index')
  await multiPlatformLayout(join(folder, 'in'))
  await oras(['cp', ...ontoRegistry, `${folder}/in:latest`, `${host}/${name}:v1,v2`])
  const digests = await layoutTree(join(folder, 'in'))
  for (const tag of ['v1', 'v2']) assert.deepEqual(await servedTree(host, name, tag), digests)
  await oras(['cp', ...outOfRegistry, `${host}/${name}:v2`, `${folder}/out:v2`])
  assert.deepEqual(await layoutTree(join(folder, 'out'), 'v2'), digests)
})

test('oras backs up a repository with its referrers and restores it elsewhere', async () => {
  const [source, target] = [session.repository('backed-up'), session.repository('restored')]
  const digest = await pushedArtifact(source)
  await pushedArtifact(source, 'v2')
  await attach(`${host}/${source}:v1`, 'test/sbom')
  const backup = join(await session.folder(), 'backup.tar')
  await oras(['backup', plain, '--include-referrers', '--output', backup, `${host}/${source}`])
  await oras(['restore', plain, '--input', backup, `${host}/${target}`])
  assert.deepEqual(await servedTags(host, target), ['v1', 'v2'])
  for (const tag of ['v1', 'v2']) {
    assert.deepEqual(await servedTree(host, target, tag), await servedTree(host, source, tag))
  }
  const referrers = await servedReferrers(host, source, digest)
  assert.equal(referrers.length, 1)
  assert.deepEqual(await servedReferrers(host, target, digest), referrers)
})

test('oras tags, resolves and lists pushed content', async () => {
  const name = session.repository('tagged')
  const digest = await pushedArtifact(name)
  await oras(['tag', plain, `${host}/${name}:v1`, 'a', 'b', 'z'])
  assert.deepEqual(await lines('resolve', plain, `${host}/${name}:z`), [digest])
  assert.deepEqual(await lines('repo', 'tags', plain, `${host}/${name}`), ['a', 'b', 'v1', 'z'])
  assert.deepEqual(await lines('repo', 'tags', plain, '--last', 'b', `${host}/${name}`), ['v1', 'z'])
  const namespace = name.slice(0, name.lastIndexOf('/'))
  const repositories = await lines('repo', 'ls', plain, `${host}/${namespace}`)
  assert.ok(repositories.includes(name.slice(namespace.length + 1)))
})

test('oras makes an index of pushed images', async () => {
  const folder = await session.folder()
  const name = session.repository('assembled')
  const parts: string[] = []
  for (const tag of ['one', 'two']) {
    await imageLayout(join(folder, tag))
    await oras(['cp', ...ontoRegistry, `${folder}/${tag}:latest`, `${host}/${name}:${tag}`])
    parts.push(...(await layoutTree(join(folder, tag))))
  }
  await oras(['manifest', 'index', 'create', plain, `${host}/${name}:both`, 'one', 'two'])
  assert.deepEqual((await servedTree(host, name, 'both')).slice(1), parts)
})

test('oras pushes, fetches and deletes a manifest and a blob', async () => {
  const layout = join(await session.folder(), 'in')
  const name = session.repository('single')
  const image = await imageLayout(layout)
  const digests = await layoutTree(layout)
  for (const digest of digests.slice(1)) {
    await oras(['blob', 'push', plain, `${host}/${name}@${digest}`, layoutBlob(layout, digest)])
  }
  const file = layoutBlob(layout, image.digest)
  const push = ['manifest', 'push', plain, '--media-type', mediaTypes.oci.manifest]
  await oras([...push, `${host}/${name}:v1`, file])
  assert.deepEqual(await servedTree(host, name, 'v1'), digests)
  const fetched = await oras(['manifest', 'fetch', plain, `${host}/${name}:v1`])
  assert.equal(sha256(fetched.bytes), image.digest)
  await oras(['manifest', 'delete', plain, '--force', `${host}/${name}@${image.digest}`])
  assert.equal(await servedStatus(host, `${name}/manifests/v1`), 404)
  const layer = `${host}/${name}@${digests[2]}`
  const blob = await oras(['blob', 'fetch', plain, '--output', '-', layer])
  assert.deepEqual(blob.bytes, await readFile(layoutBlob(layout, digests[2] ?? '')))
  await oras(['blob', 'delete', plain, '--force', layer])
  assert.equal(await servedStatus(host, `${name}/blobs/${digests[2]}`), 404)
})
