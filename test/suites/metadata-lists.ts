import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { Page } from '../../src/metadata/page.ts'
import type { RepositoryName, Tag } from '../../src/oci/reference.ts'
import {
  commitOne,
  type GetStore,
  manifestCommand,
  newRepository,
  putBlob,
  putManifest,
  tagged,
  tags,
} from './metadata-place.ts'

/** Lists: byte order, pages that cover everything exactly once, and names that look like patterns. */
export function testLists(getStore: GetStore): void {
  testRepositories(getStore)
  testTags(getStore)
  testPatterns(getStore)
}

/** Reads a list in pages. @param start what the list begins behind */
async function readPages<T extends string>(
  limit: number,
  start: string,
  read: (after: string, limit: number) => Promise<Page<T> | undefined>,
): Promise<T[]> {
  const found: T[] = []
  for (let after = start; ; ) {
    const page = await read(after, limit)
    assert.ok(page !== undefined)
    assert.ok(page.items.length <= limit)
    assert.ok(
      page.items.every((item) => item > after),
      'a page does not begin behind the one before',
    )
    found.push(...page.items)
    const last = page.items.at(-1)
    if (!page.more) return found
    assert.equal(page.items.length, limit)
    assert.ok(last !== undefined)
    after = last
  }
}

/** In byte order: dash, dot, slash, digits, underscore, letters. */
const REPOSITORIES = ['a', 'a--b', 'a-b', 'a.b', 'a/b', 'a/b-c', 'a/b/c', 'a0', 'a__b', 'a_b', 'aa', 'ab']

function testRepositories(getStore: GetStore): void {
  test('repositories are listed in byte order, in pages of any size', async () => {
    const store = getStore()
    const base = newRepository()
    const names = REPOSITORIES.map((name) => `${base}/x/${name}` as RepositoryName)
    for (const repository of names.toReversed()) await putBlob(store, repository)
    const others = await readPages(1000, '', (after, limit) => store.repositories.list(after, limit))
    assert.deepEqual(others, [...others].sort(), 'all names are in byte order')
    for (const limit of [1, 2, 5, 11, 12, 13]) {
      const page = await store.repositories.list(`${base}/x`, limit)
      assert.deepEqual(page.items.slice(0, 12), names.slice(0, limit))
      const found = await readPages(limit, `${base}/x`, (after, size) => store.repositories.list(after, size))
      assert.deepEqual(found.slice(0, 12), names)
    }
    assert.deepEqual((await store.repositories.list(`${base}/x/a/b`, 1)).items, [names[5]])
    assert.deepEqual((await store.repositories.list(`${base}/x/a/ba`, 1)).items, [names[7]])
  })

  test('a list after the last name, and a page of size zero, are empty', async () => {
    const store = getStore()
    await putBlob(store, newRepository())
    assert.deepEqual(await store.repositories.list('zzzz', 10), { items: [], more: false })
    assert.deepEqual((await store.repositories.list('', 0)).items, [])
  })
}

const TAGS = [
  '0',
  '1.0',
  '1.0-rc',
  '10',
  '2',
  'A',
  'Z',
  '_',
  '__',
  'a',
  'a_b',
  'axb',
  'v1',
  'v1.',
  'v10',
  'z',
]

function testTags(getStore: GetStore): void {
  test('tags are listed in byte order, in pages of any size', async () => {
    const store = getStore()
    const [repository, neighbor] = [newRepository(), newRepository()]
    await putManifest(store, neighbor, { tags: tags('b', 'c', 'zz') })
    await putManifest(store, repository, { tags: tags(...TAGS.toReversed()) })
    for (const limit of [1, 2, 5, 15, 16, 17, 10_000]) {
      const found = await readPages(limit, '', (after, size) => store.tags.list(repository, after, size))
      assert.deepEqual(found, TAGS)
    }
    const behind = await store.tags.list(repository, 'b', 2)
    assert.deepEqual(behind, { items: ['v1', 'v1.'], more: true })
    assert.deepEqual(await store.tags.list(repository, 'z', 2), { items: [], more: false })
  })

  test('a repository without tags has an empty list, and an unknown one has none', async () => {
    const store = getStore()
    const repository = newRepository()
    await putBlob(store, repository)
    assert.deepEqual(await store.tags.list(repository, '', 10), { items: [], more: false })
    assert.equal(await store.tags.list(newRepository(), '', 10), undefined)
  })

  test('a tag that is set or removed between two pages does not repeat or hide another', async () => {
    const store = getStore()
    const repository = newRepository()
    await putManifest(store, repository, { tags: tags('a', 'c', 'e', 'g') })
    assert.deepEqual((await store.tags.list(repository, '', 2))?.items, ['a', 'c'])
    await putManifest(store, repository, { tags: tags('b', 'd') })
    await commitOne(store, {
      type: 'deleteTag',
      actor: ANONYMOUS,
      repository,
      tag: 'c' as Tag,
      condition: {},
    })
    assert.deepEqual((await store.tags.list(repository, 'c', 10))?.items, ['d', 'e', 'g'])
  })
}

const LOOK_ALIKES = [
  'a_b',
  'axb',
  'a.b',
  'a-b',
  'a',
  'a_',
  'A_B',
  '_',
  '__',
  'a_b_c',
  'sha256-_',
  'null',
  'ROWID',
  '1e3',
  '1000',
  '01',
]

function testPatterns(getStore: GetStore): void {
  test('tags that look like patterns, numbers or prefixes of each other are kept apart', async () => {
    const store = getStore()
    const repository = newRepository()
    const digests = new Map<string, string>()
    for (const tag of LOOK_ALIKES) {
      digests.set(tag, await putManifest(store, repository, { tags: tags(tag) }))
    }
    for (const tag of LOOK_ALIKES) assert.equal(await tagged(store, repository, tag), digests.get(tag))
    for (const tag of ['%', 'a%', '*', '[a-z]', "a'b", 'a_b ', ' a_b', 'a_b\0']) {
      assert.equal(await tagged(store, repository, tag), undefined, JSON.stringify(tag))
    }
    const remove = {
      type: 'deleteTag',
      actor: ANONYMOUS,
      repository,
      tag: 'a_b' as Tag,
      condition: {},
    } as const
    assert.deepEqual(await commitOne(store, remove), { result: 'deleted' })
    const left = await store.tags.list(repository, '', 100)
    assert.deepEqual(left?.items, LOOK_ALIKES.filter((tag) => tag !== 'a_b').sort())
  })

  test('repositories that look like patterns or prefixes of each other are kept apart', async () => {
    const store = getStore()
    const base = newRepository()
    const names = ['a_b', 'a.b', 'a-b', 'axb', 'a', 'a/b', 'a/b/c'].map(
      (name) => `${base}/${name}` as RepositoryName,
    )
    for (const repository of names) {
      const command = manifestCommand(repository, { tags: tags('v1') })
      await commitOne(store, command)
      for (const other of names.filter((name) => name !== repository)) {
        assert.equal(await store.manifests.find(other, { digest: command.digest }), undefined)
      }
    }
    for (const name of [base, `${base}/a/`, `${base}/%`, `${base}/A_B`, `${base}/a_`]) {
      assert.equal(await store.repositories.exists(name as RepositoryName), false, name)
    }
  })
}
