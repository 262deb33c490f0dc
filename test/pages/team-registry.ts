import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import {
  descriptorOf,
  manifestDescriptor,
  manifestOf,
  OCI_CONFIG,
  OCI_INDEX,
  pushArtifact,
  pushBlob,
  pushManifest,
  type TestManifest,
} from '../content.ts'

/** What an image of the team is made of. */
interface TeamImage {
  layer: string
  labels?: Readonly<Record<string, string>>
  architecture?: string
}

/**
 * Fills a registry with what the pages of docs/extensions show, the same bytes each time; docs/extensions/README.md tells of it.
 *
 * @returns the digests of all that it holds
 */
export async function fillTeamRegistry(url: string): Promise<Set<string>> {
  const digests = new Set<string>()
  const push = (name: string, image: TeamImage, tags: readonly string[]) =>
    pushTeamImage(url, name, { image, tags, digests })
  await push('library/alpine', { layer: 'alpine 3.20' }, ['3.20'])
  await push('team/base', { layer: 'base', labels: { tier: 'base' } }, ['v1'])

  const base = { 'org.opencontainers.image.base.name': 'docker.io/library/alpine:3.20' }
  const first = await push('team/app', { layer: 'app 1.0', labels: { ...base, build: 'release' } }, [
    'v1.0',
    'latest',
  ])
  const nightly = { build: 'nightly' }
  await push('team/app', { layer: 'app nightly', labels: { ...base, ...nightly } }, ['nightly-2026-01-01'])
  await push('team/app', { layer: 'app, never released' }, [])
  const amd = await push(
    'team/app',
    { layer: 'app 1.1 for amd64', labels: { ...base, build: 'release' } },
    [],
  )
  const arm = await push('team/app', { layer: 'app 1.1 for arm64', labels: base, architecture: 'arm64' }, [])
  const index = manifestOf({ manifests: [amd, arm].map(manifestDescriptor) }, OCI_INDEX)
  await put(url, 'team/app', index, ['v1.1', 'latest'])
  const signature = await pushArtifact(url, 'team/app', {
    artifactType: 'application/vnd.example.signature.v1+json',
    subject: manifestDescriptor(index),
    annotations: { 'com.example.signer': 'release@team.example' },
  })
  for (const { digest } of [first, index, signature]) digests.add(digest)
  await untilCounted(url)
  return digests
}

async function pushTeamImage(
  url: string,
  name: string,
  { image, tags, digests }: { image: TeamImage; tags: readonly string[]; digests: Set<string> },
): Promise<TestManifest> {
  const { layer, labels, architecture = 'amd64' } = image
  const config = JSON.stringify({ architecture, os: 'linux', ...(labels && { config: { Labels: labels } }) })
  digests.add(await pushBlob(url, name, layer))
  digests.add(await pushBlob(url, name, config))
  const manifest = manifestOf({ config: descriptorOf(config, OCI_CONFIG), layers: [descriptorOf(layer)] })
  digests.add(manifest.digest)
  await put(url, name, manifest, tags.length === 0 ? [manifest.digest] : tags)
  return manifest
}

async function put(
  url: string,
  name: string,
  manifest: TestManifest,
  references: readonly string[],
): Promise<void> {
  for (const reference of references) {
    const pushed = await pushManifest(url, name, manifest, reference)
    assert.equal(pushed.status, 201, await pushed.text())
  }
}

interface Detail {
  revision: number
  counts?: { revision: number }
}

/** Waits until the registry is at rest: what it tells of its repositories is what they are. */
async function untilCounted(url: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    const answer = await fetch(`${url}/v2/_stowage/repositories/list?recursive=true&detail=true`)
    const { details } = (await answer.json()) as { details: Detail[] }
    if (details.every(({ revision, counts }) => counts?.revision === revision)) return
    await setTimeout(20)
  }
  assert.fail('the repositories are not counted')
}
