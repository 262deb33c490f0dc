import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { ContentHolder } from '../../src/metadata/contents.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import {
  blobCommand,
  commitOne,
  edge,
  type GetStore,
  manifestCommand,
  newDigest,
  newRepository,
  putBlob,
  putManifest,
  sha256,
} from './metadata-place.ts'

/** Content by its digest alone: which repositories have it, and which manifests name it. */
export function testContents(getStore: GetStore): void {
  testHolders(getStore)
  testNamedBy(getStore)
  testDescriptions(getStore)
}

async function readHolders(store: MetadataStore, digest: Digest, limit: number): Promise<ContentHolder[]> {
  const found: ContentHolder[] = []
  for (let after = 0; ; ) {
    const page = await store.contents.holders(digest, after, limit)
    assert.ok(page.holders.length <= limit)
    found.push(...page.holders)
    if (page.next === undefined) return found
    assert.ok(page.next > after)
    after = page.next
  }
}

function testHolders(getStore: GetStore): void {
  test('every repository that has some content is found once, as blob or as manifest', async () => {
    const store = getStore()
    const bytes = Buffer.from(`{"x":"${newRepository()}"}`)
    const digest = sha256(bytes)
    const names = Array.from({ length: 7 }, () => newRepository())
    for (const [index, repository] of names.entries()) {
      const blob = blobCommand(repository, { digest, size: bytes.length, content: { bytes } })
      const manifest = manifestCommand(repository, { bytes })
      if (index % 3 !== 0) await commitOne(store, blob)
      if (index % 3 !== 1) await commitOne(store, manifest)
    }
    for (const limit of [1, 2, 3, 6, 7, 8]) {
      const found = await readHolders(store, digest, limit)
      assert.deepEqual(
        found.map(({ repository, as }) => [repository, as]),
        names.map((name, index) => [name, index % 3 === 1 ? 'blob' : 'manifest']),
      )
    }
    assert.deepEqual(await readHolders(store, newDigest(), 10), [])
  })

  test('a repository from which it was deleted does not have it, even if it can be restored', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putManifest(store, repository)
    assert.equal((await readHolders(store, digest, 10)).length, 1)
    await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest, keep: true })
    assert.deepEqual(await readHolders(store, digest, 10), [])
  })
}

function testNamedBy(getStore: GetStore): void {
  test('manifests that name some content are found in their repository, also where it is not', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const elsewhere = { ...edge('layer', newDigest()), required: false }
    const naming = [
      await putManifest(store, repository, { edges: [elsewhere] }),
      await putManifest(store, repository, { edges: [elsewhere, { ...elsewhere, kind: 'config' }] }),
    ].sort()
    await putManifest(store, other, { edges: [elsewhere] })
    assert.deepEqual(await store.contents.namedBy(repository, elsewhere.digest, 10), naming)
    assert.deepEqual(await store.contents.namedBy(repository, elsewhere.digest, 1), naming.slice(0, 1))
    assert.deepEqual(await store.contents.namedBy(newRepository(), elsewhere.digest, 10), [])
  })
}

function testDescriptions(getStore: GetStore): void {
  test('a manifest can be described later, and one that is gone is passed over', async () => {
    const store = getStore()
    const repository = newRepository()
    const config = await putBlob(store, repository)
    const digest = await putManifest(store, repository, { edges: [edge('config', config)] })
    const { id } = (await store.repositories.state(repository)) ?? { id: 0 }
    const described = { repository: id, digest, labels: { a: 'b' }, platform: 'linux/amd64' }
    const manifests = [described, { ...described, digest: newDigest() }, { ...described, repository: 1e9 }]
    await commitOne(store, { type: 'describeManifests', manifests })
    const labels = [{ key: 'a', operator: 'in' as const, values: ['b'] }]
    const query = { repository, sort: 'pushed', descending: false, limit: 10, maxBytes: 1e6 } as const
    const page = await store.manifests.list({ ...query, filters: { labels, platform: 'linux/amd64' } })
    assert.deepEqual(
      page?.manifests.map((manifest) => manifest.digest),
      [digest],
    )
  })

  test('a manifest that is pushed now needs no later description', async () => {
    const store = getStore()
    const repository = newRepository()
    const config = await putBlob(store, repository)
    await putManifest(store, repository, { edges: [edge('config', config)] })
    assert.deepEqual(await store.manifests.undescribed(100), [])
  })
}
