import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createApp } from '../../src/http/app.ts'
import { listen } from '../../src/http/node.ts'
import { localRegistry } from '../../src/registry/registry.ts'
import { openDataFolder } from '../../src/stores/data-folder.ts'
import {
  descriptorOf,
  manifestDescriptor,
  manifestOf,
  OCI_CONFIG,
  OCI_INDEX,
  pushArtifact,
  pushBlob,
  pushImage,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { stoppedClock } from '../stopped-clock.ts'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { GUIDES, runGuide } from './guide.ts'

const WEEK = 7 * 24 * 3_600_000
const SIGNATURE = 'application/vnd.example.signature.v1+json'
const SBOM = 'application/spdx+json'
const NAME = 'team/app'

/** Pushes an image whose config has labels. */
async function pushLabelled(
  url: string,
  labels: Readonly<Record<string, string>>,
  { name = NAME, reference }: { name?: string; reference?: string } = {},
): Promise<TestManifest> {
  const id = randomBytes(8).toString('hex')
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', id, config: { Labels: labels } })
  await pushBlob(url, name, config)
  const image = manifestOf({ config: descriptorOf(config, OCI_CONFIG), layers: [] })
  await put(url, name, image, reference)
  return image
}

async function pushIndex(url: string, images: readonly TestManifest[], tag: string): Promise<TestManifest> {
  const index = manifestOf({ manifests: images.map(manifestDescriptor) }, OCI_INDEX)
  await put(url, NAME, index, tag)
  return index
}

async function put(url: string, name: string, manifest: TestManifest, reference?: string): Promise<void> {
  const pushed = await pushManifest(url, name, manifest, reference)
  assert.equal(pushed.status, 201, await pushed.text())
}

/** Pushes what refers to a manifest. */
async function refer(url: string, subject: TestManifest, artifactType: string): Promise<TestManifest> {
  return await pushArtifact(url, NAME, {
    artifactType,
    subject: manifestDescriptor(subject),
    annotations: { random: randomBytes(8).toString('hex') },
  })
}

async function statusOf(url: string, reference: string, name = NAME): Promise<number> {
  const answer = await fetch(`${url}/v2/${name}/manifests/${reference}`, { method: 'HEAD' })
  return answer.status
}

async function digestOfTag(url: string, tag: string, name = NAME): Promise<string | null> {
  const answer = await fetch(`${url}/v2/${name}/manifests/${tag}`, { method: 'HEAD' })
  return answer.ok ? answer.headers.get('docker-content-digest') : null
}

async function remove(url: string, reference: string, name = NAME): Promise<void> {
  const answer = await fetch(`${url}/v2/${name}/manifests/${reference}`, { method: 'DELETE' })
  assert.equal(answer.status, 202, await answer.text())
}

async function referrersOf(url: string, digest: string): Promise<string[]> {
  const answer = await fetch(`${url}/v2/${NAME}/referrers/${digest}`)
  const { manifests } = (await answer.json()) as { manifests: { digest: string }[] }
  return manifests.map((referrer) => referrer.digest)
}

/** Has a data folder filled by a registry whose clock stands at a time that has passed. */
async function fillEarlier<T>(data: string, time: number, fill: (url: string) => Promise<T>): Promise<T> {
  const folder = await openDataFolder(data, { clock: stoppedClock(time) })
  const registry = localRegistry({
    ...folder,
    retention: { uploads: WEEK, unusedBlobs: WEEK, deletedManifests: WEEK, history: WEEK, garbage: WEEK },
    clock: () => time,
    random: randomBytes,
  })
  const log = { debug() {}, error: (fields: object) => console.error(fields) }
  const isReady = async () => true
  const app = createApp({ registry, extensions: [], clock: () => time, isReady, log })
  const server = await listen(app, { host: '127.0.0.1', port: 0, log })
  try {
    return await fill(`http://127.0.0.1:${server.address.port}`)
  } finally {
    await server.close()
    await registry.close()
    await folder.close()
  }
}

/** Passes requests on and keeps their first lines. */
async function startRecorder(t: TestContext, target: string): Promise<{ url: string; lines: string[] }> {
  const lines: string[] = []
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    lines.push(`${method} ${url}`)
    const passed = request(`${target}${url}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(passed)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close().closeAllConnections())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, lines }
}

test('nightly builds of two weeks ago are deleted by their label, with the content that only they named', async (t) => {
  const data = await temporaryFolder(t)
  const nightly = { build: 'nightly' }
  const old = await fillEarlier(data, Date.now() - 3 * WEEK, async (url) => {
    const single = await pushLabelled(url, nightly, { reference: 'nightly-1' })
    const images = [await pushLabelled(url, nightly), await pushLabelled(url, nightly)]
    const index = await pushIndex(url, images, 'nightly-2')
    const signature = await refer(url, index, SIGNATURE)
    const release = await pushLabelled(url, { build: 'release' }, { reference: 'v1.0' })
    const ofRelease = await refer(url, release, SIGNATURE)
    const lost = await pushLabelled(url, { build: 'test' })
    return { gone: [single, ...images, index, signature, lost], kept: [release, ofRelease] }
  })
  const { url } = await startStowage(t, { data })
  const young = await pushLabelled(url, nightly, { reference: 'nightly-3' })
  const lines = await runGuide(await temporaryFolder(t), 'delete-nightlies.md', { REGISTRY: url })
  assert.ok(lines.length >= old.gone.length)
  for (const line of lines) assert.match(line, /^(?:202|404) sha256:[0-9a-f]{64}$/)
  for (const { digest } of old.gone) assert.equal(await statusOf(url, digest), 404, digest)
  for (const { digest } of [...old.kept, young]) assert.equal(await statusOf(url, digest), 200, digest)
})

test('all images derived from a base are found, in whatever repository', async (t) => {
  const { url } = await startStowage(t)
  const label = 'org.opencontainers.image.base.name'
  const ours = { [label]: 'docker.io/library/alpine:3.20' }
  const first = await pushLabelled(url, ours, { reference: 'v1' })
  await put(url, NAME, first, 'latest')
  const second = await pushLabelled(url, ours, { name: 'other/service', reference: 'v7' })
  await pushLabelled(url, { [label]: 'docker.io/library/alpine:3.19' }, { reference: 'v2' })
  await pushLabelled(url, {}, { name: 'other/tool', reference: 'v1' })
  const lines = await runGuide(await temporaryFolder(t), 'find-derived-images.md', { REGISTRY: url })
  assert.deepEqual(lines, [`other/service@${second.digest} v7`, `${NAME}@${first.digest} latest,v1`])
})

test('a mirror is kept current, by one request for each repository that has not changed', async (t) => {
  const [source, mirror] = [await startStowage(t), await startStowage(t)]
  const recorder = await startRecorder(t, source.url)
  const folder = await temporaryFolder(t)
  const env = { REGISTRY: recorder.url, MIRROR: mirror.url }
  const round = async () => {
    recorder.lines.length = 0
    return (await runGuide(folder, 'keep-a-mirror.md', env)).sort()
  }
  const base = await pushImage(source.url, 'team/base', 'v1')
  const first = await pushImage(source.url, NAME, 'v1')
  const images = [await pushImage(source.url, NAME), await pushImage(source.url, NAME)] as const
  const index = await pushIndex(source.url, images, 'v2')
  const sbom = await refer(source.url, images[0], SBOM)
  const signature = await refer(source.url, sbom, SIGNATURE)
  const copied = [`${NAME}:v1`, `${NAME}:v2`, `${NAME}@${sbom.digest}`, `${NAME}@${signature.digest}`]
  assert.deepEqual(await round(), [...copied, 'team/base:v1'].map((what) => `${what} copied`).sort())
  assert.equal(await digestOfTag(mirror.url, 'v1', 'team/base'), base.digest)
  assert.equal(await digestOfTag(mirror.url, 'v1'), first.digest)
  assert.equal(await digestOfTag(mirror.url, 'v2'), index.digest)
  for (const { digest } of [...images, sbom, signature]) assert.equal(await statusOf(mirror.url, digest), 200)
  assert.deepEqual(await referrersOf(mirror.url, images[0].digest), [sbom.digest])

  assert.deepEqual(await round(), [])
  assert.deepEqual(recorder.lines, [
    'GET /v2/_stowage/repositories/list?recursive=true',
    `HEAD /v2/${NAME}/_stowage/manifests/list`,
    'HEAD /v2/team/base/_stowage/manifests/list',
  ])

  const moved = await pushImage(source.url, NAME, 'v1')
  const late = await refer(source.url, index, SIGNATURE)
  await remove(source.url, signature.digest)
  assert.deepEqual(await round(), [
    `${NAME}:v1 copied`,
    ...[`${NAME}@${late.digest} copied`, `${NAME}@${signature.digest} removed`].sort(),
  ])
  assert.equal(await digestOfTag(mirror.url, 'v1'), moved.digest)
  assert.deepEqual(await referrersOf(mirror.url, index.digest), [late.digest])
  assert.equal(await statusOf(mirror.url, signature.digest), 404)
})

test('content that is deleted in a registry is removed from its mirror, including whole repositories', async (t) => {
  const [source, mirror] = [await startStowage(t), await startStowage(t)]
  const folder = await temporaryFolder(t)
  const round = () => runGuide(folder, 'keep-a-mirror.md', { REGISTRY: source.url, MIRROR: mirror.url })
  await pushImage(source.url, NAME, 'v1')
  await pushImage(source.url, NAME, 'v2')
  const gone = await pushImage(source.url, 'team/gone', 'v1')
  await pushImage(source.url, 'team/gone/below', 'v1')
  assert.equal((await round()).length, 4)

  await remove(source.url, 'v2')
  const deletion = await fetch(`${source.url}/v2/team/gone/_stowage/repository/self`, { method: 'DELETE' })
  assert.equal(deletion.status, 202, await deletion.text())
  assert.deepEqual(await round(), [`${NAME}:v2 removed`, `team/gone@${gone.digest} removed`])
  assert.equal(await digestOfTag(mirror.url, 'v2'), null)
  assert.equal(await digestOfTag(mirror.url, 'v1', 'team/gone'), null)
  assert.notEqual(await digestOfTag(mirror.url, 'v1', 'team/gone/below'), null)
  assert.deepEqual(await round(), [])
})

test('a tag is rolled back, and a deleted release is restored', async (t) => {
  const { url } = await startStowage(t)
  const release = await pushImage(url, NAME, 'v1.0')
  await remove(url, release.digest)
  const good = await pushImage(url, NAME, 'latest')
  const gone = await pushImage(url, NAME, 'latest')
  const broken = await pushImage(url, NAME, 'latest')
  await remove(url, gone.digest)
  const lines = await runGuide(await temporaryFolder(t), 'roll-a-tag-back.md', { REGISTRY: url })
  const shown = lines.slice(0, 3).map((line) => line.replace(/^\S+ /, ''))
  assert.deepEqual(shown, [broken.digest, `${gone.digest} (deleted)`, good.digest])
  assert.equal(await digestOfTag(url, 'latest'), good.digest)
  assert.equal(await digestOfTag(url, 'v1.0'), release.digest)
})

test('every signature and SBOM of a release is found, of its images and of one another, too', async (t) => {
  const { url } = await startStowage(t)
  const images = [await pushImage(url, NAME), await pushImage(url, NAME)] as const
  const release = await pushIndex(url, images, 'v1.1')
  const signature = await refer(url, release, SIGNATURE)
  const sbom = await refer(url, images[1], SBOM)
  const ofSbom = await refer(url, sbom, SIGNATURE)
  const older = { artifactType: SIGNATURE, annotations: { older: 'yes' } }
  const byTag = await pushArtifact(url, NAME, older, `${release.digest.replace(':', '-')}.sig`)
  await refer(url, await pushImage(url, NAME, 'v1.0'), SIGNATURE)
  const lines = await runGuide(await temporaryFolder(t), 'find-signatures.md', { REGISTRY: url })
  assert.deepEqual(lines, [
    `${signature.digest} ${SIGNATURE} about ${release.digest}`,
    `${byTag.digest} ${SIGNATURE} about ${release.digest}`,
    `${sbom.digest} ${SBOM} about ${images[1].digest}`,
    `${ofSbom.digest} ${SIGNATURE} about ${sbom.digest}`,
  ])
})

test('each guide is led to, and leads only to files that are there', () => {
  const files = readdirSync(GUIDES)
  const read = (file: string) => readFileSync(new URL(file, GUIDES), 'utf8')
  for (const file of files.filter((name) => name !== 'README.md')) {
    assert.ok(read('README.md').includes(`](${file})`), `no way leads to ${file}`)
  }
  for (const file of files) {
    for (const [, target = ''] of read(file).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      assert.doesNotThrow(() => readFileSync(new URL(target, GUIDES)), `${file} leads to ${target}`)
    }
  }
})
