import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import {
  blobCommand,
  commitOne,
  edge,
  type GetStore,
  isGarbage,
  keyOf,
  newDigest,
  newRepository,
  newToken,
  putBlob,
  putManifest,
  sha256,
} from './metadata-place.ts'

/** Blobs of repositories: where their bytes are, who shares them, and what needs them. */
export function testBlobs(getStore: GetStore): void {
  testPlaces(getStore)
  testSharing(getStore)
  testMount(getStore)
  testNeeded(getStore)
}

async function deleteBlob(store: MetadataStore, repository: RepositoryName, digest: Digest): Promise<string> {
  const { result } = await commitOne(store, { type: 'deleteBlob', repository, digest })
  return result
}

function testPlaces(getStore: GetStore): void {
  test('small content is given back as it was put, also when it is empty or a view of something larger', async () => {
    const store = getStore()
    const repository = newRepository()
    const larger = Buffer.from('something larger')
    for (const bytes of [
      new Uint8Array(),
      Buffer.from([0]),
      larger.subarray(3, 7),
      Buffer.alloc(65_536, 1),
    ]) {
      const digest = sha256(bytes)
      await commitOne(store, blobCommand(repository, { digest, size: bytes.length, content: { bytes } }))
      const found = await store.blobs.find(repository, digest)
      assert.equal(found?.size, bytes.length)
      assert.deepEqual(Buffer.from(found.content.bytes ?? 'nothing'), Buffer.from(bytes))
    }
  })

  test('content that is put again takes the new key, and the old one is queued for deletion', async () => {
    const store = getStore()
    const repository = newRepository()
    const [old, young] = [newToken(), newToken()]
    const first = blobCommand(repository, { size: 1_000_000, content: { key: old } })
    await commitOne(store, first)
    await commitOne(store, { ...first, content: { key: young } })
    assert.equal(await keyOf(store, repository, first.digest), young)
    assert.equal(await isGarbage(store, old), true)
    assert.equal(await isGarbage(store, young), false)
  })

  test('content that is put again under the same key keeps it', async () => {
    const store = getStore()
    const key = newToken()
    const command = blobCommand(newRepository(), { size: 1_000_000, content: { key } })
    await commitOne(store, command)
    await commitOne(store, command)
    assert.equal(await keyOf(store, command.repository, command.digest), key)
    assert.equal(await isGarbage(store, key), false, 'a key that is in use is queued for deletion')
  })

  test('bytes in the metadata store win over a key, whichever came first', async () => {
    const store = getStore()
    const repository = newRepository()
    for (const inlineFirst of [true, false]) {
      const key = newToken()
      const bytes = Buffer.from(key)
      const small = blobCommand(repository, { digest: sha256(bytes), content: { bytes }, size: bytes.length })
      const large = { ...small, content: { key } }
      await store.commit(inlineFirst ? [small, large] : [large, small])
      const found = await store.blobs.find(repository, small.digest)
      assert.deepEqual(Buffer.from(found?.content.bytes ?? 'nothing'), bytes)
      assert.equal(await isGarbage(store, key), true)
    }
  })
}

function testSharing(getStore: GetStore): void {
  test('content of two repositories outlives its deletion in one, and is garbage after the last', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const key = newToken()
    const command = blobCommand(repository, { size: 1_000_000, content: { key } })
    const { digest } = command
    await commitOne(store, command)
    await commitOne(store, {
      type: 'mountBlob',
      actor: ANONYMOUS,
      repository: other,
      digest,
      from: repository,
    })
    assert.equal(await deleteBlob(store, repository, digest), 'deleted')
    assert.equal(await store.blobs.find(repository, digest), undefined)
    assert.equal(await keyOf(store, other, digest), key)
    assert.equal(await isGarbage(store, key), false)
    assert.equal(await deleteBlob(store, other, digest), 'deleted')
    assert.equal(await store.blobs.find(other, digest), undefined)
    assert.equal(await isGarbage(store, key), true)
  })

  test('a blob is found in its own repository only', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putBlob(store, repository)
    await putBlob(store, newRepository())
    assert.equal(await store.blobs.find(newRepository(), digest), undefined)
    assert.equal(await store.blobs.find(repository, newDigest()), undefined)
  })

  test('a manifest is not a blob', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putManifest(store, repository)
    assert.equal(await store.blobs.find(repository, digest), undefined)
    assert.equal(await deleteBlob(store, repository, digest), 'unknown')
    const mount = {
      type: 'mountBlob',
      actor: ANONYMOUS,
      repository: newRepository(),
      digest,
      from: repository,
    } as const
    assert.deepEqual(await commitOne(store, mount), { result: 'unknown' })
  })
}

function testMount(getStore: GetStore): void {
  test('a blob is mounted from a repository that has it, or from any if none is named', async () => {
    const store = getStore()
    const source = newRepository()
    const digest = await putBlob(store, source)
    for (const from of [{ from: source }, {}]) {
      const repository = newRepository()
      const outcome = await commitOne(store, {
        type: 'mountBlob',
        actor: ANONYMOUS,
        repository,
        digest,
        ...from,
      })
      assert.deepEqual(outcome, { result: 'mounted' })
      assert.equal((await store.blobs.find(repository, digest))?.size, 20)
    }
  })

  test('a mount of an unknown blob is refused, and creates no repository', async () => {
    const store = getStore()
    const [source, empty] = [newRepository(), newRepository()]
    const digest = await putBlob(store, source)
    await putBlob(store, empty)
    for (const mount of [
      { digest, from: empty },
      { digest, from: newRepository() },
      { digest: newDigest(), from: source },
      { digest: newDigest() },
    ]) {
      const repository = newRepository()
      const outcome = await commitOne(store, { type: 'mountBlob', actor: ANONYMOUS, repository, ...mount })
      assert.deepEqual(outcome, { result: 'unknown' })
      assert.equal(await store.repositories.exists(repository), false)
    }
  })

  test('a blob that is gone from everywhere cannot be mounted from anywhere', async () => {
    const store = getStore()
    const source = newRepository()
    const digest = await putBlob(store, source)
    await deleteBlob(store, source, digest)
    const mount = { type: 'mountBlob', actor: ANONYMOUS, repository: newRepository(), digest } as const
    assert.deepEqual(await commitOne(store, mount), { result: 'unknown' })
  })
}

function testNeeded(getStore: GetStore): void {
  test('a blob that a manifest names cannot be deleted before the last such manifest', async () => {
    const store = getStore()
    const repository = newRepository()
    const [config, layer] = [await putBlob(store, repository), await putBlob(store, repository)]
    const edges = [edge('config', config), edge('layer', layer)]
    const parents = [
      await putManifest(store, repository, { edges }),
      await putManifest(store, repository, { edges }),
    ]
    for (const parent of parents) {
      for (const digest of [config, layer]) {
        const outcome = await commitOne(store, { type: 'deleteBlob', repository, digest })
        assert.equal(outcome.result, 'needed')
        assert.ok('by' in outcome && parents.includes(outcome.by))
        assert.notEqual(await store.blobs.find(repository, digest), undefined)
      }
      await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: parent })
    }
    assert.equal(await deleteBlob(store, repository, layer), 'deleted')
    assert.equal(await deleteBlob(store, repository, layer), 'unknown')
    assert.equal(await deleteBlob(store, repository, config), 'deleted')
  })

  test('a manifest of another repository does not keep a blob', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const digest = await putBlob(store, repository)
    await commitOne(store, { type: 'mountBlob', actor: ANONYMOUS, repository: other, digest })
    await putManifest(store, other, { edges: [edge('layer', digest)] })
    assert.equal(await deleteBlob(store, repository, digest), 'deleted')
    assert.notEqual(await store.blobs.find(other, digest), undefined)
  })

  test('a layer that may lie elsewhere is kept where it is here, and unknown where it is not', async () => {
    const store = getStore()
    const repository = newRepository()
    const [here, elsewhere] = [await putBlob(store, repository), newDigest()]
    const edges = [here, elsewhere].map((digest) => ({ ...edge('layer', digest), required: false }))
    await putManifest(store, repository, { edges })
    assert.equal(await deleteBlob(store, repository, here), 'needed')
    assert.equal(await deleteBlob(store, repository, elsewhere), 'unknown')
  })
}
