import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import {
  blobCommand,
  commitAt,
  commitOne,
  edge,
  type GetStore,
  manifestCommand,
  newDigest,
  newRepository,
  newToken,
  now,
  putManifest,
  tags,
  tick,
} from './metadata-place.ts'

/** More than one step moves together with its manifest. */
const MANY = 1_200
const LIMIT = 500

/** Pushes a manifest that names many blobs of the repository. */
async function pushLarge(store: MetadataStore, repository: RepositoryName) {
  const blobs = Array.from({ length: MANY }, () => blobCommand(repository))
  await store.commit(blobs)
  const layers = blobs.map(({ digest }) => digest)
  const command = manifestCommand(repository, { edges: layers.map((digest) => edge('layer', digest)) })
  assert.deepEqual(await commitOne(store, command), { result: 'stored' })
  const [first, last] = [layers.toSorted()[0], layers.toSorted().at(-1)]
  assert.ok(first !== undefined && last !== undefined)
  /** A push of one of the blobs again. */
  const blobAgain = (wanted: Digest) => {
    const blob = blobs.find(({ digest }) => digest === wanted)
    assert.ok(blob !== undefined)
    return blob
  }
  return { command, layers, first, last, blobAgain }
}

async function deleteLarge(
  store: MetadataStore,
  repository: RepositoryName,
  { keep }: { keep: boolean },
): ReturnType<typeof pushLarge> {
  const pushed = await pushLarge(store, repository)
  const { digest } = pushed.command
  const deletion = { type: 'deleteManifest', actor: ANONYMOUS, repository, digest, keep } as const
  assert.deepEqual(await commitOne(store, deletion), { result: 'deleted', areRowsLeft: true })
  return pushed
}

async function settle(store: MetadataStore): Promise<number> {
  const { count, more } = await commitOne(store, { type: 'settleEdges', limit: LIMIT })
  assert.ok(count <= LIMIT)
  return more ? count : -1
}

async function settleAll(store: MetadataStore): Promise<void> {
  while ((await settle(store)) !== -1);
}

function undelete(store: MetadataStore, repository: RepositoryName, digest: Digest) {
  return commitOne(store, { type: 'undeleteManifest', actor: ANONYMOUS, repository, digest, tags: [] })
}

function deleteBlob(store: MetadataStore, repository: RepositoryName, digest: Digest) {
  return commitOne(store, { type: 'deleteBlob', repository, digest })
}

async function unusedSince(store: MetadataStore, repository: RepositoryName, digest: Digest) {
  const found = await store.blobs.find(repository, digest)
  return found === undefined ? 'gone' : found.unusedSince
}

/** What a manifest names that was deleted with more of it than one step moves. */
export function testLooseEdges(getStore: GetStore): void {
  testDeletion(getStore)
  testReturn(getStore)
  testRelease(getStore)
  testPurge(getStore)
  testGraphs(getStore)
}

function testDeletion(getStore: GetStore): void {
  test('a manifest that names many is gone at once, and needs none of them any more', async () => {
    const [store, repository] = [getStore(), newRepository()]
    await settleAll(store)
    const { command, first, last } = await deleteLarge(store, repository, { keep: true })
    for (const count of [0, LIMIT, MANY]) {
      assert.equal(await store.manifests.find(repository, { digest: command.digest }), undefined)
      for (const layer of [first, last]) {
        assert.deepEqual(await store.contents.namedBy(repository, layer, 10), [], `${count} moved`)
        assert.equal(await unusedSince(store, repository, layer), undefined)
      }
      if (count < MANY) assert.equal(await settle(store), LIMIT)
      if (count === LIMIT) await settleAll(store)
    }
    assert.deepEqual(await deleteBlob(store, repository, first), { result: 'deleted' })
    assert.deepEqual(await undelete(store, repository, command.digest), {
      result: 'missing',
      digests: [first],
    })
  })

  test('content that it named and that is deleted meanwhile is missed by an undelete', async () => {
    const [store, repository] = [getStore(), newRepository()]
    const { command, last } = await deleteLarge(store, repository, { keep: true })
    assert.deepEqual(await deleteBlob(store, repository, last), { result: 'deleted' })
    const missing = { result: 'missing', digests: [last] }
    assert.deepEqual(await undelete(store, repository, command.digest), missing)
    await settleAll(store)
    assert.deepEqual(await undelete(store, repository, command.digest), missing)
  })
}

function testReturn(getStore: GetStore): void {
  for (const how of ['undelete', 'push'] as const) {
    test(`after an ${how} in between it needs all that it names, and another deletion is as the first`, async () => {
      const [store, repository] = [getStore(), newRepository()]
      await settleAll(store)
      const { command, layers, first, last } = await deleteLarge(store, repository, { keep: true })
      await settle(store)
      if (how === 'undelete') {
        const restored = { result: 'restored', previousTags: [] }
        assert.deepEqual(await undelete(store, repository, command.digest), restored)
      } else {
        assert.deepEqual(await commitOne(store, command), { result: 'stored' })
      }
      for (let left = true; left; left = (await settle(store)) !== -1) {
        for (const layer of [first, last]) {
          const needed = { result: 'needed', by: command.digest }
          assert.deepEqual(await deleteBlob(store, repository, layer), needed)
        }
      }
      const { digest } = command
      await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest, keep: true })
      await settleAll(store)
      const expire = { type: 'expireDeleted', deletedFor: 0, limit: 10 } as const
      const at = tick()
      while ((await commitAt(store, at, expire)).more);
      await settleAll(store)
      for (const layer of layers) assert.equal(await unusedSince(store, repository, layer), at)
    })
  }
}

function testRelease(getStore: GetStore): void {
  test('what it named is unused since its deletion, or since it was pushed again after that', async () => {
    const [store, repository] = [getStore(), newRepository()]
    await settleAll(store)
    const { layers, first, last, blobAgain } = await deleteLarge(store, repository, { keep: false })
    const again = blobAgain(last)
    await commitOne(store, again)
    const pushed = now()
    const shared = layers.find((layer) => layer !== first && layer !== last) ?? newDigest()
    await putManifest(store, repository, { edges: [edge('layer', shared)] })
    await settleAll(store)
    const deleted = await unusedSince(store, repository, first)
    assert.ok(typeof deleted === 'number' && deleted < pushed)
    assert.equal(await unusedSince(store, repository, last), pushed)
    assert.equal(await unusedSince(store, repository, shared), undefined)
    assert.deepEqual(await store.contents.namedBy(repository, first, 10), [])
  })
}

function testPurge(getStore: GetStore): void {
  for (const isDeleted of [false, true]) {
    test(`purged, ${isDeleted ? 'after its deletion' : 'live'}, it takes in steps what only it named`, async () => {
      const [store, repository] = [getStore(), newRepository()]
      await settleAll(store)
      const { command, layers, first, last, blobAgain } = isDeleted
        ? await deleteLarge(store, repository, { keep: true })
        : await pushLarge(store, repository)
      if (isDeleted) await settle(store)
      const [named, pushed] = layers.filter((layer) => layer !== first && layer !== last)
      assert.ok(named !== undefined && pushed !== undefined)
      await putManifest(store, repository, { edges: [edge('layer', named)] })
      const purge = { type: 'purgeManifest', actor: ANONYMOUS, repository, digest: command.digest } as const
      assert.deepEqual(await commitOne(store, purge), { result: 'purged', areRowsLeft: true })
      await commitOne(store, blobAgain(pushed))
      await settleAll(store)
      for (const layer of layers) {
        const since = await unusedSince(store, repository, layer)
        assert.equal(since !== 'gone', layer === named || layer === pushed)
      }
      assert.deepEqual(await undelete(store, repository, command.digest), { result: 'unknown' })
    })
  }

  test('a deleted repository takes those that are left along', async () => {
    const [store, repository] = [getStore(), newRepository()]
    await deleteLarge(store, repository, { keep: true })
    await settle(store)
    await commitOne(store, { type: 'deleteRepository', actor: ANONYMOUS, repository })
    assert.equal(await settle(store), -1)
    const step = { type: 'dropDeletedRepositories', limit: LIMIT } as const
    while ((await commitOne(store, step)).more);
    assert.equal((await store.repositories.deletion(repository))?.finished !== undefined, true)
  })
}

function testGraphs(getStore: GetStore): void {
  test('an index with many deleted manifests below it names those that must be restored first', async () => {
    const [store, repository] = [getStore(), newRepository()]
    const commands = Array.from({ length: 150 }, () => manifestCommand(repository))
    await store.commit(commands)
    const children = commands.map(({ digest }) => digest)
    const index = await putManifest(store, repository, {
      edges: children.map((digest) => edge('manifest', digest)),
      tags: tags(newToken()),
    })
    for (const digest of [index, ...children]) {
      await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest, keep: true })
    }
    let steps = 0
    for (; ; steps++) {
      const outcome = await undelete(store, repository, index)
      if (outcome.result === 'restored') break
      assert.ok(outcome.result === 'tombstones-below')
      assert.ok(outcome.digests.length > 0 && outcome.digests.length <= 100)
      for (const digest of outcome.digests) {
        assert.equal((await undelete(store, repository, digest)).result, 'restored')
      }
    }
    assert.equal(steps, 1)
    for (const digest of children) {
      assert.notEqual(await store.manifests.find(repository, { digest }), undefined)
    }
  })
}
