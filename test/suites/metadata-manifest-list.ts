import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type {
  ListedManifest,
  ManifestFilters,
  ManifestSort,
  PutManifest,
} from '../../src/metadata/manifests.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import { digestsOf, queryOf, readAll } from './manifest-pages.ts'
import {
  commitOne,
  edge,
  type GetStore,
  manifestCommand,
  newDigest,
  newRepository,
  now,
  putBlob,
  putManifest,
  since,
  tags,
  tick,
} from './metadata-place.ts'

/** Lists of manifests: what is told of each, orders, pages that others push into, and filters. */
export function testManifestList(getStore: GetStore): void {
  testEntries(getStore)
  testTotalSize(getStore)
  testOrders(getStore)
  testMovingPages(getStore)
  testBounds(getStore)
  testFilters(getStore)
  testPulls(getStore)
  testUntagged(getStore)
}

function pull(
  store: MetadataStore,
  repository: RepositoryName,
  digest: Digest,
  at: number,
): Promise<unknown> {
  return commitOne(store, { type: 'recordPulls', pulls: [{ repository, digest, ago: since(at) }] })
}

function testEntries(getStore: GetStore): void {
  test('each manifest is listed with its fields, its parents and its tags', async () => {
    const store = getStore()
    const repository = newRepository()
    const subject = newDigest()
    const plain = manifestCommand(repository, { mediaType: 'x/plain' })
    const full = manifestCommand(repository, {
      mediaType: 'x/full',
      artifactType: 'a/t',
      annotations: { a: 'ü' },
      subject,
      platform: 'linux/arm64/v8',
      labels: { a: 'b' },
      tags: tags('b', 'a'),
    })
    await store.commit([plain, full])
    const pushed = now()
    const parent = manifestCommand(repository, {
      edges: [edge('manifest', plain.digest, plain.bytes.length)],
    })
    await commitOne(store, parent)
    const later = now()
    const pulled = tick()
    await pull(store, repository, full.digest, pulled)
    const described = ({ digest, mediaType, bytes }: PutManifest, at = pushed) => ({
      digest,
      mediaType,
      size: bytes.length,
      tags: [],
      parents: [],
      missing: [],
      pushed: at,
      totalSize: bytes.length,
    })
    assert.deepEqual(await readAll(store, queryOf(repository)), [
      { ...described(plain), parents: [parent.digest] },
      {
        ...described(full),
        artifactType: 'a/t',
        annotations: { a: 'ü' },
        tags: ['a', 'b'],
        subject,
        platform: 'linux/arm64/v8',
        pulled,
      },
      { ...described(parent, later), totalSize: parent.bytes.length + plain.bytes.length },
    ])
  })

  test('a repository without manifests has an empty list, and an unknown one has none', async () => {
    const store = getStore()
    const repository = newRepository()
    await putBlob(store, repository)
    assert.deepEqual(await store.manifests.list(queryOf(repository)), { manifests: [] })
    assert.equal(await store.manifests.list(queryOf(newRepository())), undefined)
  })
}

function testTotalSize(getStore: GetStore): void {
  test('a total size is that of all that is reached, each digest once, through indexes too', async () => {
    const store = getStore()
    const repository = newRepository()
    const [config, shared, own] = [
      await putBlob(store, repository),
      await putBlob(store, repository),
      await putBlob(store, repository),
    ]
    const one = manifestCommand(repository, {
      edges: [edge('config', config, 1), edge('layer', shared, 10), edge('layer', shared, 10)],
    })
    const two = manifestCommand(repository, { edges: [edge('layer', shared, 10), edge('layer', own, 100)] })
    const indexOf = (...commands: PutManifest[]) =>
      commands.map(({ digest, bytes }) => edge('manifest', digest, bytes.length))
    const inner = manifestCommand(repository, { edges: indexOf(one) })
    const outer = manifestCommand(repository, { edges: [...indexOf(inner, two), ...indexOf(one)] })
    await store.commit([one, two, inner, outer])
    const [ofOne, ofTwo, ofInner, ofOuter] = [one, two, inner, outer].map(({ bytes }) => bytes.length) as [
      number,
      number,
      number,
      number,
    ]
    const sizes = (await readAll(store, queryOf(repository))).map(({ totalSize }) => totalSize)
    const total = ofOuter + ofInner + ofOne + ofTwo + 111
    assert.deepEqual(sizes, [ofOne + 11, ofTwo + 110, ofInner + ofOne + 11, total])
  })

  test('impossible sizes cannot break a total', async () => {
    const store = getStore()
    const repository = newRepository()
    const edges = [1, 2, 3].map(() => ({
      ...edge('layer', newDigest(), Number.MAX_SAFE_INTEGER),
      required: false,
    }))
    const digest = await putManifest(store, repository, { edges })
    await putManifest(store, repository, { edges: [edge('manifest', digest, 10)] })
    const sizes = (await readAll(store, queryOf(repository))).map(({ totalSize }) => totalSize)
    assert.deepEqual(sizes, [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER])
  })
}

function testOrders(getStore: GetStore): void {
  test('each order is that of its key, both ways, in pages of any size', async () => {
    const store = getStore()
    const repository = newRepository()
    const neighbors = [newRepository(), newRepository()]
    const commands = [5, 3, 9, 3, 1, 7, 3].map((size) =>
      manifestCommand(repository, {
        edges: [{ ...edge('layer', newDigest(), size * 1000), required: false }],
      }),
    )
    for (const [index, command] of commands.entries()) {
      await commitOne(store, command)
      await putManifest(store, neighbors[index % 2] ?? repository)
    }
    // In another order than the pushes, twice at the same time, and two never.
    for (const index of [4, 1, 6, 0])
      await pull(store, repository, commands[index]?.digest ?? newDigest(), tick())
    const last = tick()
    for (const index of [2, 1]) await pull(store, repository, commands[index]?.digest ?? newDigest(), last)

    const all = await readAll(store, queryOf(repository))
    assert.deepEqual(
      all.map(({ digest }) => digest),
      commands.map(({ digest }) => digest),
    )
    const keys: Record<ManifestSort, (manifest: ListedManifest) => number> = {
      pushed: ({ digest }) => commands.findIndex((command) => command.digest === digest),
      pulled: ({ pulled = 0 }) => pulled,
      size: ({ totalSize }) => totalSize,
      digest: () => 0,
    }
    for (const [sort, keyOf] of Object.entries(keys)) {
      const sorted = all.toSorted((one, two) => keyOf(one) - keyOf(two) || (one.digest < two.digest ? -1 : 1))
      for (const descending of [false, true]) {
        const expected = descending ? sorted.toReversed() : sorted
        for (const limit of [1, 2, 3, 6, 7, 8]) {
          const query = queryOf(repository, { sort: sort as ManifestSort, descending, limit })
          assert.deepEqual(await readAll(store, query), expected, `${sort} ${descending} ${limit}`)
        }
      }
    }
  })
}

function testMovingPages(getStore: GetStore): void {
  test('what stays there all the time is neither skipped nor repeated while others are pushed and deleted', async () => {
    const store = getStore()
    for (const sort of ['pushed', 'digest'] as const) {
      const repository = newRepository()
      const staying: Digest[] = []
      for (let index = 0; index < 14; index++) staying.push(await putManifest(store, repository))
      let passing = await putManifest(store, repository)
      let rounds = 0
      const found = await readAll(store, queryOf(repository, { sort, limit: 2 }), async () => {
        rounds++
        if (rounds > 5) return
        await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: passing })
        passing = await putManifest(store, repository)
        await putManifest(store, repository, { tags: tags('t') })
        await pull(store, repository, staying[rounds] ?? passing, tick())
      })
      const seen = found.map(({ digest }) => digest)
      const expected = sort === 'digest' ? staying.toSorted() : staying
      assert.deepEqual(
        seen.filter((digest) => staying.includes(digest)),
        expected,
      )
      assert.equal(new Set(seen).size, seen.length)
      assert.ok(rounds > 5)
    }
  })
}

function testBounds(getStore: GetStore): void {
  test('a page is bounded by bytes, and has at least one manifest', async () => {
    const store = getStore()
    const repository = newRepository()
    const annotations = { text: 'x'.repeat(3_000) }
    for (let index = 0; index < 7; index++) await putManifest(store, repository, { annotations })
    const page = await store.manifests.list(queryOf(repository, { maxBytes: 8_000 }))
    assert.equal(page?.manifests.length, 2)
    assert.equal((await readAll(store, queryOf(repository, { maxBytes: 8_000 }))).length, 7)
    assert.equal((await readAll(store, queryOf(repository, { maxBytes: 1 }))).length, 7)
  })
}

function testFilters(getStore: GetStore): void {
  test('each filter takes exactly what it says, and several take what all of them do', async () => {
    const store = getStore()
    const repository = newRepository()
    const subject = newDigest()
    const nightly = await putManifest(store, repository, {
      tags: tags('nightly-1', 'x'),
      mediaType: 'x/one',
      artifactType: 'a/one',
      annotations: { a: 'b', c: '' },
      labels: { build: 'nightly', constructor: 'y' },
      platform: 'linux/arm64/v8',
    })
    const release = await putManifest(store, repository, {
      tags: tags('v1'),
      mediaType: 'x/two',
      artifactType: 'a/two',
      annotations: { a: 'c' },
      labels: { build: 'release' },
      platform: 'linux/arm64',
      subject,
    })
    const bare = await putManifest(store, repository, { mediaType: 'x/three' })
    const label = (key: string, operator: 'in' | 'notin' | 'exists' | 'absent', ...values: string[]) => ({
      labels: [{ key, operator, values }],
    })
    const cases: [filters: ManifestFilters, expected: Digest[]][] = [
      [{ tag: 'nightly-*' }, [nightly]],
      [{ tag: '*' }, [nightly, release]],
      [{ tag: 'v?' }, [release]],
      [{ tag: 'nothing' }, []],
      [{ mediaTypes: ['x/one', 'x/three'] }, [nightly, bare]],
      [{ artifactTypes: ['a/two', 'a/three'] }, [release]],
      [{ annotations: [{ key: 'a' }] }, [nightly, release]],
      [{ annotations: [{ key: 'a', value: 'b' }] }, [nightly]],
      [{ annotations: [{ key: 'a' }, { key: 'c', value: '' }] }, [nightly]],
      [{ annotations: [{ key: 'toString' }] }, []],
      [label('build', 'in', 'nightly', 'weekly'), [nightly]],
      [label('build', 'notin', 'nightly'), [release, bare]],
      [label('build', 'exists'), [nightly, release]],
      [label('build', 'absent'), [bare]],
      [label('constructor', 'exists'), [nightly]],
      [{ subject }, [release]],
      [{ platform: 'linux/arm64' }, [nightly, release]],
      [{ platform: 'linux/arm64/v8' }, [nightly]],
      [{ platform: 'linux/arm' }, []],
      [{ ...label('build', 'exists'), tag: '?1', platform: 'linux/arm64' }, [release]],
      [{ artifactTypes: ['a/one'], subject }, []],
    ]
    for (const [filters, expected] of cases) {
      assert.deepEqual(await digestsOf(store, repository, filters), expected, JSON.stringify(filters))
    }
  })

  test('times of pushes are filtered before and after an instant', async () => {
    const store = getStore()
    const repository = newRepository()
    const [early, late] = [manifestCommand(repository), manifestCommand(repository)]
    await commitOne(store, early)
    const first = now()
    await commitOne(store, late)
    const second = now()
    assert.deepEqual(await digestsOf(store, repository, { pushedBefore: second }), [early.digest])
    assert.deepEqual(await digestsOf(store, repository, { pushedBefore: first }), [])
    assert.deepEqual(await digestsOf(store, repository, { pushedAfter: first }), [late.digest])
    assert.deepEqual(await digestsOf(store, repository, { pushedAfter: first - 1, pushedBefore: second }), [
      early.digest,
    ])
  })
}

function testPulls(getStore: GetStore): void {
  test('the last pull counts, even if earlier ones are recorded later, and pulls of unknown manifests do not', async () => {
    const store = getStore()
    const repository = newRepository()
    const digest = await putManifest(store, repository)
    const at = tick()
    await pull(store, repository, digest, at)
    await pull(store, repository, digest, at - 5)
    await pull(store, repository, newDigest(), at)
    await pull(store, newRepository(), digest, at)
    const [found] = await readAll(store, queryOf(repository))
    assert.equal(found?.pulled, at)
    await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest })
    assert.deepEqual(await readAll(store, queryOf(repository, { sort: 'pulled' })), [])
  })

  test('a manifest that was never pulled counts as pulled when it was pushed', async () => {
    const store = getStore()
    const repository = newRepository()
    const [never, pulled] = [manifestCommand(repository), manifestCommand(repository)]
    await store.commit([never, pulled])
    const pushed = now()
    const at = tick()
    await pull(store, repository, pulled.digest, at)
    assert.deepEqual(await digestsOf(store, repository, { pulledBefore: pushed }), [])
    assert.deepEqual(await digestsOf(store, repository, { pulledBefore: at }), [never.digest])
    assert.deepEqual(await digestsOf(store, repository, { pulledBefore: at + 1 }), [
      never.digest,
      pulled.digest,
    ])
  })
}

function testUntagged(getStore: GetStore): void {
  test('untagged is what no tag reaches, neither through indexes nor as a referrer of what one reaches', async () => {
    const store = getStore()
    const repository = newRepository()
    const image = await putManifest(store, repository)
    const inner = await putManifest(store, repository, { edges: [edge('manifest', image)] })
    const outer = await putManifest(store, repository, { edges: [edge('manifest', inner)], tags: tags('v1') })
    const signature = await putManifest(store, repository, { subject: image })
    const ofSignature = await putManifest(store, repository, { subject: signature })
    const inReferrer = await putManifest(store, repository)
    const referrerIndex = await putManifest(store, repository, {
      subject: outer,
      edges: [edge('manifest', inReferrer)],
    })
    const loose = await putManifest(store, repository)
    const looseIndex = await putManifest(store, repository, { edges: [edge('manifest', loose)] })
    const ofLoose = await putManifest(store, repository, { subject: looseIndex })
    const ofNothing = await putManifest(store, repository, { subject: newDigest() })
    const subjectOfTagged = await putManifest(store, repository)
    await putManifest(store, repository, { subject: subjectOfTagged, tags: tags('sbom') })

    const untagged = [loose, looseIndex, ofLoose, ofNothing, subjectOfTagged]
    assert.deepEqual(await digestsOf(store, repository, { untagged: true }), untagged)
    const reached = await digestsOf(store, repository, { untagged: false })
    const first = [image, inner, outer, signature, ofSignature, inReferrer, referrerIndex]
    assert.deepEqual(reached.slice(0, 7), first)
    assert.equal(reached.length, 8)

    await commitOne(store, {
      type: 'deleteTag',
      actor: ANONYMOUS,
      repository,
      tag: 'v1' as never,
      condition: {},
    })
    assert.deepEqual(await digestsOf(store, repository, { untagged: true }), [...first, ...untagged])
  })
}
