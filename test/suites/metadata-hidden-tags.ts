import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName, Tag } from '../../src/oci/reference.ts'
import {
  ALICE,
  BOB,
  changesOf,
  commitOne,
  type GetStore,
  manifestCommand,
  newRepository,
  putManifest,
  tagged,
  tags,
} from './metadata-place.ts'

/** More than are removed together with their manifest. */
const MANY = 1_200
const LIMIT = 500

function manyTags(): Tag[] {
  return Array.from({ length: MANY }, (_, index) => `t${String(index).padStart(4, '0')}` as Tag)
}

/** Deletes a manifest that has many tags. @returns the manifest, and all that is needed to push it again */
async function deleteTagged(store: MetadataStore, repository: RepositoryName) {
  const command = { ...manifestCommand(repository), tags: manyTags() }
  await commitOne(store, command)
  const { digest } = command
  const deletion = { type: 'deleteManifest', actor: ANONYMOUS, repository, digest, keep: true } as const
  assert.deepEqual(await commitOne(store, deletion), { result: 'deleted', areRowsLeft: true })
  return command
}

function testActors(getStore: GetStore): void {
  test('a tag was removed by the actor who deleted its manifest, whatever command removes its row', async () => {
    const store = getStore()
    const repository = newRepository()
    await dropAll(store)
    const command = { ...manifestCommand(repository), tags: manyTags() }
    await commitOne(store, command)
    const { digest } = command
    await commitOne(store, { type: 'deleteManifest', actor: ALICE, repository, digest })
    await commitOne(store, { ...command, tags: tags('t0300'), actor: BOB })
    await dropAll(store)
    const changes = (await changesOf(store, repository)).filter(({ kind }) => kind === 'tag-removed')
    assert.equal(changes.length, MANY)
    assert.ok(changes.every(({ actor }) => actor === 'alice'))
    const history = await store.tags.history(repository, 't0300' as Tag, { before: 1e9, limit: 10 })
    assert.deepEqual(
      history?.items.map(({ actor }) => actor),
      ['bob', 'alice', undefined],
    )
  })
}

async function drop(store: MetadataStore): Promise<number> {
  const { count, more } = await commitOne(store, { type: 'dropHiddenTags', limit: LIMIT })
  assert.ok(count <= LIMIT)
  return more ? count : -1
}

async function dropAll(store: MetadataStore): Promise<void> {
  while ((await drop(store)) !== -1);
}

async function tagNames(store: MetadataStore, repository: RepositoryName): Promise<readonly string[]> {
  const now = { revision: Number.MAX_SAFE_INTEGER }
  const past = await store.tags.at(repository, now, { after: '', limit: 10_000 })
  assert.ok(past !== undefined && past !== 'pruned')
  const { items = [] } = (await store.tags.list(repository, '', 10_000)) ?? {}
  assert.deepEqual(
    past.tags.map(({ tag }) => tag),
    items,
  )
  return items
}

async function removals(store: MetadataStore, repository: RepositoryName): Promise<string[]> {
  const changes = await changesOf(store, repository)
  return changes.filter(({ kind }) => kind === 'tag-removed').map(({ subject }) => subject)
}

async function listedTags(store: MetadataStore, repository: RepositoryName, digest: Digest): Promise<Tag[]> {
  const query = {
    repository,
    sort: 'pushed',
    descending: false,
    filters: {},
    limit: 10,
    maxBytes: 1e6,
  } as const
  const page = await store.manifests.list(query)
  return page?.manifests.find((manifest) => manifest.digest === digest)?.tags ?? []
}

/** Tags of a manifest that was deleted with more of them than one step removes. */
export function testHiddenTags(getStore: GetStore): void {
  testActors(getStore)
  test('a manifest with many tags is gone at once with all of them, and the log gets each change later', async () => {
    const [store, repository] = [getStore(), newRepository()]
    await deleteTagged(store, repository)
    const [first, last] = [manyTags()[0], manyTags().at(-1)]
    for (const tag of [first, last]) {
      assert.ok(tag !== undefined)
      assert.equal(await store.manifests.find(repository, { tag }), undefined)
      const deletion = { type: 'deleteTag', actor: ANONYMOUS, repository, tag, condition: {} } as const
      assert.deepEqual(await commitOne(store, deletion), { result: 'unknown' })
    }
    assert.deepEqual(await tagNames(store, repository), [])
    assert.deepEqual(await removals(store, repository), [])
    assert.equal(await drop(store), LIMIT)
    assert.equal((await removals(store, repository)).length, LIMIT)
    await dropAll(store)
    assert.deepEqual(await removals(store, repository), manyTags())
    assert.deepEqual(await tagNames(store, repository), [])
  })

  test('a manifest that is pushed again in between has only the tags that it gets then', async () => {
    const [store, repository] = [getStore(), newRepository()]
    const command = await deleteTagged(store, repository)
    await drop(store)
    const again = tags('t0001', 't1100', 'fresh')
    await commitOne(store, { ...command, tags: again })
    assert.deepEqual(await tagNames(store, repository), [...again].sort())
    assert.deepEqual(await listedTags(store, repository, command.digest), [...again].sort())
    assert.equal(await store.manifests.find(repository, { tag: 't0002' as Tag }), undefined)
    await dropAll(store)
    assert.deepEqual(await tagNames(store, repository), [...again].sort())
    // Each was told of once, the one that was set again before that.
    assert.deepEqual((await removals(store, repository)).sort(), manyTags())
  })

  test('one of its tags may be set to another manifest in between, and the log has its removal before that', async () => {
    const [store, repository] = [getStore(), newRepository()]
    const { digest } = await deleteTagged(store, repository)
    const other = await putManifest(store, repository, { tags: tags('t1199') })
    assert.equal(await tagged(store, repository, 't1199'), other)
    const last = (await changesOf(store, repository)).slice(-2)
    assert.deepEqual(
      last.map(({ kind, subject, old, new: set }) => ({ kind, subject, old, new: set })),
      [
        { kind: 'tag-removed', subject: 't1199', old: digest, new: undefined },
        { kind: 'tag-set', subject: 't1199', old: undefined, new: other },
      ],
    )
    await dropAll(store)
    assert.deepEqual(await tagNames(store, repository), ['t1199'])
    assert.equal((await removals(store, repository)).length, MANY)
  })

  test('an undelete in between brings none of the tags back but those that it names', async () => {
    const [store, repository] = [getStore(), newRepository()]
    const { digest } = await deleteTagged(store, repository)
    await drop(store)
    const command = {
      type: 'undeleteManifest',
      actor: ANONYMOUS,
      repository,
      digest,
      tags: tags('t0700'),
    } as const
    const undeleted = await commitOne(store, command)
    assert.ok(undeleted.result === 'restored')
    assert.deepEqual(undeleted.previousTags, manyTags().slice(0, 1_000))
    assert.deepEqual(await tagNames(store, repository), ['t0700'])
    await dropAll(store)
    assert.deepEqual(await tagNames(store, repository), ['t0700'])
    assert.deepEqual(await listedTags(store, repository, digest), ['t0700'])
  })

  test('a second deletion in between, and a deletion of the repository, leave nothing', async () => {
    const [store, repository] = [getStore(), newRepository()]
    const command = await deleteTagged(store, repository)
    await drop(store)
    await commitOne(store, command)
    await commitOne(store, { type: 'purgeManifest', actor: ANONYMOUS, repository, digest: command.digest })
    assert.deepEqual(await tagNames(store, repository), [])
    await drop(store)
    await commitOne(store, { type: 'deleteRepository', actor: ANONYMOUS, repository })
    await dropAll(store)
    const step = { type: 'dropDeletedRepositories', limit: LIMIT } as const
    while ((await commitOne(store, step)).more);
    await putManifest(store, repository, { tags: tags('new') })
    assert.deepEqual(await tagNames(store, repository), ['new'])
  })

  test('a manifest keeps its media type, unless it is not a type of a manifest', async () => {
    const [store, repository] = [getStore(), newRepository()]
    const command = { ...manifestCommand(repository), mediaType: 'application/vnd.a+json' }
    await commitOne(store, command)
    const other = { ...command, mediaType: 'application/vnd.b+json', tags: tags('b') }
    const refusal = { result: 'other-media-type', mediaType: 'application/vnd.a+json' }
    assert.deepEqual(await commitOne(store, other), refusal)
    assert.deepEqual(await tagNames(store, repository), [])
    assert.deepEqual(await commitOne(store, command), { result: 'stored' })

    const form = { ...manifestCommand(repository), mediaType: 'application/x-www-form-urlencoded' }
    await commitOne(store, form)
    assert.deepEqual(await commitOne(store, { ...form, mediaType: 'application/vnd.b+json' }), {
      result: 'stored',
    })
    const found = await store.manifests.find(repository, { digest: form.digest })
    assert.equal(found?.mediaType, 'application/vnd.b+json')
  })
}
