import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { Change } from '../../src/metadata/changes.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Tag } from '../../src/oci/reference.ts'
import {
  ALICE,
  BOB,
  blobCommand,
  changesOf,
  commitAt,
  commitOne,
  edge,
  type GetStore,
  manifestCommand,
  newDigest,
  newRepository,
  putBlob,
  putManifest,
  tags,
  tick,
} from './metadata-place.ts'

/** The change log: one row for each change that a reader could see, and none for anything else. */
export function testLog(getStore: GetStore): void {
  testRows(getStore)
  testActors(getStore)
  testCreation(getStore)
  testNoRows(getStore)
  testTimes(getStore)
  testOrder(getStore)
}

type Row = [kind: string, subject: string, old: Digest | undefined, young: Digest | undefined]

function rowsOf(changes: Change[]): Row[] {
  return changes.map((change) => [change.kind, change.subject, change.old, change.new])
}

function assertGapless(changes: Change[]): void {
  for (const [index, change] of changes.entries()) {
    assert.equal(change.revision, index + 1)
    const before = changes[index - 1]
    if (before === undefined) continue
    assert.ok(change.sequence > before.sequence, 'the sequence does not rise')
    assert.ok(change.at >= before.at, 'the time goes back')
  }
}

function testRows(getStore: GetStore): void {
  test('each visible change is one row, in the order of the commands', async () => {
    const store = getStore()
    const repository = newRepository()
    const blob = await putBlob(store, repository)
    const first = await putManifest(store, repository, { edges: [edge('layer', blob)], tags: tags('b', 'a') })
    const second = await putManifest(store, repository, { tags: tags('a') })
    await putManifest(store, repository, { edges: [edge('manifest', second)] })
    const [, , , , , , { subject: index } = { subject: '' }] = await changesOf(store, repository)
    await store.commit([
      { type: 'deleteTag', actor: ANONYMOUS, repository, tag: 'b' as Tag, condition: {} },
      { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: index as Digest },
      { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: second },
    ])
    const changes = await changesOf(store, repository)
    assert.deepEqual(rowsOf(changes), [
      ['repository-created', '', undefined, undefined],
      ['manifest-pushed', first, undefined, first],
      ['tag-set', 'b', undefined, first],
      ['tag-set', 'a', undefined, first],
      ['manifest-pushed', second, undefined, second],
      ['tag-set', 'a', first, second],
      ['manifest-pushed', index, undefined, index],
      ['tag-removed', 'b', first, undefined],
      ['manifest-deleted', index, index, undefined],
      ['tag-removed', 'a', second, undefined],
      ['manifest-deleted', second, second, undefined],
    ])
    assertGapless(changes)
  })

  test('the same bytes under another media type are one more row, and nothing else', async () => {
    const store = getStore()
    const repository = newRepository()
    const blob = await putBlob(store, repository)
    const push = manifestCommand(repository, {
      edges: [edge('layer', blob)],
      tags: tags('v1'),
      mediaType: 'x/one',
    })
    const { digest } = push
    await store.commit([push, { ...push, mediaType: 'x/two' }])
    assert.equal((await store.manifests.find(repository, { digest }))?.mediaType, 'x/two')
    const changes = await changesOf(store, repository)
    assert.deepEqual(rowsOf(changes), [
      ['repository-created', '', undefined, undefined],
      ['manifest-pushed', digest, undefined, digest],
      ['tag-set', 'v1', undefined, digest],
      ['manifest-pushed', digest, undefined, digest],
    ])
    assertGapless(changes)
  })
}

function testActors(getStore: GetStore): void {
  test('each change has the name of its actor, unless the actor is anonymous', async () => {
    const store = getStore()
    const repository = newRepository()
    const push = manifestCommand(repository, { tags: tags('v1'), actor: ALICE })
    const { digest } = push
    const tag = 'v2' as Tag
    await store.commit([
      push,
      { type: 'setTag', actor: BOB, repository, tag, digest, condition: {} },
      { type: 'deleteTag', actor: ANONYMOUS, repository, tag, condition: {} },
      { type: 'deleteManifest', actor: BOB, repository, digest, keep: true },
      { type: 'undeleteManifest', actor: ALICE, repository, digest, tags: tags('v1') },
      { type: 'purgeManifest', actor: ALICE, repository, digest },
    ])
    const history = await store.tags.history(repository, 'v1' as Tag, { before: 1e9, limit: 10 })
    assert.deepEqual(
      history?.items.map(({ actor }) => actor),
      ['alice', 'alice', 'bob', 'alice'],
    )
    assert.deepEqual(
      (await changesOf(store, repository)).map(({ kind, actor }) => [kind, actor]),
      [
        ['repository-created', 'alice'],
        ['manifest-pushed', 'alice'],
        ['tag-set', 'alice'],
        ['tag-set', 'bob'],
        ['tag-removed', undefined],
        ['tag-removed', 'bob'],
        ['manifest-deleted', 'bob'],
        ['manifest-restored', 'alice'],
        ['tag-set', 'alice'],
        ['tag-removed', 'alice'],
        ['manifest-purged', 'alice'],
      ],
    )
  })

  test('a repository that a blob creates has the actor of the blob', async () => {
    const store = getStore()
    const [pushed, mounted] = [newRepository(), newRepository()]
    const put = blobCommand(pushed, { actor: ALICE })
    const mount = { type: 'mountBlob', actor: BOB, repository: mounted, digest: put.digest } as const
    await store.commit([put, mount])
    const [[created], [followed]] = [await changesOf(store, pushed), await changesOf(store, mounted)]
    assert.deepEqual([created?.actor, followed?.actor], ['alice', 'bob'])
  })
}

function testCreation(getStore: GetStore): void {
  test('a repository is created once, by the first command', async () => {
    const store = getStore()
    const source = newRepository()
    const digest = await putBlob(store, source)
    for (const command of [
      blobCommand(newRepository()),
      manifestCommand(newRepository()),
      { type: 'mountBlob', actor: ANONYMOUS, repository: newRepository(), digest } as const,
    ]) {
      const at = tick()
      await store.commit([command, blobCommand(command.repository), blobCommand(command.repository)])
      const created = (await changesOf(store, command.repository)).filter(
        ({ kind }) => kind === 'repository-created',
      )
      assert.deepEqual(
        created.map((change) => [change.revision, change.at]),
        [[1, at]],
      )
    }
  })
}

function testNoRows(getStore: GetStore): void {
  test('commands that change nothing visible, or that are refused, leave no row', async () => {
    const store = getStore()
    const repository = newRepository()
    const [blob, other] = [await putBlob(store, repository), await putBlob(store, newRepository())]
    const push = manifestCommand(repository, { edges: [edge('layer', blob)], tags: tags('v1') })
    const { digest } = push
    await commitOne(store, push)
    const index = await putManifest(store, repository, { edges: [edge('manifest', digest)] })
    const before = await changesOf(store, repository)
    const outcomes = await store.commit([
      push,
      { ...push, tags: [] },
      blobCommand(repository),
      { type: 'mountBlob', actor: ANONYMOUS, repository, digest: other },
      { type: 'keepBlob', repository, digest: other },
      { type: 'deleteBlob', repository, digest: other },
      { type: 'deleteBlob', repository, digest: blob },
      manifestCommand(repository, { edges: [edge('config', newDigest())] }),
      manifestCommand(repository, { tags: tags('v1'), condition: { ifNoneMatch: '*' } }),
      { type: 'deleteManifest', actor: ANONYMOUS, repository, digest },
      { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: newDigest() },
      { type: 'deleteTag', actor: ANONYMOUS, repository, tag: 'v2' as Tag, condition: {} },
      { type: 'deleteTag', actor: ANONYMOUS, repository, tag: 'v1' as Tag, condition: { ifMatch: [index] } },
    ])
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      [
        'stored',
        'stored',
        'stored',
        'mounted',
        'kept',
        'deleted',
        'needed',
        'missing',
        'precondition-failed',
        'needed',
        'unknown',
        'unknown',
        'precondition-failed',
      ],
    )
    assert.deepEqual(await changesOf(store, repository), before)
  })
}

function testTimes(getStore: GetStore): void {
  test('the time of a repository never goes back, even when the clock does', async () => {
    const store = getStore()
    const repository = newRepository()
    const start = tick()
    const times = [start, start + 500, start - 900_000, 1, start + 499, start + 501]
    for (const at of times) await commitAt(store, at, manifestCommand(repository))
    const changes = await changesOf(store, repository)
    assertGapless(changes)
    assert.deepEqual(
      changes.map(({ at }) => at - start),
      [0, 0, 500, 500, 500, 500, 501],
    )
  })

  test('a clock that is ahead in one repository does not hurry another', async () => {
    const store = getStore()
    const [ahead, repository] = [newRepository(), newRepository()]
    const at = tick()
    await commitAt(store, at + 900_000_000, manifestCommand(ahead))
    await commitAt(store, at, manifestCommand(repository))
    const changes = await changesOf(store, repository)
    assert.deepEqual(
      changes.map((change) => change.at),
      [at, at],
    )
  })
}

function testOrder(getStore: GetStore): void {
  test('pushes to several repositories at once leave revisions without gaps', async () => {
    const store = getStore()
    const repositories = Array.from({ length: 4 }, newRepository)
    const pushes = Array.from({ length: 200 }, (_, index) =>
      commitOne(
        store,
        manifestCommand(repositories[index % 4] ?? newRepository(), { tags: tags('latest', `v${index}`) }),
      ),
    )
    await Promise.all(pushes)
    const sequences = new Set<number>()
    for (const repository of repositories) {
      const changes = await changesOf(store, repository)
      assert.equal(changes.length, 1 + 50 * 3)
      assertGapless(changes)
      for (const { sequence } of changes) sequences.add(sequence)
    }
    assert.equal(sequences.size, 4 * 151)
  })

  test('the log is read in pages of any size, each change once', async () => {
    const store = getStore()
    const repository = newRepository()
    const [start] = await changesOf(store, await createdRepository())
    for (let index = 0; index < 5; index++) await putManifest(store, repository, { tags: tags('v1') })
    for (const limit of [1, 2, 3, 100]) {
      const found: Change[] = []
      for (let after = start?.sequence ?? 0; ; ) {
        const page = await store.log.changes(after, limit)
        assert.ok(page.length <= limit)
        const last = page.at(-1)
        if (last === undefined) break
        found.push(...page)
        after = last.sequence
      }
      assert.equal(found.length, 11)
      assertGapless(found)
    }
    assert.deepEqual(await store.log.changes(Number.MAX_SAFE_INTEGER, 10), [])

    async function createdRepository(): Promise<typeof repository> {
      const created = newRepository()
      await putBlob(store, created)
      return created
    }
  })
}
