import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { PastTag } from '../../src/metadata/tags.ts'
import type { RepositoryName, Tag } from '../../src/oci/reference.ts'
import {
  changesOf,
  commitAt,
  commitOne,
  type GetStore,
  manifestCommand,
  newDigest,
  newRepository,
  now,
  putManifest,
  since,
  tagged,
  tags,
  tick,
} from './metadata-place.ts'

/** What tags were: their history, their state at any time, setting them back, and what pruning leaves of it. */
export function testHistory(getStore: GetStore): void {
  testTagHistory(getStore)
  testTagsAt(getStore)
  testPastPages(getStore)
  testSetTag(getStore)
  testPruning(getStore)
  testPrunedStates(getStore)
}

type When = { revision: number } | { time: number }

/** The tags at a point, read in pages. */
async function tagsAt(
  store: MetadataStore,
  repository: RepositoryName,
  when: When,
  limit = 100,
): Promise<PastTag[] | 'pruned'> {
  const found: PastTag[] = []
  for (let after = ''; ; ) {
    const page = await store.tags.at(repository, when, { after, limit })
    assert.ok(page !== undefined)
    if (page === 'pruned') return page
    found.push(...page.tags)
    if (page.next === undefined) return found
    assert.ok(page.next > after)
    after = page.next
  }
}

/** What the change log says that the tags were, for comparison. */
async function replay(
  store: MetadataStore,
  repository: RepositoryName,
  until: number,
): Promise<[Tag, string][]> {
  const state = new Map<Tag, string>()
  for (const change of await changesOf(store, repository)) {
    if (change.revision > until) break
    if (change.kind === 'tag-set') state.set(change.subject as Tag, change.new ?? '')
    if (change.kind === 'tag-removed') state.delete(change.subject as Tag)
  }
  return [...state].sort(([one], [two]) => (one < two ? -1 : 1))
}

function removeTag(store: MetadataStore, repository: RepositoryName, tag: string): Promise<unknown> {
  return commitOne(store, { type: 'deleteTag', actor: ANONYMOUS, repository, tag: tag as Tag, condition: {} })
}

/** Forgets all changes up to a time. @returns how many were looked at */
async function prune(store: MetadataStore, time: number): Promise<number> {
  for (let total = 0; ; ) {
    const { count } = await commitOne(store, { type: 'pruneChanges', age: since(time), limit: 3 })
    total += count
    // A step may end early at a change that is from the future.
    if (count === 0) return total
  }
}

function testTagHistory(getStore: GetStore): void {
  test('the history of a tag is listed newest first, with removals, and whether each manifest still exists', async () => {
    const store = getStore()
    const repository = newRepository()
    const first = await putManifest(store, repository, { tags: tags('v', 'other') })
    const second = await putManifest(store, repository, { tags: tags('v') })
    await removeTag(store, repository, 'v')
    await putManifest(store, repository, { tags: tags('w') })
    const third = await putManifest(store, repository, { tags: tags('v') })
    await commitOne(store, {
      type: 'deleteManifest',
      actor: ANONYMOUS,
      repository,
      digest: second,
      keep: true,
    })
    const log = await changesOf(store, repository)
    const expected = log
      .filter(({ subject }) => subject === 'v')
      .map(({ revision, at, new: digest }) => ({
        revision,
        at,
        ...(digest && { digest }),
        available: digest === first || digest === third,
      }))
      .reverse()
    const all = await store.tags.history(repository, 'v' as Tag, { before: 1e9, limit: 10 })
    assert.deepEqual(all, { items: expected, more: false })
    const page = await store.tags.history(repository, 'v' as Tag, { before: 1e9, limit: 2 })
    assert.deepEqual(page, { items: expected.slice(0, 2), more: true })
    const before = page.items.at(-1)?.revision ?? 0
    const rest = await store.tags.history(repository, 'v' as Tag, { before, limit: 2 })
    assert.deepEqual(rest, { items: expected.slice(2), more: false })
  })

  test('a tag that never was has an empty history, and an unknown repository has none', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putManifest(store, repository, { tags: tags('v') })
    const page = { before: 1e9, limit: 10 }
    assert.deepEqual(await store.tags.history(repository, 'w' as Tag, page), { items: [], more: false })
    assert.deepEqual(await store.tags.history(repository, digest as string as Tag, page), {
      items: [],
      more: false,
    })
    assert.equal(await store.tags.history(newRepository(), 'v' as Tag, page), undefined)
  })
}

/** A repository whose tags were set, moved and removed many times. */
async function livelyRepository(store: MetadataStore): Promise<RepositoryName> {
  const repository = newRepository()
  const names = ['a', 'b', 'c', 'd', 'e']
  for (let round = 0; round < 12; round++) {
    const set = names.filter((_, index) => (round * 7 + index * 3) % 4 === 0)
    await putManifest(store, repository, { tags: tags(...set) })
    const removed = names[(round * 3) % 5]
    if (removed !== undefined && round % 3 === 2) await removeTag(store, repository, removed)
  }
  return repository
}

function testTagsAt(getStore: GetStore): void {
  test('the tags at each revision, and at the time of each, are what the log says', async () => {
    const store = getStore()
    const repository = await livelyRepository(store)
    const log = await changesOf(store, repository)
    for (const { revision, at } of log) {
      const found = await tagsAt(store, repository, { revision })
      assert.ok(found !== 'pruned')
      assert.deepEqual(
        found.map(({ tag, digest }) => [tag, digest]),
        await replay(store, repository, revision),
      )
      const last = log.findLast((change) => change.at <= at)?.revision ?? 0
      assert.deepEqual(
        await tagsAt(store, repository, { time: at }),
        await tagsAt(store, repository, { revision: last }),
      )
    }
    for (const { tag, digest, revision, at, available } of (await tagsAt(store, repository, {
      revision: 1e9,
    })) as PastTag[]) {
      const change = log.find((one) => one.revision === revision)
      assert.deepEqual([change?.subject, change?.new, change?.at, available], [tag, digest, at, true])
    }
    assert.deepEqual(await tagsAt(store, repository, { time: 0 }), [])
    assert.deepEqual(await tagsAt(store, repository, { revision: 0 }), [])
  })

  test('the earlier tag of a deleted manifest is listed as not available', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putManifest(store, repository, { tags: tags('v') })
    const revision = (await store.repositories.state(repository))?.revision ?? 0
    await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest, keep: true })
    const found = await tagsAt(store, repository, { revision })
    assert.ok(found !== 'pruned')
    assert.deepEqual(
      found.map(({ tag, available }) => [tag, available]),
      [['v', false]],
    )
    assert.deepEqual(await tagsAt(store, repository, { revision: revision + 1 }), [])
  })

  test('an unknown repository has no past', async () => {
    const store = getStore()
    const page = { after: '', limit: 1 }
    assert.equal(await store.tags.at(newRepository(), { revision: 1 }, page), undefined)
  })
}

function testPastPages(getStore: GetStore): void {
  test('the past is read in pages of any size', async () => {
    const store = getStore()
    const repository = await livelyRepository(store)
    const revision = 20
    const all = await tagsAt(store, repository, { revision })
    assert.ok(all !== 'pruned' && all.length > 1)
    for (const limit of [1, 2, all.length, all.length + 1]) {
      assert.deepEqual(await tagsAt(store, repository, { revision }, limit), all)
    }
    const page = await store.tags.at(repository, { revision }, { after: '', limit: 1 })
    assert.ok(page !== undefined && page !== 'pruned')
    assert.equal(page.revision, revision)
  })
}

function testSetTag(getStore: GetStore): void {
  test('a tag can be set to an existing manifest, under the same conditions as by a push', async () => {
    const store = getStore()
    const repository = newRepository()
    const old = await putManifest(store, repository, { tags: tags('v') })
    const now = await putManifest(store, repository, { tags: tags('v') })
    const set = {
      type: 'setTag',
      actor: ANONYMOUS,
      repository,
      tag: 'v' as Tag,
      digest: old,
      condition: {},
    } as const
    const refused = await commitOne(store, { ...set, condition: { ifMatch: [old] } })
    assert.deepEqual(refused, { result: 'precondition-failed' })
    assert.equal(await tagged(store, repository, 'v'), now)
    const done = await commitOne(store, { ...set, condition: { ifMatch: [now] } })
    assert.equal(await tagged(store, repository, 'v'), old)
    const last = (await changesOf(store, repository)).at(-1)
    assert.deepEqual([last?.kind, last?.subject, last?.old, last?.new], ['tag-set', 'v', now, old])
    const { revision } = last ?? {}
    assert.deepEqual(done, { result: 'set', old: now, revision })
    assert.deepEqual(await commitOne(store, set), { result: 'set', old, revision })
    assert.equal((await changesOf(store, repository)).at(-1)?.revision, last?.revision)
  })

  test('a tag cannot be set to a manifest that is deleted, unknown, or in another repository', async () => {
    const store = getStore()
    const repository = newRepository()
    const [digest, elsewhere] = [
      await putManifest(store, repository),
      await putManifest(store, newRepository()),
    ]
    const set = {
      type: 'setTag',
      actor: ANONYMOUS,
      repository,
      tag: 'v' as Tag,
      digest,
      condition: {},
    } as const
    assert.deepEqual(await commitOne(store, { ...set, digest: elsewhere }), { result: 'unknown' })
    assert.deepEqual(await commitOne(store, { ...set, digest: newDigest() }), { result: 'unknown' })
    assert.deepEqual(await commitOne(store, { ...set, repository: newRepository() }), { result: 'unknown' })
    await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest, keep: true })
    assert.deepEqual(await commitOne(store, set), { result: 'deleted' })
    assert.equal(await tagged(store, repository, 'v'), undefined)
  })
}

function testPruning(getStore: GetStore): void {
  test('what happened before a time is forgotten, but not what tags were then', async () => {
    const store = getStore()
    const repository = await livelyRepository(store)
    const log = await changesOf(store, repository)
    const states = new Map<number, [Tag, string][]>()
    for (const { revision } of log) states.set(revision, await replay(store, repository, revision))
    // Twice: what was kept by the first must go or stay rightly by the second.
    for (const part of [0.3, 0.7]) {
      const horizon = log[Math.floor(log.length * part)]
      assert.ok(horizon !== undefined)
      await prune(store, horizon.at - 1)
      const last = log.findLast(({ at }) => at < horizon.at)?.revision ?? 0
      for (const { revision, at } of log) {
        const found = await tagsAt(store, repository, { revision })
        if (revision < last) {
          assert.equal(found, 'pruned', `revision ${revision} of ${last}`)
          continue
        }
        assert.ok(found !== 'pruned')
        assert.deepEqual(
          found.map(({ tag, digest }) => [tag, digest]),
          states.get(revision),
        )
        if (revision > last) assert.notEqual(await tagsAt(store, repository, { time: at }), 'pruned')
      }
      assert.equal(await tagsAt(store, repository, { time: (log[0]?.at ?? 0) - 1 }), 'pruned')
      const page = await store.log.read({ repository, after: 0, limit: 1000 })
      assert.deepEqual(
        page?.changes.map(({ revision }) => revision),
        log.map(({ revision }) => revision).filter((revision) => revision > last),
      )
      assert.equal(page?.floor, log.find(({ revision }) => revision === last)?.sequence)
    }
  })
}

function testPrunedStates(getStore: GetStore): void {
  test('pruning everything leaves one row for each existing tag, and no others', async () => {
    const store = getStore()
    const repository = await livelyRepository(store)
    const now = await tagsAt(store, repository, { revision: 1e9 })
    assert.ok(now !== 'pruned')
    await prune(store, tick())
    const left = await changesOf(store, repository)
    assert.deepEqual(
      left.map(({ kind, subject }) => [kind, subject]).sort(),
      now.map(({ tag }) => ['tag-set', tag]),
    )
    assert.deepEqual(await tagsAt(store, repository, { revision: 1e9 }), now)
    assert.equal(await prune(store, tick()), 0)
    const { floor, last } = await store.log.bounds()
    assert.equal(floor, last)
  })

  test('a clock that was wrong for a while keeps nothing longer, and makes nothing go that is young', async () => {
    const store = getStore()
    await prune(store, tick())
    const [repository, ahead, behind] = [newRepository(), newRepository(), newRepository()]
    const old = await putManifest(store, repository, { tags: tags('v') })
    await commitAt(store, now() + 1e12, manifestCommand(ahead))
    await putManifest(store, repository, { tags: tags('v') })
    const horizon = tick()
    await putManifest(store, repository, { tags: tags('w') })
    await commitAt(store, 5, manifestCommand(behind))
    await prune(store, horizon)
    assert.deepEqual(await changesOf(store, ahead), [])
    assert.equal((await changesOf(store, behind)).length, 2)
    const left = await changesOf(store, repository)
    assert.deepEqual(
      left.map(({ kind }) => kind),
      ['tag-set', 'manifest-pushed', 'tag-set'],
    )
    assert.notEqual(left[0]?.new, old)
  })

  test('a repository that came later is known from its beginning', async () => {
    const store = getStore()
    await prune(store, tick())
    const repository = newRepository()
    await putManifest(store, repository, { tags: tags('v') })
    assert.deepEqual(await tagsAt(store, repository, { revision: 0 }), [])
    assert.deepEqual(await tagsAt(store, repository, { time: 0 }), [])
    const page = await store.log.read({ repository, after: 0, limit: 10 })
    assert.deepEqual([page?.floor, page?.changes.length], [0, 3])
  })
}
