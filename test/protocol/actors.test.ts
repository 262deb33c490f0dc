import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { ANYONE } from '../../src/registry/caller.ts'
import type { ChangeList } from './changes.ts'
import { openRegistry } from './open-registry.ts'

const ALICE = { ...ANYONE, actor: { kind: 'user', name: 'alice' } } as const

test('the change feed names the caller of each request that changes something', async (t) => {
  const { ask, push } = await openRegistry(t, (registry) => registry, ALICE)
  const post = async (path: string, body: object) => {
    const answer = await ask('POST', path, {
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
    })
    assert.ok(answer.ok, await answer.text())
  }
  const digest = await push('app', 'first', ['v1'])
  const second = await push('app', 'second', ['v1', 'v2'])
  await post('/v2/app/_stowage/tags/rollback', { tag: 'v1', to: digest })
  assert.equal((await ask('DELETE', '/v2/app/manifests/v2')).status, 202)
  assert.equal((await ask('DELETE', `/v2/app/manifests/${second}`)).status, 202)
  await push('app', 'second', ['v2'])
  assert.ok((await ask('DELETE', `/v2/app/_stowage/manifests/purge?digest=${second}`)).ok)
  const bytes = 'a layer'
  const layer = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  assert.equal((await ask('POST', `/v2/whole/blobs/uploads/?digest=${layer}`, { body: bytes })).status, 201)
  assert.equal((await ask('POST', `/v2/mounted/blobs/uploads/?mount=${layer}&from=whole`)).status, 201)
  const begun = await ask('POST', '/v2/chunked/blobs/uploads/')
  const closed = await ask('PUT', `${begun.headers.get('location')}?digest=${layer}`, { body: bytes })
  assert.equal(closed.status, 201)
  assert.equal((await ask('DELETE', '/v2/mounted/_stowage/repository/self')).status, 202)
  const { changes } = (await (
    await ask('GET', '/v2/_stowage/changes/list?since=0&n=100')
  ).json()) as ChangeList
  assert.equal(changes.at(-1)?.kind, 'repository-deleted')
  for (const change of changes) assert.equal(change.actor, 'alice', JSON.stringify(change))
})
