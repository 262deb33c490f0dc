import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MIB, queryOf, readAll } from './manifest-pages.ts'
import { type GetStore, manifestCommand, newRepository, putManifest, tick } from './metadata-place.ts'

/** Bounds that only many manifests reach. */
export function testVolume(getStore: GetStore): void {
  testBounds(getStore)
  testPages(getStore)
  testReach(getStore)
}

function testBounds(getStore: GetStore): void {
  test('a filter that takes nothing looks at 10,000 manifests a page', async () => {
    const store = getStore()
    const repository = newRepository()
    const commands = Array.from({ length: 10_050 }, () => manifestCommand(repository))
    for (let start = 0; start < commands.length; start += 1000) {
      await store.commit(commands.slice(start, start + 1000))
    }
    const wanted = await putManifest(store, repository, { artifactType: 'a/wanted' })
    for (const sort of ['pushed', 'pulled'] as const) {
      const query = queryOf(repository, { sort, filters: { artifactTypes: ['a/wanted'] } })
      const first = await store.manifests.list(query)
      assert.ok(first?.next !== undefined)
      const found = await readAll(store, query)
      assert.deepEqual(
        found.map(({ digest }) => digest),
        [wanted],
      )
    }
    const page = await store.manifests.list(queryOf(repository, { filters: { artifactTypes: ['none'] } }))
    assert.deepEqual(page?.manifests, [])
    assert.deepEqual(page.next, { key: 10_001, digest: commands[9_999]?.digest })
  })
}

function testPages(getStore: GetStore): void {
  test('a page by pulls is full, however many were pulled and whatever never was', async () => {
    const store = getStore()
    const repository = newRepository()
    const never = [await putManifest(store, repository), await putManifest(store, repository)].toSorted()
    const commands = Array.from({ length: 10_050 }, () => manifestCommand(repository))
    for (let start = 0; start < commands.length; start += 1000) {
      const some = commands.slice(start, start + 1000)
      const pulls = some.map(({ digest }, index) => ({ repository, digest, ago: some.length - index }))
      tick()
      await store.commit([...some, { type: 'recordPulls', pulls }])
    }
    const digests = commands.map(({ digest }) => digest)
    for (const [descending, order] of [
      [false, [...never, ...digests]],
      [true, [...digests.toReversed(), ...never.toReversed()]],
    ] as const) {
      const query = queryOf(repository, { sort: 'pulled', descending, limit: 5026, maxBytes: 100 * MIB })
      const first = await store.manifests.list(query)
      assert.deepEqual(
        first?.manifests.map(({ digest }) => digest),
        order.slice(0, 5026),
      )
      const all = await readAll(store, query)
      assert.deepEqual(
        all.map(({ digest }) => digest),
        order,
      )
    }
  })
}

function testReach(getStore: GetStore): void {
  test('a manifest is not called untagged if it would take too long to find out', async () => {
    const store = getStore()
    const repository = newRepository()
    const chain = [manifestCommand(repository)]
    while (chain.length < 10_003) {
      const subject = chain.at(-1)?.digest
      chain.push(manifestCommand(repository, subject ? { subject } : {}))
    }
    for (let start = 0; start < chain.length; start += 1000)
      await store.commit(chain.slice(start, start + 1000))
    const query = queryOf(repository, { filters: { untagged: true }, descending: true, limit: 1 })
    const page = await store.manifests.list(query)
    assert.equal(page?.manifests[0]?.digest, chain[9_999]?.digest)
  })
}
