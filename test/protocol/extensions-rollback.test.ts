import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushImage, pushManifest, type TestManifest } from '../content.ts'
import { listChanges } from './changes.ts'
import { answered, BAD_BODIES, postJson, refusedBy } from './extension-posts.ts'
import { startForFile } from './file-server.ts'

const OWN = 'application/vnd.stowage.rollback.v1+json'
const { url } = await startForFile()

/** A tag `v1` that pointed to one image at revision 3, and points to another since revision 5. */
async function pushTwo(name: string): Promise<[first: string, second: string]> {
  const first = await pushImage(url, name, 'v1')
  const second = await pushImage(url, name, 'v1')
  return [first.digest, second.digest]
}

function rollBack(name: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return postJson(url, `${name} tags/rollback`, body, headers)
}

async function tagged(name: string, tag = 'v1'): Promise<string | null> {
  const found = await fetch(`${url}/v2/${name}/manifests/${tag}`, { method: 'HEAD' })
  return found.headers.get('docker-content-digest')
}

async function remove(name: string, reference: string): Promise<void> {
  const removed = await fetch(`${url}/v2/${name}/manifests/${reference}`, { method: 'DELETE' })
  assert.equal(removed.status, 202)
}

test('a tag is set to what it was at a revision, or to a digest', async () => {
  const name = 'rollback/both'
  const [first, second] = await pushTwo(name)
  for (const [to, old, digest, revision] of [
    [3, second, first, 6],
    [second, first, second, 7],
    [4, second, first, 8],
  ] as const) {
    const answer = await rollBack(name, { tag: 'v1', to })
    assert.equal(answer.headers.get('content-type'), OWN)
    assert.deepEqual(await answered(answer), { name, tag: 'v1', old, new: digest, revision })
    assert.equal(await tagged(name), digest)
    const { changes } = await listChanges(url, name, '?since=0')
    const { sequence: _, at: __, ...last } = changes.at(-1) ?? { sequence: 0, at: '' }
    assert.deepEqual(last, { repository: name, revision, kind: 'tag-set', subject: 'v1', old, new: digest })
  }
})

test('a rollback to what the tag is already changes nothing', async () => {
  const name = 'rollback/same'
  const [, second] = await pushTwo(name)
  const same = { name, tag: 'v1', old: second, new: second, revision: 5 }
  for (const to of [5, second]) assert.deepEqual(await answered(rollBack(name, { tag: 'v1', to })), same)
})

test('a tag that was removed, or never was, is there after a rollback', async () => {
  const name = 'rollback/removed'
  const [first, second] = await pushTwo(name)
  await remove(name, 'v1')
  await refusedBy(rollBack(name, { tag: 'v1', to: 5 }, { 'If-Match': '*' }), 412, 'DENIED')
  const back = await answered(rollBack(name, { tag: 'v1', to: 5 }, { 'If-None-Match': '*' }))
  assert.deepEqual(back, { name, tag: 'v1', new: second, revision: 7 })
  assert.equal((await answered(rollBack(name, { tag: 'stable', to: first }))).new, first)
  assert.equal(await tagged(name, 'stable'), first)
  const [error] = await refusedBy(rollBack(name, { tag: 'v1', to: 6 }), 404, 'MANIFEST_UNKNOWN')
  assert.match(error.message, /did not exist at revision 6/)
})

test('of several rollbacks with the same If-Match one is done', async () => {
  const name = 'rollback/race'
  const images: TestManifest[] = []
  for (let index = 0; index < 5; index++) images.push(await pushImage(url, name, 'v1'))
  const last = images.pop()
  const headers = { 'If-Match': `"${last?.digest}"` }
  const answers = await Promise.all(
    images.map(({ digest }) => rollBack(name, { tag: 'v1', to: digest }, headers)),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412, 412])
  const winner = images[answers.findIndex(({ status }) => status === 200)]
  assert.equal(await tagged(name), winner?.digest)
})

test('a rollback to a deleted manifest is refused with how to bring it back, and works after that', async () => {
  const name = 'rollback/deleted'
  const [first] = await pushTwo(name)
  await remove(name, first)
  for (const to of [3, first]) {
    const [error] = await refusedBy(rollBack(name, { tag: 'v1', to }), 409, 'MANIFEST_UNKNOWN')
    assert.partialDeepStrictEqual(error.detail, { reason: 'MANIFEST_DELETED', digest: first })
    const [, path = '', body = ''] = /POST \/v2\/\S+\/_stowage\/(\S+) (\{.*\})$/.exec(error.message) ?? []
    assert.ok(error.message.includes(`/v2/${name}/`))
    await answered(postJson(url, `${name} ${path}`, body))
    assert.equal((await answered(rollBack(name, { tag: 'v1', to }))).new, first)
    await remove(name, first)
  }
})

test('a rollback to a manifest that is no longer kept is refused, and the error names it', async () => {
  const name = 'rollback/purged'
  const [first] = await pushTwo(name)
  const purged = await fetch(`${url}/v2/${name}/_stowage/manifests/purge?digest=${first}`, {
    method: 'DELETE',
  })
  assert.equal(purged.status, 202)
  const [gone] = await refusedBy(rollBack(name, { tag: 'v1', to: 3 }), 409, 'MANIFEST_BLOB_UNKNOWN')
  assert.partialDeepStrictEqual(gone.detail, { reason: 'CONTENT_GONE', digest: first })
  await refusedBy(rollBack(name, { tag: 'v1', to: first }), 404, 'MANIFEST_UNKNOWN')
  await refusedBy(rollBack('rollback/unknown', { tag: 'v1', to: 3 }), 404, 'NAME_UNKNOWN')
})

test('a rollback to a manifest of another repository is refused', async () => {
  const [first] = await pushTwo('rollback/here')
  await pushTwo('rollback/elsewhere')
  await refusedBy(rollBack('rollback/elsewhere', { tag: 'v1', to: first }), 404, 'MANIFEST_UNKNOWN')
})

test('a wrong body is refused with the reason, and nothing is done', async () => {
  const name = 'rollback/bad'
  const [first, second] = await pushTwo(name)
  for (const [body, message] of [
    ...BAD_BODIES,
    ['{"tag":"v1"}', /^body is missing the field "to"$/],
    [`{"to":"${first}"}`, /^body is missing the field "tag"$/],
    [`{"tag":"-v","to":"${first}"}`, /^the field "tag" is "-v", not up to 128/],
    [`{"tag":["v1"],"to":"${first}"}`, /^the field "tag" is \["v1"\], not a string/],
    ['{"tag":"v1","to":"3"}', /^the field "to" is "3", which is neither a digest nor a revision/],
    ['{"tag":"v1","to":0}', /^the field "to" is 0, which is neither/],
    ['{"tag":"v1","to":2.5}', /^the field "to" is 2.5, which is neither/],
    ['{"tag":"v1","to":null}', /^the field "to" is null, which is neither/],
    ['{"tag":"v1","to":6}', /^the field "to" is 6, a revision in the future; the newest one is 5$/],
    [`{"tag":"v1","to":3,"to":"${first}"}`, /twice/],
  ] as const) {
    const [error] = await refusedBy(rollBack(name, body), 400, 'UNSUPPORTED')
    assert.match(error.message, message)
  }
  await refusedBy(rollBack(name, '{}', { 'Content-Type': 'text/plain' }), 415, 'UNSUPPORTED')
  await refusedBy(rollBack(name, `{"tag":"${'v'.repeat(65_536)}"}`), 413, 'SIZE_INVALID')
  assert.equal(await tagged(name), second)
  const used = await pushManifest(url, name, await pushImage(url, name), 'v2')
  assert.equal(used.status, 201)
})
