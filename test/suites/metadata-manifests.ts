import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { TagCondition } from '../../src/metadata/tags.ts'
import type { Tag } from '../../src/oci/reference.ts'
import {
  blobCommand,
  changesOf,
  commitOne,
  edge,
  manifestCommand,
  newDigest,
  newRepository,
  type PushStore,
  putBlob,
  putManifest,
  sha256,
  tagged,
  tags,
} from './metadata-place.ts'

/** Manifests and tags: what a push needs, what it changes, and what stands in the way of a deletion. */
export function testManifests(getStore: () => PushStore): void {
  testMissing(getStore)
  testKinds(getStore)
  testStoring(getStore)
  testConditions(getStore)
  testTags(getStore)
  testSingleTags(getStore)
  testDeletion(getStore)
  testWhatStays(getStore)
}

function testMissing(getStore: () => PushStore): void {
  test('a manifest without its content is refused, naming each missing digest once, and creates nothing', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const [config, layer, elsewhere] = [newDigest(), newDigest(), await putBlob(store, other)]
    const command = manifestCommand(repository, {
      edges: [
        edge('config', config),
        edge('layer', config),
        edge('layer', layer),
        edge('layer', layer),
        edge('layer', elsewhere),
        edge('manifest', layer),
        { kind: 'layer', digest: newDigest(), size: 20, required: false },
      ],
      tags: tags('v1', 'v2'),
    })
    const outcome = await commitOne(store, command)
    assert.deepEqual(outcome, { result: 'missing', digests: [config, layer, elsewhere] })
    assert.equal(await store.repositories.exists(repository), false)
    assert.equal(await store.manifests.find(repository, { digest: command.digest }), undefined)
    assert.equal(await store.tags.list(repository, '', 10), undefined)
    assert.deepEqual(await changesOf(store, repository), [])
  })

  test('a manifest with one missing blob leaves the repository unchanged', async () => {
    const store = getStore()
    const repository = newRepository()
    const [present, absent] = [await putBlob(store, repository), newDigest()]
    const old = await putManifest(store, repository, { tags: tags('v1') })
    const before = await changesOf(store, repository)
    const outcome = await commitOne(
      store,
      manifestCommand(repository, {
        edges: [edge('config', present), edge('layer', absent)],
        tags: tags('v1'),
      }),
    )
    assert.deepEqual(outcome, { result: 'missing', digests: [absent] })
    assert.equal(await tagged(store, repository, 'v1'), old)
    assert.deepEqual(await changesOf(store, repository), before)
    assert.notEqual((await store.blobs.find(repository, present))?.unusedSince, undefined)
  })

  test('content that was collected or deleted a moment ago is missing', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putBlob(store, repository)
    const [deleted, pushed] = await store.commit([
      { type: 'deleteBlob', repository, digest },
      manifestCommand(repository, { edges: [edge('layer', digest)] }),
    ])
    assert.equal(deleted.result, 'deleted')
    assert.deepEqual(pushed, { result: 'missing', digests: [digest] })
  })
}

function testKinds(getStore: () => PushStore): void {
  test('layers that lie elsewhere, and the subject, need not be there', async () => {
    const store = getStore()
    const repository = newRepository()
    const edges = [{ kind: 'layer' as const, digest: newDigest(), size: 20, required: false }]
    const outcome = await commitOne(store, manifestCommand(repository, { edges, subject: newDigest() }))
    assert.deepEqual(outcome, { result: 'stored' })
  })

  test('an index may name blobs, as build caches do, but an image may not name a manifest as its layer', async () => {
    const store = getStore()
    const repository = newRepository()
    const [blob, manifest] = [await putBlob(store, repository), await putManifest(store, repository)]
    const index = manifestCommand(repository, { edges: [edge('manifest', blob), edge('manifest', manifest)] })
    assert.deepEqual(await commitOne(store, index), { result: 'stored' })
    for (const kind of ['config', 'layer'] as const) {
      const image = manifestCommand(repository, { edges: [edge(kind, manifest)] })
      assert.deepEqual(await commitOne(store, image), { result: 'missing', digests: [manifest] })
    }
  })

  test('a manifest may name the same content several times, in several roles', async () => {
    const store = getStore()
    const repository = newRepository()
    const blob = await putBlob(store, repository)
    const edges = [edge('config', blob), edge('layer', blob), edge('layer', blob), edge('manifest', blob)]
    const digest = await putManifest(store, repository, { edges })
    const needed = await commitOne(store, { type: 'deleteBlob', repository, digest: blob })
    assert.deepEqual(needed, { result: 'needed', by: digest })
    await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest })
    const freed = await commitOne(store, { type: 'deleteBlob', repository, digest: blob })
    assert.deepEqual(freed, { result: 'deleted' })
  })
}

function testStoring(getStore: () => PushStore): void {
  test('a manifest is read as it was pushed, by digest and by tag', async () => {
    const store = getStore()
    const repository = newRepository()
    const bytes = randomBytes(4 * 1024 * 1024)
    const digest = await putManifest(store, repository, {
      bytes,
      mediaType: 'text/x; never',
      tags: tags('big'),
    })
    const record = { digest, mediaType: 'text/x; never', size: bytes.length }
    for (const reference of [{ digest }, { tag: 'big' as Tag }]) {
      assert.deepEqual({ ...(await store.manifests.find(repository, reference)) }, record)
      const read = await store.manifests.read(repository, reference)
      assert.ok(read && Buffer.from(read.bytes).equals(bytes))
      assert.deepEqual({ ...read, bytes: undefined }, { ...record, bytes: undefined })
    }
  })

  test('a manifest is found in its own repository only', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const digest = await putManifest(store, repository, { tags: tags('v1') })
    await putManifest(store, other)
    for (const name of [other, newRepository()]) {
      assert.equal(await store.manifests.find(name, { digest }), undefined)
      assert.equal(await store.manifests.read(name, { tag: 'v1' as Tag }), undefined)
    }
  })

  test('the same manifest in two repositories outlives its deletion in one', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const bytes = Buffer.from(`{"in":"${repository}"}`)
    const digest = await putManifest(store, repository, { bytes })
    await putManifest(store, other, { bytes })
    await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest })
    const read = await store.manifests.read(other, { digest })
    assert.ok(read && Buffer.from(read.bytes).equals(bytes))
  })

  test('bytes that are both a manifest and a blob outlive the deletion of either', async () => {
    const store = getStore()
    const repository = newRepository()
    const bytes = Buffer.from(`{"in":"${repository}"}`)
    const digest = sha256(bytes)
    const put = blobCommand(repository, { digest, size: bytes.length, content: { bytes } })
    await store.commit([put, manifestCommand(repository, { bytes })])
    await commitOne(store, { type: 'deleteBlob', repository, digest })
    assert.deepEqual(Buffer.from((await store.manifests.read(repository, { digest }))?.bytes ?? []), bytes)
    await store.commit([put, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest }])
    const blob = await store.blobs.find(repository, digest)
    assert.deepEqual(Buffer.from(blob?.content.bytes ?? []), bytes)
  })
}

const A = sha256('a')
const B = sha256('b')

/** What a condition says of a tag that is absent, and of one that points to A. */
const CONDITIONS: [condition: TagCondition, holdsIfAbsent: boolean, holdsAtA: boolean][] = [
  [{}, true, true],
  [{ ifMatch: '*' }, false, true],
  [{ ifMatch: [] }, false, false],
  [{ ifMatch: [A] }, false, true],
  [{ ifMatch: [B] }, false, false],
  [{ ifMatch: [B, A] }, false, true],
  [{ ifMatch: [A.toUpperCase(), ` ${A}`, 'sha256:%'] }, false, false],
  [{ ifNoneMatch: '*' }, true, false],
  [{ ifNoneMatch: [] }, true, true],
  [{ ifNoneMatch: [A] }, true, false],
  [{ ifNoneMatch: [B] }, true, true],
  [{ ifNoneMatch: [B, A] }, true, false],
  [{ ifMatch: [A], ifNoneMatch: [B] }, false, true],
  [{ ifMatch: [A], ifNoneMatch: [A] }, false, false],
  [{ ifMatch: '*', ifNoneMatch: '*' }, false, false],
]

function testConditions(getStore: () => PushStore): void {
  test('a tag is set and removed exactly where its condition holds', async () => {
    const store = getStore()
    const name = tags('t')
    for (const [condition, holdsIfAbsent, holdsAtA] of CONDITIONS) {
      const which = JSON.stringify(condition)
      const repository = newRepository()
      const putA = { bytes: Buffer.from('a') }
      const put = async () =>
        (await commitOne(store, manifestCommand(repository, { tags: name, condition }))).result
      await putManifest(store, repository, putA)
      assert.equal(await put(), holdsIfAbsent ? 'stored' : 'precondition-failed', `${which} if absent`)
      await putManifest(store, repository, { ...putA, tags: name })
      assert.equal(await put(), holdsAtA ? 'stored' : 'precondition-failed', `${which} at A`)
      assert.equal((await tagged(store, repository, 't')) === A, !holdsAtA, which)

      await putManifest(store, repository, { ...putA, tags: name })
      const remove = { type: 'deleteTag', actor: ANONYMOUS, repository, tag: 't' as Tag, condition } as const
      const removed = (await commitOne(store, remove)).result
      assert.equal(removed, holdsAtA ? 'deleted' : 'precondition-failed', `removing with ${which}`)
      assert.equal(await tagged(store, repository, 't'), holdsAtA ? undefined : A, which)
    }
  })
}

function testTags(getStore: () => PushStore): void {
  test('several tags are set in one step, and each counts once', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putManifest(store, repository, { tags: tags('b', 'a', 'b', 'c') })
    assert.deepEqual(await store.tags.list(repository, '', 10), { items: ['a', 'b', 'c'], more: false })
    for (const tag of ['a', 'b', 'c']) assert.equal(await tagged(store, repository, tag), digest)
    const set = (await changesOf(store, repository)).filter((change) => change.kind === 'tag-set')
    assert.equal(set.length, 3)
  })

  test('if the condition fails for one of several tags, nothing at all is done', async () => {
    const store = getStore()
    const repository = newRepository()
    const old = await putManifest(store, repository, { tags: tags('taken') })
    const before = await changesOf(store, repository)
    const command = manifestCommand(repository, {
      tags: tags('a', 'taken', 'z'),
      condition: { ifNoneMatch: '*' },
    })
    assert.deepEqual(await commitOne(store, command), { result: 'precondition-failed' })
    assert.equal(await store.manifests.find(repository, { digest: command.digest }), undefined)
    assert.deepEqual(await store.tags.list(repository, '', 10), { items: ['taken'], more: false })
    assert.equal(await tagged(store, repository, 'taken'), old)
    assert.deepEqual(await changesOf(store, repository), before)
  })

  test('a condition that fails creates no repository', async () => {
    const store = getStore()
    const repository = newRepository()
    const command = manifestCommand(repository, { tags: tags('v1'), condition: { ifMatch: '*' } })
    assert.deepEqual(await commitOne(store, command), { result: 'precondition-failed' })
    assert.equal(await store.repositories.exists(repository), false)
  })
}

function testSingleTags(getStore: () => PushStore): void {
  test('of writers that all want a new tag for themselves, one gets it', async () => {
    const store = getStore()
    const repository = newRepository()
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const command = manifestCommand(repository, { tags: tags('one'), condition: { ifNoneMatch: '*' } })
        return { digest: command.digest, ...(await commitOne(store, command)) }
      }),
    )
    const winners = outcomes.filter(({ result }) => result === 'stored')
    assert.equal(winners.length, 1)
    assert.equal(await tagged(store, repository, 'one'), winners[0]?.digest)
  })

  test('a tag that is removed leaves its manifest, and is unknown from then on', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putManifest(store, repository, { tags: tags('v1') })
    const remove = {
      type: 'deleteTag',
      actor: ANONYMOUS,
      repository,
      tag: 'v1' as Tag,
      condition: {},
    } as const
    assert.deepEqual(await commitOne(store, remove), { result: 'deleted' })
    assert.deepEqual(await commitOne(store, remove), { result: 'unknown' })
    assert.deepEqual(await commitOne(store, { ...remove, repository: newRepository() }), {
      result: 'unknown',
    })
    assert.equal((await store.manifests.find(repository, { digest }))?.digest, digest)
  })
}

function testDeletion(getStore: () => PushStore): void {
  test('a manifest that an index names cannot be deleted before that index', async () => {
    const store = getStore()
    const repository = newRepository()
    const child = await putManifest(store, repository, { tags: tags('child') })
    const index = await putManifest(store, repository, { edges: [edge('manifest', child)] })
    const remove = { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: child } as const
    assert.deepEqual(await commitOne(store, remove), { result: 'needed', by: index })
    assert.equal(await tagged(store, repository, 'child'), child)
    const [parent, freed] = await store.commit([{ ...remove, digest: index }, remove])
    assert.deepEqual([parent, freed], [{ result: 'deleted' }, { result: 'deleted' }])
  })

  test('an index of another repository does not keep a manifest', async () => {
    const store = getStore()
    const [repository, other] = [newRepository(), newRepository()]
    const bytes = Buffer.from(`{"in":"${repository}"}`)
    const digest = await putManifest(store, repository, { bytes })
    await putManifest(store, other, { bytes })
    await putManifest(store, other, { edges: [edge('manifest', digest)] })
    const outcome = await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest })
    assert.deepEqual(outcome, { result: 'deleted' })
  })

  test('a manifest is deleted with its tags, and can be pushed again', async () => {
    const store = getStore()
    const repository = newRepository()
    const command = manifestCommand(repository, { tags: tags('a', 'b') })
    await commitOne(store, command)
    const kept = await putManifest(store, repository, { tags: tags('kept') })
    const remove = { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: command.digest } as const
    assert.deepEqual(await commitOne(store, remove), { result: 'deleted' })
    assert.deepEqual(await commitOne(store, remove), { result: 'unknown' })
    assert.deepEqual(await store.tags.list(repository, '', 10), { items: ['kept'], more: false })
    assert.equal(await store.manifests.find(repository, { digest: command.digest }), undefined)
    assert.equal(await tagged(store, repository, 'kept'), kept)
    assert.deepEqual(await commitOne(store, { ...command, tags: [] }), { result: 'stored' })
    assert.equal(await tagged(store, repository, 'a'), undefined)
  })
}

function testWhatStays(getStore: () => PushStore): void {
  test('an unknown manifest cannot be deleted, even if the repository or a blob with the digest exists', async () => {
    const store = getStore()
    const repository = newRepository()
    const blob = await putBlob(store, repository)
    for (const [name, digest] of [
      [newRepository(), blob],
      [repository, newDigest()],
      [repository, blob],
    ] as const) {
      const outcome = await commitOne(store, {
        type: 'deleteManifest',
        actor: ANONYMOUS,
        repository: name,
        digest,
      })
      assert.deepEqual(outcome, { result: 'unknown' })
    }
  })

  test('a subject can be deleted while something refers to it, and what refers stays', async () => {
    const store = getStore()
    const repository = newRepository()
    const subject = await putManifest(store, repository)
    const referrer = await putManifest(store, repository, { subject })
    const outcome = await commitOne(store, {
      type: 'deleteManifest',
      actor: ANONYMOUS,
      repository,
      digest: subject,
    })
    assert.deepEqual(outcome, { result: 'deleted' })
    const page = await store.manifests.referrers({
      repository,
      subject,
      artifactTypes: [],
      after: '',
      limit: 10,
      maxBytes: 10_000,
    })
    assert.deepEqual(
      page.descriptors.map(({ digest }) => digest),
      [referrer],
    )
  })
}
