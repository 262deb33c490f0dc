import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { RepositoryEntry } from '../../src/metadata/repositories.ts'
import type { RepositoryName, Tag } from '../../src/oci/reference.ts'
import {
  blobCommand,
  changesOf,
  commitAt,
  commitOne,
  edge,
  type GetStore,
  isGarbage,
  manifestCommand,
  newRepository,
  newToken,
  now,
  putBlob,
  putManifest,
  tags,
  tick,
} from './metadata-place.ts'
import { openCommand, saveCommand } from './metadata-upload.ts'

/** Repositories: the paths below others, what tells their states apart, how much is in them, and how they go. */
export function testRepositories(getStore: GetStore): void {
  testChildren(getStore)
  testState(getStore)
  testCounts(getStore)
  testDeletion(getStore)
  testWhileDeleting(getStore)
  testAfterDeletion(getStore)
}

/** All entries below a path, in pages. */
async function readBelow(
  store: MetadataStore,
  parent: string,
  { recursive, limit }: { recursive: boolean; limit: number },
): Promise<RepositoryEntry[]> {
  const found: RepositoryEntry[] = []
  for (let after = ''; ; ) {
    const page = await store.repositories.children({ parent, recursive, after, limit })
    assert.ok(page.items.length <= limit)
    found.push(...page.items)
    const last = page.items.at(-1)
    if (!page.more || last === undefined) return found
    assert.ok(last.name > after)
    after = last.name
  }
}

const NAMES = [
  'a-b',
  'a.b/x',
  'a/b',
  'a/c/d',
  'a0',
  'b',
  'b-c-d/x',
  'b-c/y',
  'b/c',
  'b/c/d',
  'b_c',
  'c--d/e',
  'c.d',
  'z/z/z',
]

function testChildren(getStore: GetStore): void {
  test('the children of a path are each listed once, in byte order, whether they are repositories or not', async () => {
    const store = getStore()
    const base = newRepository()
    for (const name of NAMES.toReversed()) await putBlob(store, `${base}/${name}` as RepositoryName)
    await putBlob(store, `${base}-not/x` as RepositoryName)
    await putBlob(store, `${base}0` as RepositoryName)
    const below = (parent: string) => {
      const start = parent === '' ? '' : `${parent}/`
      const inside = NAMES.filter((name) => name.startsWith(start)).map((name) => name.slice(start.length))
      return [...new Set(inside.map((name) => `${base}/${start}${name.split('/')[0]}`))].sort()
    }
    for (const parent of ['', 'a', 'b', 'a/c', 'z', 'b-c', 'none', 'a0']) {
      for (const limit of [1, 2, 3, 100]) {
        const path = parent === '' ? base : `${base}/${parent}`
        const found = await readBelow(store, path, { recursive: false, limit })
        assert.deepEqual(
          found.map(({ name, state }) => [name, state !== undefined]),
          below(parent).map((name) => [name, NAMES.includes(name.slice(base.length + 1))]),
        )
      }
    }
  })

  test('the children of the root begin all names, and recursively all below a path are listed', async () => {
    const store = getStore()
    const base = newRepository()
    for (const name of NAMES) await putBlob(store, `${base}/${name}` as RepositoryName)
    const everything = (await store.repositories.list('', 1e6)).items
    const roots = await readBelow(store, '', { recursive: false, limit: 1 })
    assert.deepEqual(
      roots.map(({ name }) => name),
      [...new Set(everything.map((name) => name.split('/')[0]))].sort(),
    )
    for (const limit of [1, 5, 1e6]) {
      const found = await readBelow(store, base, { recursive: true, limit })
      assert.deepEqual(
        found.map(({ name }) => name),
        NAMES.map((name) => `${base}/${name}`).sort(),
      )
      assert.ok(found.every(({ state }) => state !== undefined))
    }
    const all = await readBelow(store, '', { recursive: true, limit: 1e6 })
    assert.deepEqual(
      all.map(({ name }) => name),
      everything,
    )
  })
}

function testState(getStore: GetStore): void {
  test('the state of a repository has its revision and times, and is another after each change', async () => {
    const store = getStore()
    const repository = newRepository()
    assert.equal(await store.repositories.state(repository), undefined)
    const blob = blobCommand(repository)
    await commitOne(store, blob)
    const created = now()
    const first = await store.repositories.state(repository)
    assert.deepEqual({ ...first, id: 0 }, { id: 0, revision: 1, created, updated: created })
    const push = manifestCommand(repository, { tags: tags('v1') })
    await commitOne(store, push)
    const second = await store.repositories.state(repository)
    assert.deepEqual(second, { ...first, revision: 3, updated: now() })
    const page = await store.repositories.children({
      parent: 'place',
      recursive: true,
      after: '',
      limit: 1e6,
    })
    assert.deepEqual(page.items.find(({ name }) => name === repository)?.state, second)
  })
}

/** Counts all that has changed, as the registry does. @returns ids that must wait */
async function countAll(store: MetadataStore): Promise<number[]> {
  const { signal } = new AbortController()
  const waiting: number[] = []
  for (let more = true; more; ) {
    const { due, later, cursor, ...pending } = await store.counts.pending(50)
    more = pending.more
    const counted = []
    for (const repository of due) {
      const count = await store.counts.count(repository, signal)
      if (count !== undefined) counted.push({ ...count, ago: 3, took: 10 })
    }
    waiting.push(...later.map(({ repository }) => repository))
    await commitAt(store, now(), { type: 'saveCounts', counted, later, cursor })
  }
  return waiting
}

async function entryOf(
  store: MetadataStore,
  repository: RepositoryName,
): Promise<RepositoryEntry | undefined> {
  const page = await store.repositories.children({ parent: 'place', recursive: true, after: '', limit: 1e6 })
  return page.items.find(({ name }) => name === repository)
}

function testCounts(getStore: GetStore): void {
  test('a changed repository is counted, and listed with the time of the count', async () => {
    const store = getStore()
    const repository = newRepository()
    tick()
    await countAll(store)
    const blobs = [blobCommand(repository), blobCommand(repository)]
    await store.commit(blobs)
    const push = manifestCommand(repository, { tags: tags('a', 'b', 'c') })
    await commitOne(store, push)
    assert.equal((await entryOf(store, repository))?.count, undefined)
    const at = tick()
    assert.deepEqual(await countAll(store), [])
    const { state, count } = (await entryOf(store, repository)) ?? {}
    assert.deepEqual(count, {
      repository: state?.id,
      revision: 5,
      tags: 3,
      manifests: 1,
      blobs: 2,
      size: 40 + push.bytes.length,
      at: at - 3,
      took: 10,
    })
    const { due, later } = await store.counts.pending(50)
    assert.deepEqual([due, later], [[], []])
  })

  test('one that was counted a moment ago waits, and is counted once it is due', async () => {
    const store = getStore()
    const repository = newRepository()
    await putManifest(store, repository)
    const at = tick()
    await countAll(store)
    await commitAt(store, at + 100, manifestCommand(repository))
    const { state } = (await entryOf(store, repository)) ?? {}
    assert.deepEqual(await countAll(store), [state?.id])
    assert.equal((await entryOf(store, repository))?.count?.manifests, 1)
    tick()
    assert.deepEqual(await countAll(store), [])
    assert.equal((await entryOf(store, repository))?.count?.manifests, 2)
  })

  test('counting an unknown repository, or after an abort, gives nothing', async () => {
    const store = getStore()
    const repository = newRepository()
    await putManifest(store, repository)
    const { id } = (await store.repositories.state(repository)) ?? { id: 0 }
    assert.equal(await store.counts.count(1e9, new AbortController().signal), undefined)
    assert.equal(await store.counts.count(id, AbortSignal.abort()), undefined)
  })
}

function deleteRepository(store: MetadataStore, repository: RepositoryName) {
  return commitOne(store, { type: 'deleteRepository', actor: ANONYMOUS, repository })
}

async function dropAll(store: MetadataStore, limit = 500): Promise<number> {
  for (let total = 0; ; ) {
    const { count, more } = await commitOne(store, { type: 'dropDeletedRepositories', limit })
    assert.ok(count <= limit)
    total += count
    if (!more) return total
  }
}

function testDeletion(getStore: GetStore): void {
  test('a deleted repository is unknown at once, to every question', async () => {
    const store = getStore()
    const repository = newRepository()
    const layer = await putBlob(store, repository)
    const digest = await putManifest(store, repository, { edges: [edge('layer', layer)], tags: tags('v1') })
    const upload = { id: newToken(), repository }
    await commitOne(store, openCommand(upload))
    assert.deepEqual(await deleteRepository(store, repository), { result: 'deleted' })
    assert.deepEqual(await deleteRepository(store, repository), { result: 'unknown' })
    assert.equal(await store.repositories.exists(repository), false)
    assert.equal(await store.repositories.state(repository), undefined)
    assert.equal(await store.manifests.find(repository, { digest }), undefined)
    assert.equal(await store.manifests.read(repository, { tag: 'v1' as Tag }), undefined)
    assert.equal(await store.blobs.find(repository, layer), undefined)
    assert.equal(await store.tags.list(repository, '', 10), undefined)
    assert.equal(await store.tags.history(repository, 'v1' as Tag, { before: 1e9, limit: 1 }), undefined)
    assert.equal(await store.uploads.find(upload.id), 'ended')
    assert.deepEqual(await store.contents.holders(layer, 0, 10), { holders: [] })
    assert.deepEqual(await store.contents.namedBy(repository, layer, 10), [])
    assert.equal(await entryOf(store, repository), undefined)
    const mount = { type: 'mountBlob', actor: ANONYMOUS, repository: newRepository(), digest: layer } as const
    assert.deepEqual(await commitOne(store, mount), { result: 'unknown' })
    await dropAll(store)
  })

  test('its rows go in steps of the limit, its content with them, and nothing of any other', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    await dropAll(store)
    const [key, upload, kept] = [newToken(), newToken(), newToken()]
    const own = blobCommand(repository, { size: 1_000_000, content: { key } })
    const shared = blobCommand(repository, { size: 1_000_000, content: { key: kept } })
    await store.commit([own, shared, { ...shared, repository: other }])
    await commitOne(store, openCommand({ id: newToken(), repository }, { key: upload }))
    const edges = [edge('layer', own.digest), edge('layer', shared.digest)]
    for (let index = 0; index < 5; index++) {
      await putManifest(store, repository, { edges, tags: tags(`t${index}`) })
    }
    const deleted = await putManifest(store, repository, { edges })
    const deletion = {
      type: 'deleteManifest',
      actor: ANONYMOUS,
      repository,
      digest: deleted,
      keep: true,
    } as const
    await commitOne(store, deletion)
    await countAll(store)
    await deleteRepository(store, repository)
    const begun = await store.repositories.deletion(repository)
    assert.deepEqual([begun?.total, begun?.removed, begun?.finished], [12, 0, undefined])
    await commitOne(store, { type: 'dropDeletedRepositories', limit: 7 })
    assert.equal((await store.repositories.deletion(repository))?.removed, 7)
    assert.ok((await dropAll(store, 3)) > 5)
    const ended = await store.repositories.deletion(repository)
    assert.equal(ended?.removed, 12)
    assert.notEqual(ended.finished, undefined)
    assert.equal(await isGarbage(store, key), true)
    assert.equal(await isGarbage(store, upload), true)
    assert.equal(await isGarbage(store, kept), false)
    assert.notEqual(await store.blobs.find(other, shared.digest), undefined)
    assert.equal(await dropAll(store), 0)
  })
}

function testWhileDeleting(getStore: GetStore): void {
  test('while a repository is being deleted every push to its name is refused, and then none', async () => {
    const store = getStore()
    const [repository, source] = [newRepository(), newRepository()]
    const digest = await putBlob(store, source)
    await putManifest(store, repository)
    const before = await store.repositories.state(repository)
    await deleteRepository(store, repository)
    const pushes = [
      blobCommand(repository),
      manifestCommand(repository),
      { type: 'mountBlob', actor: ANONYMOUS, repository, digest, from: source },
    ] as const
    for (const push of pushes) {
      assert.deepEqual(await commitOne(store, push), { result: 'repository-deleting' })
    }
    assert.equal(await store.repositories.exists(repository), false)
    await dropAll(store)
    for (const push of pushes) assert.notEqual((await commitOne(store, push)).result, 'repository-deleting')
    const after = await store.repositories.state(repository)
    assert.ok(after !== undefined && before !== undefined && after.id > before.id)
    const history = await store.log.read({ repository, after: 0, limit: 100 })
    assert.equal(history?.changes[0]?.kind, 'repository-created')
  })

  test('uploads of a repository that is being deleted have ended at once, their rows go in steps, and none begins', async () => {
    const store = getStore()
    const repository = newRepository()
    await dropAll(store)
    await putBlob(store, repository)
    const uploads = Array.from({ length: 5 }, () => ({ id: newToken(), repository }))
    const opened = uploads.map((upload) => openCommand(upload))
    await store.commit(opened)
    await deleteRepository(store, repository)
    const fresh = { id: newToken(), repository }
    for (const [index, upload] of uploads.entries()) {
      assert.equal(await store.uploads.find(upload.id), 'ended')
      const lease = opened[index]?.lease.token ?? ''
      assert.deepEqual(await commitOne(store, saveCommand(upload, { lease })), { result: 'unknown' })
      const close = blobCommand(repository, { upload: { id: upload.id, claim: { lease } } })
      assert.deepEqual(await commitOne(store, close), { result: 'repository-deleting' })
    }
    assert.deepEqual(await commitOne(store, openCommand(fresh)), { result: 'unknown' })
    assert.deepEqual(await commitOne(store, saveCommand(fresh, { version: 0 })), { result: 'unknown' })
    await commitOne(store, { type: 'dropDeletedRepositories', limit: 4 })
    const garbage = await Promise.all(opened.map(({ key }) => isGarbage(store, key)))
    assert.equal(garbage.filter((is) => is).length, 3)
    await dropAll(store)
    for (const { key } of opened) assert.equal(await isGarbage(store, key), true)
    for (const { id } of uploads) assert.equal(await store.uploads.find(id), 'ended')
    assert.equal((await commitOne(store, openCommand(fresh))).result, 'opened')
  })
}

function testAfterDeletion(getStore: GetStore): void {
  test('the change log has the name of a deleted repository until that entry is pruned', async () => {
    const store = getStore()
    const repository = newRepository()
    await putManifest(store, repository, { tags: tags('v1') })
    await deleteRepository(store, repository)
    await dropAll(store)
    const kinds = (await changesOf(store, repository)).map(({ kind }) => kind)
    assert.deepEqual(kinds, ['repository-created', 'manifest-pushed', 'tag-set', 'repository-deleted'])
    for (let more = true; more; ) {
      const pruned = await commitOne(store, { type: 'pruneChanges', age: 0, limit: 100 })
      more = pruned.more
    }
    assert.deepEqual(await changesOf(store, repository), [])
    assert.equal(await store.repositories.deletion(repository), undefined)
  })

  test('what pruning kept of a repository goes with it', async () => {
    const store = getStore()
    const repository = newRepository()
    await putManifest(store, repository, { tags: tags('v1') })
    for (let more = true; more; ) {
      const pruned = await commitOne(store, { type: 'pruneChanges', age: 0, limit: 100 })
      more = pruned.more
    }
    assert.equal((await changesOf(store, repository)).length, 1)
    await deleteRepository(store, repository)
    await dropAll(store)
    const kinds = (await changesOf(store, repository)).map(({ kind }) => kind)
    assert.deepEqual(kinds, ['repository-deleted'])
  })
}
