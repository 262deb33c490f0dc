import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName, Tag } from '../../src/oci/reference.ts'
import {
  blobCommand,
  changesOf,
  commitOne,
  edge,
  type GetStore,
  isGarbage,
  manifestCommand,
  newDigest,
  newRepository,
  newToken,
  now,
  putBlob,
  putManifest,
  since,
  tagged,
  tags,
  tick,
} from './metadata-place.ts'

/** Manifests that were deleted and kept: what they hold, how they come back, and how they go for good. */
export function testUndelete(getStore: GetStore): void {
  testRestore(getStore)
  testRestoreWithChildren(getStore)
  testRefusals(getStore)
  testHeldContent(getStore)
  testExpiry(getStore)
  testPurge(getStore)
  testPurgeRefusals(getStore)
}

async function deleteManifest(
  store: MetadataStore,
  repository: RepositoryName,
  digest: Digest,
): Promise<number> {
  const command = { type: 'deleteManifest', actor: ANONYMOUS, repository, digest, keep: true } as const
  assert.deepEqual(await commitOne(store, command), { result: 'deleted' })
  return now()
}

function undelete(store: MetadataStore, repository: RepositoryName, digest: Digest, names: Tag[] = []) {
  return commitOne(store, { type: 'undeleteManifest', actor: ANONYMOUS, repository, digest, tags: names })
}

function purge(store: MetadataStore, repository: RepositoryName, digest: Digest) {
  return commitOne(store, { type: 'purgeManifest', actor: ANONYMOUS, repository, digest })
}

/** Lets go of all that was deleted up to a time. */
async function expire(store: MetadataStore, time: number): Promise<number> {
  for (let total = 0; ; ) {
    const command = { type: 'expireDeleted', deletedFor: since(time), limit: 10 } as const
    const { count, more } = await commitOne(store, command)
    total += count
    if (!more) return total
  }
}

function isLive(store: MetadataStore, repository: RepositoryName, digest: Digest): Promise<boolean> {
  return store.manifests.find(repository, { digest }).then((found) => found !== undefined)
}

function testRestore(getStore: GetStore): void {
  test('a deleted manifest is unknown, and is the same once it is restored', async () => {
    const store = getStore()
    const repository = newRepository()
    const layer = await putBlob(store, repository)
    const command = manifestCommand(repository, {
      edges: [edge('layer', layer)],
      tags: tags('b', 'a'),
      artifactType: 'a/t',
      subject: newDigest(),
      annotations: { a: 'b' },
      labels: { l: 'm' },
      platform: 'linux/amd64',
    })
    const { digest } = command
    await commitOne(store, command)
    const list = {
      repository,
      sort: 'pushed',
      descending: false,
      filters: {},
      limit: 10,
      maxBytes: 1e6,
    } as const
    const before = (await store.manifests.list(list))?.manifests
    await deleteManifest(store, repository, digest)
    assert.equal(await isLive(store, repository, digest), false)
    assert.equal(await tagged(store, repository, 'a'), undefined)
    assert.deepEqual((await store.manifests.list(list))?.manifests, [])

    const outcome = await undelete(store, repository, digest, tags('a', 'c'))
    assert.deepEqual(outcome, { result: 'restored', previousTags: ['a', 'b'] })
    assert.deepEqual((await store.manifests.list(list))?.manifests, [{ ...before?.[0], tags: ['a', 'c'] }])
    const labels = [{ key: 'l', operator: 'in' as const, values: ['m'] }]
    const labelled = await store.manifests.list({ ...list, filters: { labels } })
    assert.equal(labelled?.manifests.length, 1)
    const needed = await commitOne(store, { type: 'deleteBlob', repository, digest: layer })
    assert.deepEqual(needed, { result: 'needed', by: digest })
    const bytes = (await store.manifests.read(repository, { digest }))?.bytes ?? []
    assert.deepEqual(Buffer.from(bytes), Buffer.from(command.bytes))
  })

  test('a restored manifest is in the change log, and is listed after manifests that were pushed since', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putManifest(store, repository)
    await deleteManifest(store, repository, digest)
    const younger = await putManifest(store, repository)
    await undelete(store, repository, digest, tags('v1'))
    const kinds = (await changesOf(store, repository)).map(({ kind, subject }) => [kind, subject])
    assert.deepEqual(kinds.slice(-2), [
      ['manifest-restored', digest],
      ['tag-set', 'v1'],
    ])
    const query = {
      repository,
      sort: 'pushed',
      descending: false,
      filters: {},
      limit: 10,
      maxBytes: 1e6,
    } as const
    const page = await store.manifests.list(query)
    assert.deepEqual(
      page?.manifests.map((manifest) => manifest.digest),
      [younger, digest],
    )
  })
}

function testRestoreWithChildren(getStore: GetStore): void {
  test('an index is restored with the deleted manifests below it, and with no others', async () => {
    const store = getStore()
    const repository = newRepository()
    const [one, two, other] = [
      await putManifest(store, repository),
      await putManifest(store, repository),
      await putManifest(store, repository),
    ]
    const inner = await putManifest(store, repository, { edges: [edge('manifest', one)] })
    const edges = [edge('manifest', inner), edge('manifest', two)]
    const index = await putManifest(store, repository, { edges })
    for (const digest of [index, inner, one, other]) await deleteManifest(store, repository, digest)
    assert.deepEqual(await undelete(store, repository, index), { result: 'restored', previousTags: [] })
    for (const digest of [index, inner, one, two]) assert.equal(await isLive(store, repository, digest), true)
    assert.equal(await isLive(store, repository, other), false)
    const removal = { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: one } as const
    assert.deepEqual(await commitOne(store, removal), { result: 'needed', by: inner })
  })

  test('a manifest can be restored without content that the repository never had', async () => {
    const store = getStore()
    const repository = newRepository()
    const elsewhere = { ...edge('layer', newDigest()), required: false }
    const digest = await putManifest(store, repository, { edges: [elsewhere] })
    await deleteManifest(store, repository, digest)
    assert.deepEqual(await undelete(store, repository, digest), { result: 'restored', previousTags: [] })
  })
}

function testRefusals(getStore: GetStore): void {
  test('a manifest that is not deleted, was not kept, or never existed cannot be restored', async () => {
    const store = getStore()
    const repository = newRepository()
    const [live, gone] = [await putManifest(store, repository), await putManifest(store, repository)]
    await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: gone })
    assert.deepEqual(await undelete(store, repository, live), { result: 'exists' })
    for (const [name, digest] of [
      [repository, gone],
      [repository, newDigest()],
      [newRepository(), live],
    ] as const) {
      assert.deepEqual(await undelete(store, name, digest), { result: 'unknown' })
    }
  })

  test('of content that was deleted meanwhile each digest is named, and nothing is done', async () => {
    const store = getStore()
    const repository = newRepository()
    const [kept, lost, lostToo] = [
      await putBlob(store, repository),
      await putBlob(store, repository),
      await putBlob(store, repository),
    ]
    const child = await putManifest(store, repository, { edges: [edge('layer', lostToo)] })
    const edges = [edge('config', lost), edge('layer', kept), edge('manifest', child)]
    const digest = await putManifest(store, repository, { edges })
    for (const manifest of [digest, child]) await deleteManifest(store, repository, manifest)
    for (const blob of [lost, lostToo]) {
      const outcome = await commitOne(store, { type: 'deleteBlob', repository, digest: blob })
      assert.deepEqual(outcome, { result: 'deleted' })
    }
    const before = await changesOf(store, repository)
    const outcome = await undelete(store, repository, digest, tags('v1'))
    assert.ok(outcome.result === 'missing')
    assert.deepEqual(outcome.digests.sort(), [lost, lostToo].sort())
    assert.deepEqual(await changesOf(store, repository), before)
    assert.equal(await isLive(store, repository, child), false)
  })
}

function testHeldContent(getStore: GetStore): void {
  test('the content of a deleted manifest is not collected while it can be restored', async () => {
    const store = getStore()
    const repository = newRepository()
    const key = newToken()
    const layer = blobCommand(repository, { size: 1_000_000, content: { key } })
    await commitOne(store, layer)
    const digest = await putManifest(store, repository, { edges: [edge('layer', layer.digest)] })
    await deleteManifest(store, repository, digest)
    // Pushed again, it is no more unused than before.
    await commitOne(store, layer)
    await commitOne(store, { type: 'collectBlobs', unusedFor: 0, limit: 10_000 })
    assert.equal(await isGarbage(store, key), false)
    assert.deepEqual(await undelete(store, repository, digest), { result: 'restored', previousTags: [] })
  })

  test('a manifest that is pushed again is as if it had not been deleted', async () => {
    const store = getStore()
    const repository = newRepository()
    const layer = await putBlob(store, repository)
    const command = manifestCommand(repository, { edges: [edge('layer', layer)] })
    await commitOne(store, command)
    await expire(store, tick())
    const at = await deleteManifest(store, repository, command.digest)
    await commitOne(store, command)
    assert.equal(await expire(store, at), 0)
    assert.equal(await isLive(store, repository, command.digest), true)
    assert.equal((await store.blobs.find(repository, layer))?.unusedSince, undefined)
  })
}

function testExpiry(getStore: GetStore): void {
  test('manifests that were deleted before a time expire, and their content is unused from then on', async () => {
    const store = getStore()
    const repository = newRepository()
    await expire(store, tick())
    const [mine, shared] = [await putBlob(store, repository), await putBlob(store, repository)]
    const edges = [edge('layer', mine), edge('layer', shared)]
    const first = await putManifest(store, repository, { edges })
    const second = await putManifest(store, repository, { edges: [edge('layer', shared)] })
    const at = await deleteManifest(store, repository, first)
    await deleteManifest(store, repository, second)
    assert.equal(await expire(store, at - 1), 0)
    assert.equal(await expire(store, at), 1)
    const expired = now()
    assert.deepEqual(await undelete(store, repository, first), { result: 'unknown' })
    assert.equal((await store.blobs.find(repository, mine))?.unusedSince, expired)
    assert.equal((await store.blobs.find(repository, shared))?.unusedSince, undefined)
    assert.deepEqual(await undelete(store, repository, second), { result: 'restored', previousTags: [] })
  })

  test('many deleted manifests go in steps of the limit, the oldest first', async () => {
    const store = getStore()
    const repository = newRepository()
    await expire(store, tick())
    const digests: Digest[] = []
    for (let index = 0; index < 5; index++) digests.push(await putManifest(store, repository))
    for (const digest of digests) await deleteManifest(store, repository, digest)
    const step = { type: 'expireDeleted', deletedFor: 0, limit: 3 } as const
    const repositories = [repository]
    assert.deepEqual(await commitOne(store, step), { result: 'done', count: 3, more: true, repositories })
    const third = digests[2] ?? newDigest()
    assert.deepEqual(await undelete(store, repository, third), { result: 'unknown' })
    assert.deepEqual(await commitOne(store, step), { result: 'done', count: 2, more: false, repositories })
  })
}

function testPurge(getStore: GetStore): void {
  for (const isDeleted of [false, true]) {
    const which = isDeleted ? 'was deleted' : 'is live'
    test(`a manifest that ${which} is purged with its tags and the content that only it named`, async () => {
      const store = getStore()
      const repository = newRepository()
      const key = newToken()
      const secret = blobCommand(repository, { size: 1_000_000, content: { key } })
      await commitOne(store, secret)
      const [ofLive, ofDeleted] = [await putBlob(store, repository), await putBlob(store, repository)]
      const named = [secret.digest, ofLive, ofDeleted].map((digest) => edge('layer', digest))
      const digest = await putManifest(store, repository, { edges: named, tags: tags('v1') })
      await putManifest(store, repository, { edges: [edge('layer', ofLive)] })
      const deleted = await putManifest(store, repository, { edges: [edge('layer', ofDeleted)] })
      await deleteManifest(store, repository, deleted)
      if (isDeleted) await deleteManifest(store, repository, digest)

      assert.deepEqual(await purge(store, repository, digest), { result: 'purged' })
      assert.equal(await isLive(store, repository, digest), false)
      assert.equal(await tagged(store, repository, 'v1'), undefined)
      assert.equal(await store.blobs.find(repository, secret.digest), undefined)
      assert.equal(await isGarbage(store, key), true)
      assert.notEqual(await store.blobs.find(repository, ofLive), undefined)
      assert.deepEqual(await undelete(store, repository, deleted), { result: 'restored', previousTags: [] })
      assert.deepEqual(await undelete(store, repository, digest), { result: 'unknown' })
      const last = (await changesOf(store, repository)).findLast(({ subject }) => subject === digest)
      assert.equal(last?.kind, 'manifest-purged')
      assert.equal(last.old, digest)
    })
  }
}

function testPurgeRefusals(getStore: GetStore): void {
  test('a manifest that a live one names cannot be purged, one that a deleted one names can', async () => {
    const store = getStore()
    const repository = newRepository()
    const child = await putManifest(store, repository)
    const index = await putManifest(store, repository, { edges: [edge('manifest', child)] })
    assert.deepEqual(await purge(store, repository, child), { result: 'needed', by: index })
    await deleteManifest(store, repository, index)
    assert.deepEqual(await purge(store, repository, child), { result: 'purged' })
    assert.deepEqual(await undelete(store, repository, index), { result: 'missing', digests: [child] })
  })

  test('an unknown manifest cannot be purged, and content of other repositories stays', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const layer = await putBlob(store, repository)
    await commitOne(store, { type: 'mountBlob', actor: ANONYMOUS, repository: other, digest: layer })
    const digest = await putManifest(store, repository, { edges: [edge('layer', layer)] })
    assert.deepEqual(await purge(store, newRepository(), digest), { result: 'unknown' })
    assert.deepEqual(await purge(store, other, digest), { result: 'unknown' })
    assert.deepEqual(await purge(store, repository, digest), { result: 'purged' })
    assert.equal(await store.blobs.find(repository, layer), undefined)
    assert.notEqual(await store.blobs.find(other, layer), undefined)
  })
}
