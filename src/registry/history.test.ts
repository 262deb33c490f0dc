import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placeRegistry, pushImage } from '../../test/suites/registry-place.ts'
import { ANONYMOUS } from '../metadata/actor.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'

const repository = 'app' as RepositoryName
const unknown = 'unknown' as RepositoryName
const v1 = 'v1' as Tag
const page = { after: '', limit: 10 }

test('a tag is rolled back to a digest, or to what it was at a revision, if it is where it should be', async (t) => {
  const registry = await placeRegistry(t)
  const first = await pushImage(registry, repository, { tags: ['v1'] })
  const { revision } = await registry.repositories.state(repository)
  const second = await pushImage(registry, repository, { tags: ['v1'] })
  const condition = {}
  const { revision: before } = await registry.repositories.state(repository)
  const expected = { old: second, new: first, revision: before + 1 }
  assert.deepEqual(
    await registry.history.rollback(repository, v1, { revision, condition, actor: ANONYMOUS }),
    expected,
  )
  assert.equal((await registry.manifests.find(repository, { tag: v1 })).digest, first)
  const stale = { ifMatch: [second] }
  await assert.rejects(
    registry.history.rollback(repository, v1, { digest: second, condition: stale, actor: ANONYMOUS }),
    {
      id: 'PRECONDITION_FAILED',
    },
  )
  assert.equal(
    (await registry.history.rollback(repository, v1, { digest: second, condition, actor: ANONYMOUS })).new,
    second,
  )
  const { items } = await registry.history.tag(repository, v1, { before: 1e9, limit: 10 })
  assert.deepEqual(
    items.map(({ digest }) => digest),
    [second, first, second, first],
  )
})

test('a tag is not rolled back to a missing manifest, and the refusal says why', async (t) => {
  const registry = await placeRegistry(t)
  const first = await pushImage(registry, repository, { tags: ['v1'] })
  const { revision } = await registry.repositories.state(repository)
  await pushImage(registry, repository, { tags: ['v1'] })
  const rollback = (to: object, name = repository) =>
    registry.history.rollback(name, v1, { condition: {}, ...to } as never)
  await assert.rejects(rollback({ revision: 1 }), {
    id: 'MANIFEST_UNKNOWN',
    message: /did not exist at revision 1/,
  })
  await assert.rejects(rollback({ revision }, unknown), { id: 'NAME_UNKNOWN' })
  await assert.rejects(rollback({ digest: first }, unknown), { id: 'NAME_UNKNOWN' })
  await registry.manifests.delete(repository, first, ANONYMOUS)
  await assert.rejects(rollback({ revision }), { id: 'MANIFEST_DELETED', details: [{ digest: first }] })
  await registry.manifests.purge(repository, first, ANONYMOUS)
  await assert.rejects(rollback({ revision }), { id: 'CONTENT_GONE', details: [{ digest: first }] })
  await assert.rejects(rollback({ digest: first }), { id: 'MANIFEST_UNKNOWN' })
})

test('history older than its retention is refused as pruned, and newer history is complete', async (t) => {
  const registry = await placeRegistry(t, { retention: { history: 1000 } })
  const first = await pushImage(registry, repository, { tags: ['v1'] })
  const { last } = await registry.changes.bounds()
  registry.pass(2000)
  const second = await pushImage(registry, repository, { tags: ['v2'] })
  assert.equal((await registry.sweepNow()).changes, last)
  await assert.rejects(registry.history.tagsAt(repository, { revision: 1 }, page), { id: 'HISTORY_PRUNED' })
  await assert.rejects(registry.history.tagsAt(repository, { time: 5 }, page), { id: 'HISTORY_PRUNED' })
  await assert.rejects(
    registry.history.rollback(repository, v1, { revision: 1, condition: {}, actor: ANONYMOUS }),
    {
      id: 'HISTORY_PRUNED',
    },
  )
  for (const query of [{}, { repository }]) {
    await assert.rejects(registry.changes.read({ ...query, after: last - 1, limit: 10 }), {
      id: 'HISTORY_PRUNED',
      message: new RegExp(`continue after ${last + 2}`),
    })
    const { changes } = await registry.changes.read({ ...query, after: last, limit: 10 })
    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ['manifest-pushed', 'tag-set'],
    )
  }
  const { tags } = await registry.history.tagsAt(repository, { revision: 1e9 }, page)
  assert.deepEqual(
    tags.map(({ digest }) => digest),
    [first, second],
  )
})

test('an unknown repository has no history', async (t) => {
  const registry = await placeRegistry(t)
  const answers = [
    () => registry.history.tag(unknown, v1, { before: 1, limit: 1 }),
    () => registry.history.tagsAt(unknown, { revision: 1 }, page),
    () => registry.changes.read({ repository: unknown, after: 0, limit: 1 }),
    () => registry.repositories.state(unknown),
    () =>
      registry.manifests.list({
        repository: unknown,
        sort: 'pushed',
        descending: false,
        filters: {},
        limit: 1,
        maxBytes: 1,
      }),
  ]
  for (const ask of answers) await assert.rejects(ask(), { id: 'NAME_UNKNOWN' })
})
