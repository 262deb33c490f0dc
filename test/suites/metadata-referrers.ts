import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReferrersQuery } from '../../src/metadata/manifests.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Descriptor } from '../../src/oci/manifest.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import { type GetStore, manifestCommand, newDigest, newRepository, putManifest } from './metadata-place.ts'

/** Referrers: what is in a descriptor, filters, and pages bounded by count and by bytes. */
export function testReferrers(getStore: GetStore): void {
  testDescriptors(getStore)
  testPages(getStore)
  testFilters(getStore)
  testBound(getStore)
  testBytes(getStore)
}

const MIB = 1024 * 1024

function queryOf(
  repository: RepositoryName,
  subject: Digest,
  changes: Partial<ReferrersQuery> = {},
): ReferrersQuery {
  return { repository, subject, artifactTypes: [], after: '', limit: 10_000, maxBytes: 3 * MIB, ...changes }
}

/** Reads all pages. @param onPage sees each page */
async function readPages(
  getStore: GetStore,
  query: ReferrersQuery,
  onPage: (descriptors: Descriptor[]) => void = () => {},
): Promise<Descriptor[]> {
  const found: Descriptor[] = []
  for (let after = query.after; ; ) {
    const page = await getStore().manifests.referrers({ ...query, after })
    onPage(page.descriptors)
    found.push(...page.descriptors)
    if (page.next === undefined) return found
    assert.ok(page.next > after, 'the next page does not begin behind this one')
    after = page.next
  }
}

function testDescriptors(getStore: GetStore): void {
  test('a referrer is described by its media type, digest, size, artifact type and annotations', async () => {
    const store = getStore()
    const [repository, subject] = [newRepository(), newDigest()]
    const annotations = { 'a.b': '', 'ü\u0000"\\': '日本 😀 \u2028' }
    const plain = manifestCommand(repository, { subject, mediaType: 'x/plain' })
    const full = manifestCommand(repository, {
      subject,
      mediaType: 'x/full',
      artifactType: 'a/t',
      annotations,
    })
    await store.commit([plain, full])
    const expected = [
      { mediaType: 'x/plain', digest: plain.digest, size: plain.bytes.length },
      { mediaType: 'x/full', digest: full.digest, size: full.bytes.length, artifactType: 'a/t', annotations },
    ]
    const found = await readPages(getStore, queryOf(repository, subject))
    assert.deepEqual(
      found,
      expected.sort((one, two) => (one.digest < two.digest ? -1 : 1)),
    )
  })

  test('only what refers to this subject in this repository is listed', async () => {
    const store = getStore()
    const [repository, other, subject] = [newRepository(), newRepository(), newDigest()]
    const digest = await putManifest(store, repository, { subject })
    await putManifest(store, repository, { subject: newDigest() })
    await putManifest(store, repository)
    await putManifest(store, other, { subject })
    const found = await readPages(getStore, queryOf(repository, subject))
    assert.deepEqual(
      found.map((descriptor) => descriptor.digest),
      [digest],
    )
  })

  test('nothing refers to an unknown subject or in an unknown repository', async () => {
    const store = getStore()
    const repository = newRepository()
    await putManifest(store, repository, { subject: newDigest() })
    for (const name of [repository, newRepository()]) {
      assert.deepEqual(await store.manifests.referrers(queryOf(name, newDigest())), { descriptors: [] })
    }
  })
}

/** Pushes referrers of the given artifact types. @returns their digests in order */
async function pushReferrers(
  getStore: GetStore,
  repository: RepositoryName,
  subject: Digest,
  types: (string | undefined)[],
): Promise<Map<string | undefined, Digest[]>> {
  const commands = types.map((type) =>
    manifestCommand(repository, { subject, ...(type !== undefined && { artifactType: type }) }),
  )
  await getStore().commit(commands)
  const byType = new Map<string | undefined, Digest[]>()
  for (const { artifactType, digest } of commands) {
    byType.set(artifactType, [...(byType.get(artifactType) ?? []), digest].sort())
  }
  return byType
}

function testPages(getStore: GetStore): void {
  test('pages bounded by count cover every referrer exactly once, in order', async () => {
    const [repository, subject] = [newRepository(), newDigest()]
    const byType = await pushReferrers(getStore, repository, subject, Array(10).fill('a/t'))
    for (const limit of [1, 2, 3, 9, 10, 11]) {
      const found = await readPages(getStore, queryOf(repository, subject, { limit }), (descriptors) => {
        assert.ok(descriptors.length > 0 && descriptors.length <= limit)
      })
      assert.deepEqual(
        found.map(({ digest }) => digest),
        byType.get('a/t'),
      )
    }
  })

  test('a page that holds everything has no next', async () => {
    const [repository, subject] = [newRepository(), newDigest()]
    await pushReferrers(getStore, repository, subject, Array(3).fill('a/t'))
    for (const limit of [3, 4]) {
      const page = await getStore().manifests.referrers(queryOf(repository, subject, { limit }))
      assert.equal(page.descriptors.length, 3)
      assert.equal('next' in page, false)
    }
  })
}

const TYPES = ['a/t', 'a/T', 'a/t2', 'a_t', 'a%', '%', '', 'null', "a'/t", 'a/t\u0000x', 'ä/日本', undefined]

function testFilters(getStore: GetStore): void {
  test('a filter takes exactly the artifact types that it names, in pages of any size', async () => {
    const [repository, subject] = [newRepository(), newDigest()]
    const byType = await pushReferrers(getStore, repository, subject, [...TYPES, ...TYPES, ...TYPES])
    const filters = [...TYPES.map((type) => [type]), ['a/t', 'a_t'], ['nothing'], ['a/t', 'nothing', 'a/t']]
    for (const filter of filters) {
      const artifactTypes = filter.filter((type) => type !== undefined)
      if (artifactTypes.length === 0) continue
      const expected = [...new Set(artifactTypes)].flatMap((type) => byType.get(type) ?? []).sort()
      for (const limit of [1, 2, 100]) {
        const found = await readPages(getStore, queryOf(repository, subject, { artifactTypes, limit }))
        const digests = found.map(({ digest }) => digest)
        assert.deepEqual(digests, expected, `${JSON.stringify(artifactTypes)} by ${limit}`)
      }
    }
  })
}

function testBound(getStore: GetStore): void {
  test('a page looks at a bounded number of referrers, and links to the next ones', async () => {
    const store = getStore()
    const [repository, subject] = [newRepository(), newDigest()]
    const others = Array.from({ length: 10_500 }, () =>
      manifestCommand(repository, { subject, artifactType: 'x' }),
    )
    const wanted = manifestCommand(repository, { subject, artifactType: 'a/t' })
    await store.commit([...others, wanted])
    let pages = 0
    const query = queryOf(repository, subject, { artifactTypes: ['a/t'] })
    const found = await readPages(getStore, query, () => {
      pages++
    })
    assert.deepEqual(
      found.map(({ digest }) => digest),
      [wanted.digest],
    )
    assert.equal(pages, 2)
  })
}

/** Asserts that pages bounded by bytes hold no more than that, unless one descriptor alone is larger. */
async function assertBounded(
  getStore: GetStore,
  {
    maxBytes,
    count,
    ...changes
  }: { maxBytes: number; count: number; annotations?: Record<string, string>; artifactType?: string },
): Promise<void> {
  const [repository, subject] = [newRepository(), newDigest()]
  const commands = Array.from({ length: count }, () => manifestCommand(repository, { subject, ...changes }))
  await getStore().commit(commands)
  let pages = 0
  const found = await readPages(getStore, queryOf(repository, subject, { maxBytes }), (descriptors) => {
    pages++
    const bytes = Buffer.byteLength(JSON.stringify(descriptors))
    assert.ok(descriptors.length <= 1 || bytes <= maxBytes, `a page has ${bytes} bytes, not ${maxBytes}`)
  })
  const digests = found.map(({ digest }) => digest)
  assert.deepEqual(digests, commands.map(({ digest }) => digest).sort())
  assert.ok(pages > 1)
}

function testBytes(getStore: GetStore): void {
  test('pages bounded by bytes cover every referrer exactly once', async () => {
    await assertBounded(getStore, { maxBytes: 5_000, count: 30 })
    await assertBounded(getStore, { maxBytes: 5_000, count: 10, annotations: { text: 'x'.repeat(1_500) } })
  })

  test('a descriptor that is larger than a page is on its own page', async () => {
    await assertBounded(getStore, { maxBytes: 500, count: 4, annotations: { text: 'x'.repeat(5_000) } })
    await assertBounded(getStore, { maxBytes: 0, count: 4 })
  })

  test('annotations count by their bytes, not by their characters', async () => {
    await assertBounded(getStore, { maxBytes: 10_000, count: 20, annotations: { text: '日'.repeat(2_000) } })
  })

  test('artifact types count too, since the client chooses their length', async () => {
    await assertBounded(getStore, { maxBytes: 10_000, count: 20, artifactType: `a/${'t'.repeat(5_000)}` })
  })

  test('large referrers that a filter leaves out do not hide those that it takes', async () => {
    const store = getStore()
    const [repository, subject] = [newRepository(), newDigest()]
    const commands = Array.from({ length: 12 }, (_, index) =>
      manifestCommand(repository, {
        subject,
        artifactType: index % 3 === 0 ? 'a/t' : 'other',
        annotations: { text: 'x'.repeat(10_000) },
      }),
    )
    await store.commit(commands)
    const query = queryOf(repository, subject, { artifactTypes: ['a/t'], maxBytes: 1_000 })
    const digests = (await readPages(getStore, query)).map(({ digest }) => digest)
    const wanted = commands.filter(({ artifactType }) => artifactType === 'a/t')
    assert.deepEqual(digests, wanted.map(({ digest }) => digest).sort())
  })
}
