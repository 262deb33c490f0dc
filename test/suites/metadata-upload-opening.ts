import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commitOne, newRepository, newToken, now, type PushStore } from './metadata-place.ts'
import { LEASE_MS, newUpload, openCommand } from './metadata-upload.ts'

/** Opening an upload: the only thing that is done to uploads here, so that a driver can begin with it. */
export function testOpening(getStore: () => Pick<PushStore, 'commit' | 'uploads'>): void {
  test('an upload that is opened first gets the key, and its holder opens it again with the same', async () => {
    const store = getStore()
    const upload = newUpload()
    const open = openCommand(upload)
    assert.deepEqual(await commitOne(store, open), { result: 'opened', key: open.key })
    const again = openCommand(upload, { claim: { lease: open.lease.token } })
    assert.deepEqual(await commitOne(store, again), { result: 'opened', key: open.key })
    const found = await store.uploads.find(upload.id)
    assert.ok(found !== undefined && found !== 'ended')
    assert.deepEqual([found.repository, found.version], [upload.repository, 2])
    assert.deepEqual(found.lease, { token: again.lease.token, until: now() + LEASE_MS })
  })

  test('an upload that is held is opened neither without its lease nor with another', async () => {
    const store = getStore()
    const upload = newUpload()
    const open = openCommand(upload)
    await commitOne(store, open)
    const lease = { token: open.lease.token, until: now() + LEASE_MS }
    for (const claim of [{ version: 0 }, { version: 1 }, { lease: newToken() }])
      assert.deepEqual(await commitOne(store, openCommand(upload, { claim })), { result: 'changed' })
    const found = await store.uploads.find(upload.id)
    assert.ok(found !== undefined && found !== 'ended')
    assert.deepEqual([found.version, found.lease], [1, lease])
  })

  test('an upload of another repository, or a claim to one without a row, is unknown', async () => {
    const store = getStore()
    const upload = newUpload()
    const open = openCommand(upload)
    await commitOne(store, open)
    const claim = { lease: open.lease.token }
    const stranger = openCommand({ ...upload, repository: newRepository() }, { claim })
    assert.deepEqual(await commitOne(store, stranger), { result: 'unknown' })
    const absent = openCommand(newUpload(), { claim: { version: 3 } })
    assert.deepEqual(await commitOne(store, absent), { result: 'unknown' })
    assert.equal(await store.uploads.find(absent.id), undefined)
  })
}
