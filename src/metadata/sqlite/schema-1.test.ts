import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { schema1File } from '../../../test/data-folders/schema-1.ts'
import { commitOne, putManifest, sha256, tagged } from '../../../test/suites/metadata-place.ts'
import type { RepositoryName, Tag } from '../../oci/reference.ts'
import { ANONYMOUS } from '../actor.ts'
import type { ManifestQuery } from '../manifests.ts'
import type { MetadataStore } from '../metadata-store.ts'
import { sqliteMetadata } from './store.ts'

const repository = 'team/app' as RepositoryName
const [one, two, index, signature] = ['{"image":1}', '{"image":2}', '{"index":1}', '{"signature":1}'].map(
  sha256,
) as [
  ReturnType<typeof sha256>,
  ReturnType<typeof sha256>,
  ReturnType<typeof sha256>,
  ReturnType<typeof sha256>,
]
const list: ManifestQuery = {
  repository,
  sort: 'pushed',
  descending: false,
  filters: {},
  limit: 10,
  maxBytes: 1e6,
}

/** A store whose file was written by the program of schema 1. */
async function oldStore(t: TestContext): Promise<MetadataStore> {
  const store = await sqliteMetadata({ path: await schema1File(t) })
  t.after(() => store.close())
  return store
}

test('manifests of an old store are listed in the order of their pushes, with all that they reach', async (t) => {
  const store = await oldStore(t)
  const manifests = (await store.manifests.list(list))?.manifests ?? []
  assert.deepEqual(
    manifests.map(({ digest, totalSize, tags, parents }) => ({ digest, totalSize, tags, parents })),
    [
      { digest: two, totalSize: 11 + 92 + 5000, tags: [], parents: [index] },
      { digest: one, totalSize: 11 + 92 + 9 + 5000, tags: ['v1'], parents: [index] },
      { digest: index, totalSize: 33 + 92 + 9 + 5000, tags: ['latest'], parents: [] },
      { digest: signature, totalSize: 15 + 9, tags: [], parents: [] },
    ],
  )
  const young = await putManifest(store, repository)
  assert.equal((await store.manifests.list(list))?.manifests.at(-1)?.digest, young)
})

test('an old store has its history, from the first change on', async (t) => {
  const store = await oldStore(t)
  const history = await store.tags.history(repository, 'latest' as Tag, { before: 100, limit: 10 })
  assert.deepEqual(
    history?.items.map(({ digest, available }) => [digest, available]),
    [
      [index, true],
      [one, true],
    ],
  )
  const then = await store.tags.at(repository, { revision: 6 }, { after: '', limit: 10 })
  assert.ok(then !== undefined && then !== 'pruned')
  assert.deepEqual(
    then.tags.map(({ tag, digest }) => [tag, digest]),
    [
      ['latest', one],
      ['v1', one],
      ['v2', two],
    ],
  )
  assert.deepEqual(await store.log.bounds(), { floor: 0, last: 15 })
})

test('the image configs of an old store are there to be read, each once', async (t) => {
  const store = await oldStore(t)
  const found = await store.manifests.undescribed(10)
  assert.deepEqual(found.map(({ digest }) => digest).sort(), [one, two].sort())
  assert.ok(found.every(({ config }) => config?.content.bytes?.length === 92))
  const manifests = found.map((manifest) => ({ ...manifest, labels: { build: 'nightly' } }))
  await commitOne(store, { type: 'describeManifests', manifests })
  assert.deepEqual(await store.manifests.undescribed(10), [])
  const labels = [{ key: 'build', operator: 'exists', values: [] } as const]
  assert.equal((await store.manifests.list({ ...list, filters: { labels } }))?.manifests.length, 2)
})

test('manifests of an old store can be deleted and restored, and its repositories are counted', async (t) => {
  const store = await oldStore(t)
  const remove = { type: 'deleteManifest', actor: ANONYMOUS, repository, digest: index, keep: true } as const
  assert.deepEqual(await commitOne(store, remove), { result: 'deleted' })
  const undelete = {
    type: 'undeleteManifest',
    actor: ANONYMOUS,
    repository,
    digest: index,
    tags: ['again' as Tag],
  } as const
  assert.deepEqual(await commitOne(store, undelete), { result: 'restored', previousTags: ['latest'] })
  assert.equal(await tagged(store, repository, 'again'), index)
  const pending = await store.counts.pending(100)
  assert.deepEqual(pending.due, [1, 2])
  const count = await store.counts.count(1, new AbortController().signal)
  assert.deepEqual([count?.tags, count?.manifests, count?.blobs, count?.size], [2, 4, 3, 48 + 5101])
})
