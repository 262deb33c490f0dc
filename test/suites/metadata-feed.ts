import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  commitOne,
  type GetStore,
  newRepository,
  putBlob,
  putManifest,
  tags,
  tick,
} from './metadata-place.ts'

/** Following the change log: pages of all and of one repository, and waiting for more. */
export function testFeed(getStore: GetStore): void {
  testPages(getStore)
  testWaiting(getStore)
}

function testPages(getStore: GetStore): void {
  test('a repository is followed by the sequence numbers of the registry, in pages that skip and repeat nothing', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const start = (await store.log.bounds()).last
    for (let index = 0; index < 10; index++) {
      await putManifest(store, index % 3 === 0 ? other : repository, { tags: tags(`t${index}`) })
    }
    const all = await store.log.read({ after: start, limit: 1000 })
    const own = all?.changes.filter((change) => change.repository === repository) ?? []
    assert.equal(own.length, 13)
    for (const limit of [1, 2, 5, 13, 14]) {
      const found = []
      for (let after = start; ; ) {
        const page = await store.log.read({ repository, after, limit })
        assert.ok(page !== undefined)
        found.push(...page.changes)
        const last = page.changes.at(-1)
        if (last === undefined) break
        after = last.sequence
      }
      assert.deepEqual(found, own)
    }
    for (const { sequence } of all?.changes ?? []) {
      const page = await store.log.read({ repository, after: sequence, limit: 1 })
      assert.deepEqual(page?.changes, own.filter((change) => change.sequence > sequence).slice(0, 1))
    }
    assert.equal(all?.last, all?.changes.at(-1)?.sequence)
    assert.deepEqual((await store.log.bounds()).last, all?.last)
  })

  test('there is nothing after the last change, and an unknown repository has no changes', async () => {
    const store = getStore()
    const repository = newRepository()
    await putBlob(store, repository)
    const { last } = await store.log.bounds()
    assert.deepEqual((await store.log.read({ after: last, limit: 10 }))?.changes, [])
    assert.deepEqual((await store.log.read({ repository, after: last, limit: 10 }))?.changes, [])
    assert.equal(await store.log.read({ repository: newRepository(), after: 0, limit: 10 }), undefined)
  })
}

function testWaiting(getStore: GetStore): void {
  test('a waiting reader gets a new change, and an existing one at once', async () => {
    const store = getStore()
    const { last } = await store.log.bounds()
    const { signal } = new AbortController()
    const told = [1, 2, 3].map(() => store.log.changed(last, signal))
    await putManifest(store, newRepository())
    await Promise.all(told)
    await store.log.changed(last, signal)
    assert.ok((await store.log.bounds()).last > last)
  })

  test('a reader that waits for a later change does not get the one before', async () => {
    const store = getStore()
    const waiting = new AbortController()
    let isTold = false
    const { last } = await store.log.bounds()
    const told = store.log.changed(last + 2, waiting.signal).then(() => {
      isTold = true
    })
    const repository = newRepository()
    await putManifest(store, repository)
    const other = store.log.changed(last + 1, waiting.signal)
    await other
    assert.equal(isTold, false)
    await putManifest(store, repository)
    await told
  })

  test('who does not want to wait any more need not', async () => {
    const store = getStore()
    const { last } = await store.log.bounds()
    const waiting = new AbortController()
    const told = store.log.changed(last, waiting.signal)
    waiting.abort()
    await told
    await store.log.changed(last, waiting.signal)
    assert.equal((await store.log.bounds()).last, last)
    await commitOne(store, { type: 'recordPulls', pulls: [] })
    await store.log.changed(last, AbortSignal.timeout(1))
    assert.ok(tick() > 0)
  })
}
