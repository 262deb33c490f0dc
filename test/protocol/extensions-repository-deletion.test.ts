import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, pushBlob, pushImage, pushManifest } from '../content.ts'
import { listChanges, type ToldChange } from './changes.ts'
import { type ClockedRegistry, clockedRegistry } from './clocked-registry.ts'
import { answered, refusedBy } from './extension-posts.ts'
import { startForFile } from './file-server.ts'

const OWN = 'application/vnd.stowage.deletion.v1+json'
const { url } = await startForFile()

function deletionUrl(name: string, module = 'deletion'): string {
  return `${url}/v2/${name}/_stowage/repository/${module}`
}

async function deleteRepository(name: string): Promise<Response> {
  return await fetch(deletionUrl(name, 'self'), { method: 'DELETE' })
}

/** Asks for the status, as `Location` has it, until the repository is gone. */
async function untilDeleted(answer: Response): Promise<Record<string, unknown>> {
  const status = new URL(answer.headers.get('location') ?? '', url)
  for (let tries = 0; tries < 10_000; tries++) {
    const told = await answered(fetch(status))
    if (told.state === 'deleted') return told
    assert.equal(told.state, 'deleting')
  }
  assert.fail('the repository is never gone')
}

test('no response shows a deleted repository, and its status is reported until nothing is left', async () => {
  const name = 'deletion/app'
  const image = await pushImage(url, name, 'v1')
  const shared = await pushBlob(url, name, 'shared')
  for (const other of [`${name}/below`, 'deletion/other']) {
    await pushBlob(url, other, 'shared')
    await pushImage(url, other, 'v1')
  }
  const answer = await deleteRepository(name)
  assert.equal(answer.status, 202)
  assert.equal(answer.headers.get('content-type'), OWN)
  assert.equal(answer.headers.get('location'), `/v2/${name}/_stowage/repository/deletion`)
  const begun = (await answer.json()) as Record<string, unknown>
  assert.deepEqual([begun.name, begun.state, begun.removed], [name, 'deleting', 0])
  for (const path of [
    ...['tags/list', 'manifests/v1', `manifests/${image.digest}`, `blobs/${shared}`],
    ...['_stowage/manifests/list', '_stowage/tags/list', '_stowage/tags/history?tag=v1', '_oci/ext/discover'],
  ]) {
    assert.equal((await fetch(`${url}/v2/${name}/${path}`)).status, 404, path)
  }
  const catalog = (await (await fetch(`${url}/v2/_catalog`)).json()) as { repositories: string[] }
  assert.deepEqual(
    catalog.repositories.filter((one) => one.startsWith('deletion/')),
    [`${name}/below`, 'deletion/other'],
  )
  const ended = await untilDeleted(answer)
  assert.ok(String(ended.finishedAt) >= String(ended.deletedAt))
  // The tag, the manifest, its config and layer, and the blob.
  assert.equal(ended.removed, 5)
  for (const other of [`${name}/below`, 'deletion/other']) {
    assert.equal(await (await fetch(`${url}/v2/${other}/blobs/${shared}`)).text(), 'shared')
    assert.equal((await fetch(`${url}/v2/${other}/manifests/v1`)).status, 200)
  }
})

test('a name that is pushed to again is a new repository', async () => {
  const name = 'deletion/again'
  const image = await pushImage(url, name, 'v1')
  const list = `${url}/v2/${name}/_stowage/manifests/list`
  const etag = (await fetch(list)).headers.get('etag') ?? ''
  const since = (await listChanges(url, '', '?since=0')).last
  await untilDeleted(await deleteRepository(name))
  await refusedBy(pushManifest(url, name, image, 'v2'), 400, 'MANIFEST_BLOB_UNKNOWN')
  await pushImage(url, name, 'v2')
  assert.equal((await fetch(list, { headers: { 'If-None-Match': etag } })).status, 200)
  await refusedBy(fetch(`${url}/v2/${name}/_stowage/tags/history?tag=v1`), 404, 'MANIFEST_UNKNOWN')
  const { revision } = await answered(fetch(`${url}/v2/${name}/_stowage/tags/list`))
  assert.equal(revision, 3)
  const { changes } = await listChanges(url, '', `?since=${since}`)
  const ofName = changes.filter(({ repository }: ToldChange) => repository === name)
  assert.deepEqual(
    ofName.map(({ kind, revision: at }) => [kind, at]),
    [
      ['repository-deleted', 4],
      ['repository-created', 1],
      ['manifest-pushed', 2],
      ['tag-set', 3],
    ],
  )
  // It tells of the one before.
  assert.equal((await answered(fetch(deletionUrl(name)))).state, 'deleted')
})

test('an unknown repository cannot be deleted, and has no status of a deletion', async () => {
  const name = 'deletion/unknown'
  await refusedBy(deleteRepository(name), 404, 'NAME_UNKNOWN')
  const [never] = await refusedBy(fetch(deletionUrl(name)), 404, 'NAME_UNKNOWN')
  assert.match(never.message, /^no repository with this name was deleted/)
  await pushImage(url, name, 'v1')
  await refusedBy(fetch(deletionUrl(name)), 404, 'NAME_UNKNOWN')
  await untilDeleted(await deleteRepository(name))
  await refusedBy(deleteRepository(name), 404, 'NAME_UNKNOWN')
  for (const module of ['self', 'deletion']) {
    const other = await fetch(deletionUrl(name, module), { method: 'POST' })
    assert.equal(other.status, 405)
    assert.equal(other.headers.get('allow'), module === 'self' ? 'DELETE' : 'GET, HEAD')
  }
})

/** More than fits into the database. */
const LAYER = Buffer.alloc(100_000, 'x')
const INDEX = { 'Content-Type': 'application/vnd.oci.image.index.v1+json' }

async function pushIndex(registry: ClockedRegistry, name: string): Promise<Response> {
  return await registry.request(
    'PUT',
    `/v2/${name}/manifests/v1`,
    '{"schemaVersion":2,"manifests":[]}',
    INDEX,
  )
}

/** Everything by which a client pushes. */
async function pushes(registry: ClockedRegistry, upload: string): Promise<Response[]> {
  const digest = digestOf(LAYER)
  return [
    await registry.request('POST', '/v2/app/blobs/uploads/'),
    await registry.request('POST', `/v2/app/blobs/uploads/?digest=${digest}`, LAYER),
    await registry.request('POST', `/v2/app/blobs/uploads/?mount=${digest}&from=other`),
    await registry.request('PATCH', upload, 'x'),
    await registry.request('PUT', `${upload}?digest=${digest}`, LAYER),
    await pushIndex(registry, 'app'),
  ]
}

test('while a repository is being deleted, pushes to it are refused; afterwards they are accepted', async (t) => {
  const registry = await clockedRegistry(t)
  const digest = digestOf(LAYER)
  for (const name of ['app', 'other']) {
    await registry.request('POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, LAYER)
    assert.equal((await pushIndex(registry, name)).status, 201)
  }
  const begun = await registry.request('POST', '/v2/app/blobs/uploads/')
  const upload = begun.headers.get('location') ?? ''
  await registry.request('PATCH', upload, 'x')
  await registry.beginDeletion('app')
  for (const refused of await pushes(registry, upload)) {
    const [{ message }] = await refusedBy(refused, 409, 'DENIED')
    assert.equal(message, 'the repository is being deleted; try again when the deletion is complete')
  }
  const status = () => registry.request('GET', '/v2/app/_stowage/repository/deletion')
  const before = await answered(status())
  assert.deepEqual([before.state, before.removed, before.finishedAt], ['deleting', 0, undefined])
  assert.equal((await registry.request('GET', '/v2/app/tags/list')).status, 404)
  await registry.sweep()
  const after = await answered(status())
  assert.deepEqual([after.state, after.removed], ['deleted', 3])
  assert.equal((await registry.request('PATCH', upload, 'x')).status, 404)
  assert.equal((await pushIndex(registry, 'app')).status, 201)
})

test('deleting a repository that is being deleted is not an error', async (t) => {
  const registry = await clockedRegistry(t)
  assert.equal((await pushIndex(registry, 'app')).status, 201)
  await registry.beginDeletion('app')
  const again = await registry.request('DELETE', '/v2/app/_stowage/repository/self')
  assert.equal(again.status, 202)
  assert.equal(((await again.json()) as { state: string }).state, 'deleting')
})

test('the bytes of a deleted repository are removed, except those that another repository has', async (t) => {
  const registry = await clockedRegistry(t, { deletedManifests: 1_000_000 })
  const own = Buffer.alloc(100_000, 'y')
  for (const [name, bytes] of [
    ['app', LAYER],
    ['app', own],
    ['other', LAYER],
  ] as const) {
    await registry.request('POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`, bytes)
  }
  await pushIndex(registry, 'app')
  // What was pushed twice is there once, after a while.
  await registry.sweepOut()
  assert.equal(await registry.files(), 2)
  assert.equal((await registry.request('DELETE', '/v2/app/_stowage/repository/self')).status, 202)
  await registry.sweepOut()
  assert.equal(await registry.files(), 1)
  const kept = await registry.request('GET', `/v2/other/blobs/${digestOf(LAYER)}`)
  assert.deepEqual(Buffer.from(await kept.arrayBuffer()), LAYER)
})
