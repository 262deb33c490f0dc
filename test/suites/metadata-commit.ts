import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { Command } from '../../src/metadata/command.ts'
import {
  blobCommand,
  changesOf,
  commitOne,
  edge,
  type GetStore,
  manifestCommand,
  newRepository,
  sha256,
  tagged,
  tags,
} from './metadata-place.ts'

/** What `commit` promises, whatever the commands are. */
export function testCommit(getStore: GetStore): void {
  testSequence(getStore)
  testFailure(getStore)
  testMany(getStore)
  testBytes(getStore)
}

function testSequence(getStore: GetStore): void {
  test('the commands of a commit are done in their order, each seeing those before it', async () => {
    const store = getStore()
    const repository = newRepository()
    const blob = blobCommand(repository)
    const manifest = manifestCommand(repository, { edges: [edge('layer', blob.digest)], tags: tags('v1') })
    const outcomes = await store.commit([
      manifest,
      blob,
      manifest,
      { type: 'deleteBlob', repository, digest: blob.digest },
      { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: manifest.digest },
      { type: 'deleteBlob', repository, digest: blob.digest },
    ])
    const results = outcomes.map(({ result }) => result)
    assert.deepEqual(results, ['missing', 'stored', 'stored', 'needed', 'deleted', 'deleted'])
  })

  test('a commit of nothing answers nothing', async () => {
    assert.deepEqual(await getStore().commit([]), [])
  })

  test('every read that begins after a commit sees it', async () => {
    const store = getStore()
    const repository = newRepository()
    for (let index = 0; index < 50; index++) {
      const command = manifestCommand(repository, { tags: tags('latest') })
      await commitOne(store, command)
      assert.equal(await tagged(store, repository, 'latest'), command.digest)
    }
  })

  test('the secret is 32 random bytes', () => {
    const { secret } = getStore()
    assert.equal(secret.length, 32)
    assert.notDeepEqual(Buffer.from(secret), Buffer.alloc(32))
  })
}

/** Commands that no store can do. */
function malformed(): Command[] {
  const repository = newRepository()
  return [
    blobCommand(repository, { size: 1.5 }),
    blobCommand(repository, { content: {} as never }),
    blobCommand(repository, { digest: {} as never }),
    blobCommand(undefined as never),
    manifestCommand(repository, { mediaType: {} as never }),
    manifestCommand(repository, { edges: undefined as never }),
    manifestCommand(repository, { tags: ['v1', {}] as never }),
  ]
}

function testFailure(getStore: GetStore): void {
  test('a command that cannot be done rejects, and harms no commit beside it', async () => {
    const store = getStore()
    for (const command of malformed()) {
      const good = Array.from({ length: 3 }, () => manifestCommand(newRepository(), { tags: tags('v1') }))
      const [one, two, three] = good.map((push) => () => commitOne(store, push))
      const results = await Promise.allSettled([one?.(), commitOne(store, command), two?.(), three?.()])
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
      )
      for (const { repository, digest } of good) assert.equal(await tagged(store, repository, 'v1'), digest)
    }
  })

  test('a commit that rejects has done none of its commands', async () => {
    const store = getStore()
    for (const command of malformed()) {
      const [before, after] = [manifestCommand(newRepository()), manifestCommand(newRepository())]
      await assert.rejects(store.commit([before, command, after]))
      for (const { repository } of [before, after]) {
        assert.equal(await store.repositories.exists(repository), false)
        assert.deepEqual(await changesOf(store, repository), [])
      }
    }
  })
}

function testMany(getStore: GetStore): void {
  test('500 commits at once are all answered, and all are there', async () => {
    const store = getStore()
    const repository = newRepository()
    const pushes = Array.from({ length: 500 }, (_, index) =>
      manifestCommand(repository, { tags: tags(`t${String(index).padStart(3, '0')}`) }),
    )
    const outcomes = await Promise.all(pushes.map((push) => commitOne(store, push)))
    assert.ok(outcomes.every(({ result }) => result === 'stored'))
    const page = await store.tags.list(repository, '', 1000)
    assert.equal(page?.items.length, 500)
    for (const [index, { digest }] of pushes.entries()) {
      assert.equal(await tagged(store, repository, `t${String(index).padStart(3, '0')}`), digest)
    }
    assert.equal((await changesOf(store, repository)).at(-1)?.revision, 1001)
  })

  test('commits that began later do not overtake earlier ones', async () => {
    const store = getStore()
    const repository = newRepository()
    const pushes = Array.from({ length: 100 }, () => manifestCommand(repository, { tags: tags('latest') }))
    await Promise.all(pushes.map((push) => commitOne(store, push)))
    assert.equal(await tagged(store, repository, 'latest'), pushes.at(-1)?.digest)
  })
}

function testBytes(getStore: GetStore): void {
  test('the caller may overwrite bytes as soon as a commit has begun, and they stay usable', async () => {
    const store = getStore()
    const repository = newRepository()
    const bytes = randomBytes(1000)
    const original = Buffer.from(bytes)
    const digest = sha256(original)
    const committed = store.commit([
      blobCommand(repository, { digest, size: 1000, content: { bytes } }),
      manifestCommand(repository, { bytes, digest }),
    ])
    bytes.fill(0)
    await committed
    assert.equal(bytes.length, 1000)
    assert.deepEqual(Buffer.from((await store.manifests.read(repository, { digest }))?.bytes ?? []), original)
    const blob = await store.blobs.find(repository, digest)
    assert.deepEqual(Buffer.from(blob?.content.bytes ?? []), original)
  })
}
