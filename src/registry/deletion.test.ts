import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, placeRegistry, pushBlob, pushImage, until } from '../../test/suites/registry-place.ts'
import { ANONYMOUS } from '../metadata/actor.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'

const repository = 'app' as RepositoryName

/** What no push is let through by. */
async function* bytes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('x')
}

test('a deleted repository is invisible at once, and its bytes are removed soon after', async (t) => {
  const registry = await placeRegistry(t)
  const digest = await pushImage(registry, repository, { tags: ['v1'] })
  await registry.maintenance.counts.run(new AbortController().signal)
  const deletion = await registry.repositories.delete(repository, ANONYMOUS)
  assert.equal(deletion.total, 4)
  await assert.rejects(registry.manifests.read(repository, { digest }), { id: 'NAME_UNKNOWN' })
  const ended = await until(
    () => registry.repositories.deletion(repository),
    ({ finished }) => finished !== undefined,
  )
  assert.deepEqual([ended.id, ended.removed], [deletion.id, 4])
  await assert.rejects(registry.repositories.delete(repository, ANONYMOUS), { id: 'NAME_UNKNOWN' })
  await assert.rejects(registry.repositories.deletion('never' as RepositoryName), { id: 'NAME_UNKNOWN' })
})

test('while the rows of a deleted repository are being removed, every push to it and every request for its uploads is refused', async (t) => {
  const registry = await placeRegistry(t)
  const blob = await pushBlob(registry, 'source' as RepositoryName, 'layer')
  await pushImage(registry, repository)
  const old = await registry.uploads.start(repository)
  await registry.uploads.append(repository, old, { body: bytes() })
  // Only the command: nothing removes the rows before the sweeper does.
  await registry.parts.metadata.commit([{ type: 'deleteRepository', actor: ANONYMOUS, repository }])
  const push = {
    repository,
    bytes: Buffer.from('{"schemaVersion":2}'),
    contentType: 'application/vnd.a',
    digest: undefined,
    tags: ['v1' as Tag],
    condition: {},
    actor: ANONYMOUS,
  }
  const digest = digestOf('x')
  for (const refused of [
    registry.uploads.start(repository),
    registry.uploads.append(repository, old, { body: bytes() }),
    registry.uploads.finish(repository, old, { digest, actor: ANONYMOUS }, { body: bytes() }),
    registry.uploads.pushWhole(repository, { digest, actor: ANONYMOUS }, bytes()),
    registry.uploads.status(repository, old),
    registry.uploads.cancel(repository, old),
    registry.blobs.mount(repository, blob.digest, { from: 'source' as RepositoryName, actor: ANONYMOUS }),
    registry.manifests.push(push),
  ]) {
    await assert.rejects(refused, {
      id: 'REPOSITORY_DELETING',
      message: /try again when the deletion is complete/,
    })
  }
  assert.equal((await registry.repositories.delete(repository, ANONYMOUS)).finished, undefined)
  await registry.sweepNow()
  assert.notEqual((await registry.repositories.deletion(repository)).finished, undefined)
  await assert.rejects(registry.uploads.status(repository, old), { id: 'UPLOAD_UNKNOWN' })
  await registry.manifests.push(push)
  assert.equal((await registry.manifests.find(repository, { tag: 'v1' as Tag })).digest, digestOf(push.bytes))
})

test('a sweep continues the deletion of a repository that a stopped server left unfinished', async (t) => {
  const registry = await placeRegistry(t)
  for (let index = 0; index < 3; index++) await pushImage(registry, repository)
  await registry.parts.metadata.commit([{ type: 'deleteRepository', actor: ANONYMOUS, repository }])
  assert.ok((await registry.sweepNow()).rows > 10)
  assert.equal((await registry.sweepNow()).rows, 0)
})
