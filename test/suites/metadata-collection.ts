import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { CollectBlobs } from '../../src/metadata/blobs.ts'
import type { GarbageQuery } from '../../src/metadata/changes.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import {
  blobCommand,
  changesOf,
  commitAt,
  commitOne,
  edge,
  type GetStore,
  isGarbage,
  keyOf,
  manifestCommand,
  newDigest,
  newRepository,
  newToken,
  now,
  putBlob,
  putManifest,
  since,
  tick,
} from './metadata-place.ts'

/** What keeps a blob that nobody names, what makes it go, and what becomes of its bytes. */
export function testCollection(getStore: GetStore): void {
  testKeep(getStore)
  testKeepInVain(getStore)
  testCollect(getStore)
  testSpared(getStore)
  testGarbage(getStore)
}

function testKeep(getStore: GetStore): void {
  test('a blob is unused from its push until a manifest names it, and again when the last such is gone', async () => {
    const store = getStore()
    const repository = newRepository()
    const put = blobCommand(repository)
    const unusedSince = async () => (await store.blobs.find(repository, put.digest))?.unusedSince
    await commitOne(store, put)
    assert.equal(await unusedSince(), now())
    const edges = [edge('layer', put.digest)]
    const parents = [
      await putManifest(store, repository, { edges }),
      await putManifest(store, repository, { edges }),
    ]
    assert.equal(await unusedSince(), undefined)
    await commitOne(store, put)
    assert.equal(await unusedSince(), undefined, 'pushed again, it counts as unused')
    for (const digest of parents) {
      assert.equal(await unusedSince(), undefined)
      await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest })
    }
    assert.equal(await unusedSince(), now())
  })

  test('keeping a blob puts off its collection, and never brings it nearer', async () => {
    const store = getStore()
    const repository = newRepository()
    const put = blobCommand(repository)
    const { digest } = put
    await commitOne(store, put)
    const at = now()
    for (const [time, since] of [
      [at + 500, at + 500],
      [at - 500_000, at + 500],
    ] as const) {
      assert.deepEqual(await commitAt(store, time, { type: 'keepBlob', repository, digest }), {
        result: 'kept',
      })
      assert.equal((await store.blobs.find(repository, digest))?.unusedSince, since)
    }
  })
}

function testKeepInVain(getStore: GetStore): void {
  test('keeping a blob that a manifest names does not make it unused', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putBlob(store, repository)
    await putManifest(store, repository, { edges: [edge('config', digest)] })
    assert.deepEqual(await commitOne(store, { type: 'keepBlob', repository, digest }), {
      result: 'kept',
    })
    assert.equal((await store.blobs.find(repository, digest))?.unusedSince, undefined)
  })

  test('an unknown blob cannot be kept', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putBlob(store, repository)
    const keep = { type: 'keepBlob', repository, digest } as const
    assert.deepEqual(await commitOne(store, { ...keep, digest: newDigest() }), { result: 'unknown' })
    assert.deepEqual(await commitOne(store, { ...keep, repository: newRepository() }), { result: 'unknown' })
  })
}

/** Collects what is unused since a time or longer, and all that earlier tests left. */
async function collectAll(store: MetadataStore, time: number): Promise<void> {
  for (;;) {
    const { count } = await commitOne(store, { type: 'collectBlobs', unusedFor: since(time), limit: 1000 })
    if (count === 0) return
  }
}

function testCollect(getStore: GetStore): void {
  test('a collection takes blobs that were unused before a time, and nothing that a manifest names', async () => {
    const store = getStore()
    const repository = newRepository()
    const key = newToken()
    const old = blobCommand(repository, { size: 1_000_000, content: { key } })
    await commitOne(store, old)
    const named = await putBlob(store, repository)
    const child = await putBlob(store, repository)
    const foreign = await putBlob(store, repository)
    const edges = [
      edge('layer', named),
      edge('manifest', child),
      { ...edge('layer', foreign), required: false },
    ]
    await putManifest(store, repository, { edges })
    const atTheTime = blobCommand(repository)
    await commitOne(store, atTheTime)
    await collectAll(store, now() - 1)
    assert.equal(await store.blobs.find(repository, old.digest), undefined)
    assert.equal(await isGarbage(store, key), true)
    for (const digest of [named, child, foreign, atTheTime.digest]) {
      assert.notEqual(await store.blobs.find(repository, digest), undefined)
    }
    const late = manifestCommand(repository, { edges: [edge('layer', old.digest)] })
    assert.deepEqual(await commitOne(store, late), { result: 'missing', digests: [old.digest] })
  })

  test('a collection takes no more than its limit, the oldest first, and says how many', async () => {
    const store = getStore()
    const repository = newRepository()
    await collectAll(store, tick())
    const puts = Array.from({ length: 5 }, () => blobCommand(repository))
    for (const put of puts) await commitOne(store, put)
    const collect: CollectBlobs = { type: 'collectBlobs', unusedFor: 1, limit: 2 }
    for (const [taken, left] of [
      [2, 3],
      [2, 1],
      [1, 0],
      [0, 0],
    ] as const) {
      const repositories = taken > 0 ? [repository] : []
      assert.deepEqual(await commitOne(store, collect), { result: 'done', count: taken, repositories })
      const found = await Promise.all(puts.map(({ digest }) => store.blobs.find(repository, digest)))
      const expected = puts.map((_, index) => index >= puts.length - left)
      assert.deepEqual(
        found.map((blob) => blob !== undefined),
        expected,
      )
    }
  })
}

function testSpared(getStore: GetStore): void {
  test('content that is unused in one repository and named in another stays for the other', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const key = newToken()
    const command = blobCommand(repository, { size: 1_000_000, content: { key } })
    const { digest } = command
    await commitOne(store, command)
    await commitOne(store, { type: 'mountBlob', actor: ANONYMOUS, repository: other, digest })
    await putManifest(store, other, { edges: [edge('layer', digest)] })
    await collectAll(store, tick())
    assert.equal(await store.blobs.find(repository, digest), undefined)
    assert.equal(await keyOf(store, other, digest), key)
    assert.equal(await isGarbage(store, key), false)
  })

  test('a blob that is pushed, mounted or kept again in time is not collected', async () => {
    const store = getStore()
    const repository = newRepository()
    const puts = Array.from({ length: 3 }, () => blobCommand(repository))
    const [pushed, mounted, kept] = puts.map(({ digest }) => digest) as [Digest, Digest, Digest]
    await store.commit(puts)
    const before = now()
    tick()
    await store.commit([
      ...puts.slice(0, 1),
      { type: 'mountBlob', actor: ANONYMOUS, repository, digest: mounted, from: repository },
      { type: 'keepBlob', repository, digest: kept },
    ])
    await collectAll(store, before)
    for (const digest of [pushed, mounted, kept]) {
      assert.notEqual(await store.blobs.find(repository, digest), undefined)
    }
  })

  test('a collection changes nothing that a reader can see', async () => {
    const store = getStore()
    const repository = newRepository()
    await putBlob(store, repository)
    const before = await changesOf(store, repository)
    await collectAll(store, tick())
    assert.deepEqual(await changesOf(store, repository), before)
    assert.equal(await store.repositories.exists(repository), true)
  })
}

function testGarbage(getStore: GetStore): void {
  test('a key is garbage from the time of its deletion on, until it is forgotten', async () => {
    const store = getStore()
    const repository = newRepository()
    const [one, two] = [newToken(), newToken()]
    const put = blobCommand(repository, { size: 1_000_000, content: { key: one } })
    const again = { ...put, content: { key: two } }
    await store.commit([put, again])
    const queued = now()
    const isListed = async (query: Omit<GarbageQuery, 'limit'>) =>
      (await store.log.garbage({ ...query, limit: 1_000_000 })).includes(one)
    assert.equal(await isListed({ queuedFor: 1 }), false)
    tick()
    assert.equal(await isListed({ queuedFor: 1 }), true)
    assert.equal(await isListed({ queuedFor: 1, until: queued - 1 }), false)
    assert.equal(await isListed({ queuedFor: 1, until: queued }), true)
    assert.equal((await store.log.garbage({ queuedFor: 1, limit: 1 })).length, 1)
    await commitOne(store, { type: 'forgetGarbage', keys: [one, newToken()] })
    assert.equal(await isGarbage(store, one), false)
    assert.equal(await keyOf(store, repository, put.digest), two)
  })
}
