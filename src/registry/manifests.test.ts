import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { schema1File } from '../../test/data-folders/schema-1.ts'
import {
  type PlacedRegistry,
  placeRegistry,
  pushBlob,
  pushImage,
  until,
} from '../../test/suites/registry-place.ts'
import { ANONYMOUS } from '../metadata/actor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'

const repository = 'app' as RepositoryName
const v1 = 'v1' as Tag

async function pulledAt(registry: PlacedRegistry, digest: Digest): Promise<number | undefined> {
  const query = {
    repository,
    sort: 'pushed',
    descending: false,
    filters: {},
    limit: 100,
    maxBytes: 1e6,
  } as const
  const { manifests } = await registry.manifests.list(query)
  return manifests.find((manifest) => manifest.digest === digest)?.pulled
}

test('a deleted manifest can be restored until it expires', async (t) => {
  const registry = await placeRegistry(t, { retention: { deletedManifests: 1000, unusedBlobs: 10 } })
  const digest = await pushImage(registry, repository, { tags: ['v1'] })
  await registry.manifests.delete(repository, digest, ANONYMOUS)
  registry.pass(999)
  await registry.sweepNow()
  assert.deepEqual(await registry.manifests.undelete(repository, digest, { tags: [v1], actor: ANONYMOUS }), [
    'v1',
  ])
  assert.equal((await registry.manifests.read(repository, { tag: v1 })).digest, digest)
  await registry.manifests.delete(repository, digest, ANONYMOUS)
  registry.pass(1000)
  assert.equal((await registry.sweepNow()).manifests, 1)
  await assert.rejects(registry.manifests.undelete(repository, digest, { tags: [], actor: ANONYMOUS }), {
    id: 'MANIFEST_UNKNOWN',
  })
  registry.pass(10)
  assert.equal((await registry.sweepNow()).blobs, 2)
})

test('if deleted manifests are not kept, they cannot be restored', async (t) => {
  const registry = await placeRegistry(t, { retention: { deletedManifests: 0 } })
  const digest = await pushImage(registry, repository)
  await registry.manifests.delete(repository, digest, ANONYMOUS)
  await assert.rejects(registry.manifests.undelete(repository, digest, { tags: [], actor: ANONYMOUS }), {
    id: 'MANIFEST_UNKNOWN',
  })
})

test('the refusal of an undelete or a purge names the reason', async (t) => {
  const registry = await placeRegistry(t)
  const digest = await pushImage(registry, repository)
  const unknown = 'unknown' as RepositoryName
  await assert.rejects(registry.manifests.undelete(repository, digest, { tags: [], actor: ANONYMOUS }), {
    id: 'MANIFEST_EXISTS',
  })
  await assert.rejects(registry.manifests.undelete(unknown, digest, { tags: [], actor: ANONYMOUS }), {
    id: 'NAME_UNKNOWN',
  })
  await assert.rejects(registry.manifests.purge(unknown, digest, ANONYMOUS), { id: 'NAME_UNKNOWN' })
  const index = { schemaVersion: 2, manifests: [{ mediaType: 'a/b', digest, size: 10 }] }
  const { digest: parent } = await registry.manifests.push({
    repository,
    bytes: Buffer.from(JSON.stringify(index)),
    contentType: undefined,
    digest: undefined,
    tags: [],
    condition: {},
    actor: ANONYMOUS,
  })
  await assert.rejects(registry.manifests.purge(repository, digest, ANONYMOUS), {
    id: 'MANIFEST_NEEDED',
    details: [{ digest, neededBy: parent }],
  })
  await registry.manifests.delete(repository, parent, ANONYMOUS)
  await registry.manifests.purge(repository, digest, ANONYMOUS)
  await assert.rejects(registry.manifests.purge(repository, digest, ANONYMOUS), { id: 'MANIFEST_UNKNOWN' })
  await assert.rejects(registry.manifests.undelete(repository, parent, { tags: [], actor: ANONYMOUS }), {
    id: 'CONTENT_GONE',
    details: [{ digest }],
  })
})

test('a purged secret is gone from the blob store with the next sweep', async (t) => {
  const registry = await placeRegistry(t)
  const digest = await pushImage(registry, repository, {
    config: JSON.stringify({ x: 'secret'.repeat(20_000) }),
  })
  const holdings = await registry.parts.metadata.manifests.read(repository, { digest })
  const config = JSON.parse(Buffer.from(holdings?.bytes ?? []).toString()).config.digest as Digest
  const key = (await registry.parts.metadata.blobs.find(repository, config))?.content.key ?? ''
  await registry.manifests.delete(repository, digest, ANONYMOUS)
  await registry.sweepNow()
  assert.notEqual(await registry.parts.blobs.open(key, { start: 0, end: 0 }), undefined)
  await registry.manifests.purge(repository, digest, ANONYMOUS)
  await registry.sweepNow()
  assert.equal(await registry.parts.blobs.open(key, { start: 0, end: 0 }), undefined)
})

async function pulledOnce(t: TestContext, pullsInterval: number): Promise<[PlacedRegistry, Digest]> {
  const registry = await placeRegistry(t, { pullsInterval })
  const digest = await pushImage(registry, repository, { tags: ['v1'] })
  registry.pass(5)
  await registry.manifests.read(repository, { tag: v1 })
  return [registry, digest]
}

test('a pull by tag is recorded for its manifest after the interval, and a HEAD does not count as a pull', async (t) => {
  const [registry, digest] = await pulledOnce(t, 20)
  const at = registry.parts.clock()
  const other = await pushImage(registry, repository)
  await registry.manifests.find(repository, { digest: other })
  assert.equal(
    await until(
      () => pulledAt(registry, digest),
      (time) => time !== undefined,
    ),
    at,
  )
  assert.equal(await pulledAt(registry, other), undefined)
  registry.pass(7)
  await registry.manifests.read(repository, { digest })
  assert.equal(
    await until(
      () => pulledAt(registry, digest),
      (time) => time !== at,
    ),
    at + 7,
  )
})

test('a pull waits for nothing, and is recorded at the latest when the registry is closed', async (t) => {
  const [registry, digest] = await pulledOnce(t, 1e6)
  assert.equal(await pulledAt(registry, digest), undefined)
  await registry.close()
  assert.equal(await pulledAt(registry, digest), registry.parts.clock())
})

test('repositories that were pushed to are counted, and only those', async (t) => {
  const registry = await placeRegistry(t)
  const { signal } = new AbortController()
  await pushImage(registry, repository, { tags: ['a', 'b'] })
  await pushBlob(registry, 'other' as RepositoryName, 'x')
  assert.equal((await registry.maintenance.counts.run(signal)).repositories, 2)
  assert.equal((await registry.maintenance.counts.run(signal)).repositories, 0)
  await pushImage(registry, repository)
  assert.equal((await registry.maintenance.counts.run(signal)).repositories, 1)
  const { items } = await registry.repositories.children({
    parent: '',
    recursive: true,
    after: '',
    limit: 10,
  })
  assert.deepEqual(
    items.map(({ name, count }) => [name, count?.tags, count?.manifests, count?.blobs]),
    [
      ['app', 2, 2, 3],
      ['other', 0, 0, 1],
    ],
  )
})

test('image configs of manifests from before they were read are read by a sweep, once', async (t) => {
  const registry = await placeRegistry(t, { path: await schema1File(t) })
  assert.equal((await registry.sweepNow()).described, 2)
  const query = { sort: 'pushed', descending: false, limit: 10, maxBytes: 1e6 } as const
  const labels = [{ key: 'build', operator: 'in', values: ['nightly'] } as const]
  const filters = { labels, platform: 'linux/arm64' }
  const page = await registry.manifests.list({ ...query, repository: 'team/app' as RepositoryName, filters })
  assert.equal(page.manifests.length, 2)
  assert.equal((await registry.sweepNow()).described, 0)
})
