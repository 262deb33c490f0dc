import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../../test/stowage.ts'
import {
  blobCommand,
  commitOne,
  edge,
  manifestCommand,
  newRepository,
  now,
  putManifest,
  tagged,
  tags,
  testClock,
} from '../../../test/suites/metadata-place.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { ANONYMOUS } from '../actor.ts'
import type { Command } from '../command.ts'
import type { MetadataStore } from '../metadata-store.ts'
import { sqliteMetadata } from './store.ts'

/** A store, and what takes a tag from its database behind its back: only what is remembered still answers with it. */
async function storeWithThief(
  t: TestContext,
): Promise<{ store: MetadataStore; steal: (tag: string) => void; run: (sql: string) => void }> {
  const path = join(await temporaryFolder(t), 'metadata.sqlite')
  const store = await sqliteMetadata({ path, clock: testClock })
  t.after(() => store.close())
  const database = new DatabaseSync(path)
  t.after(() => database.close())
  const steal = (tag: string) => void database.prepare('DELETE FROM tags WHERE name = ?').run(tag)
  return { store, steal, run: (sql) => database.exec(sql) }
}

/** What a sweep commits that takes everything unused and deleted. */
function sweepCommands(): Command[] {
  return [
    { type: 'expireUploads', untouchedFor: 0, endedBefore: 'zzz', limit: 100 },
    { type: 'expireDeleted', deletedFor: 0, limit: 100 },
    { type: 'collectBlobs', unusedFor: 0, limit: 100 },
    { type: 'settleEdges', limit: 100 },
    { type: 'dropHiddenTags', limit: 100 },
    { type: 'dropDeletedRepositories', limit: 100 },
    { type: 'pruneChanges', age: 1e13, limit: 100 },
    { type: 'shrinkStore', limit: 100 },
  ]
}

/** Pushes a tagged manifest with a layer and an unused blob. */
async function push(
  store: MetadataStore,
  { repository, tag }: { repository: RepositoryName; tag: string },
): Promise<{ manifest: Digest; layer: Digest; unused: Digest }> {
  const [layer, unused] = [blobCommand(repository), blobCommand(repository)]
  await store.commit([layer, unused])
  const edges = [edge('layer', layer.digest)]
  const manifest = await putManifest(store, repository, { edges, tags: tags(tag) })
  return { manifest, layer: layer.digest, unused: unused.digest }
}

test('a sweep that finds nothing to do leaves what was read in memory', async (t) => {
  const { store, steal } = await storeWithThief(t)
  const repository = newRepository()
  const digest = await putManifest(store, repository, { tags: tags('v1') })
  assert.equal(await tagged(store, repository, 'v1'), digest)
  await store.commit(sweepCommands())
  steal('v1')
  assert.equal(await tagged(store, repository, 'v1'), digest)
})

test('a sweep voids only what was read of the repositories in which it did something', async (t) => {
  const { store, steal } = await storeWithThief(t)
  const [swept, other] = [newRepository(), newRepository()]
  const { unused } = await push(store, { repository: swept, tag: 'swept' })
  const digest = await putManifest(store, other, { tags: tags('other') })
  assert.ok(await tagged(store, swept, 'swept'))
  assert.ok(await store.blobs.find(swept, unused))
  assert.ok(await tagged(store, other, 'other'))
  await store.commit(sweepCommands())
  steal('swept')
  steal('other')
  assert.equal(await tagged(store, swept, 'swept'), undefined)
  assert.equal(await store.blobs.find(swept, unused), undefined)
  assert.equal(await tagged(store, other, 'other'), digest)
})

test('since when a blob is unused is read again after its manifest has expired', async (t) => {
  const { store } = await storeWithThief(t)
  const repository = newRepository()
  const { manifest, layer } = await push(store, { repository, tag: 'v1' })
  await commitOne(store, {
    type: 'deleteManifest',
    actor: ANONYMOUS,
    repository,
    digest: manifest,
    keep: true,
  })
  assert.equal((await store.blobs.find(repository, layer))?.unusedSince, undefined)
  await commitOne(store, { type: 'expireDeleted', deletedFor: 0, limit: 100 })
  assert.equal((await store.blobs.find(repository, layer))?.unusedSince, now())
})

test('a blob is read again after a step has removed many edges of a purged manifest', async (t) => {
  const { store } = await storeWithThief(t)
  const repository = newRepository()
  const layers = Array.from({ length: 501 }, () => blobCommand(repository))
  await store.commit(layers)
  const digest = await putManifest(store, repository, {
    edges: layers.map((layer) => edge('layer', layer.digest)),
  })
  await commitOne(store, { type: 'purgeManifest', actor: ANONYMOUS, repository, digest })
  for (const layer of layers) assert.ok(await store.blobs.find(repository, layer.digest))
  const settle = { type: 'settleEdges', limit: 1000 } as const
  assert.deepEqual(await commitOne(store, settle), {
    result: 'done',
    count: 501,
    more: true,
    repositories: [repository],
  })
  for (const layer of layers) assert.equal(await store.blobs.find(repository, layer.digest), undefined)
})

test('a push that was refused leaves what was read in memory', async (t) => {
  const { store, steal } = await storeWithThief(t)
  const repository = newRepository()
  const digest = await putManifest(store, repository, { tags: tags('v1') })
  assert.equal(await tagged(store, repository, 'v1'), digest)
  const refused = manifestCommand(repository, { tags: tags('v1'), condition: { ifNoneMatch: '*' } })
  assert.deepEqual(await commitOne(store, refused), { result: 'precondition-failed' })
  steal('v1')
  assert.equal(await tagged(store, repository, 'v1'), digest)
})

test('a deletion of a repository is seen at each of its steps, although it was asked for before', async (t) => {
  const { store } = await storeWithThief(t)
  const repository = newRepository()
  const { manifest } = await push(store, { repository, tag: 'v1' })
  const deletion = () => store.repositories.deletion(repository)
  assert.equal(await deletion(), undefined)
  await commitOne(store, { type: 'deleteRepository', actor: ANONYMOUS, repository })
  assert.equal((await deletion())?.removed, 0)
  await commitOne(store, { type: 'dropDeletedRepositories', limit: 1 })
  assert.equal((await deletion())?.removed, 1)
  await commitOne(store, { type: 'dropDeletedRepositories', limit: 1000 })
  assert.ok((await deletion())?.finished)
  await commitOne(store, { type: 'pruneChanges', age: 0, limit: 1000 })
  assert.equal(await deletion(), undefined)
  assert.equal(await store.manifests.find(repository, { digest: manifest }), undefined)
})

test('a push does not void what was read of the deletions of repositories', async (t) => {
  const { store, run } = await storeWithThief(t)
  const repository = newRepository()
  await push(store, { repository, tag: 'v1' })
  assert.equal(await store.repositories.deletion(repository), undefined)
  await push(store, { repository, tag: 'v2' })
  run(
    `INSERT INTO deleted_repositories (id, name, deleted, pruned, removed) VALUES (900, '${repository}', 1, 0, 0)`,
  )
  assert.equal(await store.repositories.deletion(repository), undefined)
})
