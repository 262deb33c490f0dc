import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome } from '../../src/metadata/command.ts'
import type { UploadClaim } from '../../src/metadata/uploads.ts'
import {
  blobCommand,
  commitOne,
  type GetStore,
  isGarbage,
  newRepository,
  newToken,
  now,
  testClock,
} from './metadata-place.ts'
import { KEYED, keyedUpload, newUpload, openCommand, saveCommand } from './metadata-upload.ts'

/** Uploads: who may write, what is kept, and how they become blobs. */
export function testUploads(getStore: GetStore): void {
  testRows(getStore)
  testLeases(getStore)
  testLettingGo(getStore)
  testClaims(getStore)
  testStrangers(getStore)
  testClosing(getStore)
}

function testRows(getStore: GetStore): void {
  test('an upload without a row is unknown, and its first save makes the row', async () => {
    const store = getStore()
    const upload = newUpload()
    assert.equal(await store.uploads.find(upload.id), undefined)
    const digests = { sha256: 'ab', blake3: 'cd' }
    for (const bytes of [Buffer.from('bytes'), new Uint8Array()]) {
      const { id } = newUpload()
      const save = saveCommand(
        { ...upload, id },
        { version: 0 },
        { offset: bytes.length, content: { bytes }, digests },
      )
      assert.deepEqual(await commitOne(store, save), { result: 'saved', version: 1 })
      const found = await store.uploads.find(id)
      assert.ok(found !== undefined && found !== 'ended')
      assert.deepEqual(Buffer.from(found.content.bytes ?? 'nothing'), Buffer.from(bytes))
      const { repository } = upload
      const position = { offset: bytes.length, content: undefined, digests }
      assert.deepEqual(
        { ...found, content: undefined, acknowledged: { ...found.acknowledged, content: undefined } },
        { repository, version: 1, ...position, acknowledged: position, mustMove: false },
      )
    }
    assert.equal(await store.repositories.exists(upload.repository), false)
  })

  test('an upload that outgrows its row leaves its bytes for a key and a state', async () => {
    const store = getStore()
    const upload = newUpload()
    const small = saveCommand(upload, { version: 0 })
    await commitOne(store, small)
    const open = openCommand(upload, { claim: { version: 1 } })
    const opened = await commitOne(store, open)
    assert.ok(opened.result === 'opened')
    assert.equal(opened.key, open.key)
    const save = { offset: 100, content: { state: '1:100' } }
    await commitOne(store, saveCommand(upload, { lease: open.lease.token }, save))
    const found = await store.uploads.find(upload.id)
    const position = { offset: 100, content: { key: open.key, state: '1:100' }, digests: {} }
    assert.deepEqual(found, {
      repository: upload.repository,
      version: 3,
      ...position,
      acknowledged: position,
      mustMove: false,
    })
  })

  test('an upload keeps its first key, however often it is opened', async () => {
    const store = getStore()
    const { upload, key } = await keyedUpload(store)
    const opened = await commitOne(store, openCommand(upload, { claim: KEYED }))
    assert.ok(opened.result === 'opened')
    assert.equal(opened.key, key)
  })
}

function testLeases(getStore: GetStore): void {
  test('an upload that is held cannot be changed without the lease, however late it is', async () => {
    const store = getStore()
    const upload = newUpload()
    const first = openCommand(upload)
    assert.equal((await commitOne(store, first)).result, 'opened')
    const found = await store.uploads.find(upload.id)
    assert.ok(found !== undefined && found !== 'ended')
    const until = now() + first.lease.duration
    assert.deepEqual(found.lease, { token: first.lease.token, until })
    for (const at of [until - 1, until + 1]) {
      testClock.set(at)
      const claim: UploadClaim = { version: found.version }
      const outcomes: Outcome[] = await store.commit([
        openCommand(upload, { claim }),
        saveCommand(upload, claim),
        { type: 'revertUpload', ...upload, claim },
      ])
      for (const outcome of outcomes) assert.deepEqual(outcome, { result: 'changed' })
    }
  })

  test('who lost a lease can neither save, nor release, nor close, and harms nothing', async () => {
    const store = getStore()
    const upload = newUpload()
    const lost = openCommand(upload)
    const held = { lease: { token: newToken(), duration: lost.lease.duration } }
    await store.commit([lost, { type: 'seizeUpload', ...upload, ...held }])
    const before = await store.uploads.find(upload.id)
    const claim = { lease: lost.lease.token }
    const put = blobCommand(upload.repository, {
      upload: { id: upload.id, claim },
      content: { key: lost.key },
    })
    const [saved, released, closed] = await store.commit([
      saveCommand(upload, claim),
      { type: 'releaseUpload', id: upload.id, lease: lost.lease.token },
      put,
    ])
    assert.notEqual(saved.result, 'saved')
    assert.equal(released.result, 'unknown')
    assert.notEqual(closed.result, 'stored')
    assert.deepEqual(await store.uploads.find(upload.id), before)
    assert.equal(await store.blobs.find(upload.repository, put.digest), undefined)
    assert.equal(await store.repositories.exists(upload.repository), false)
    const goesOn = await commitOne(store, saveCommand(upload, { lease: held.lease.token }))
    assert.deepEqual(goesOn, { result: 'saved', version: 3 })
  })
}

function testLettingGo(getStore: GetStore): void {
  test('a save may keep the lease or release it', async () => {
    const store = getStore()
    const upload = newUpload()
    const open = openCommand(upload)
    const lease = { token: open.lease.token, duration: open.lease.duration + 10_000 }
    await store.commit([open, saveCommand(upload, { lease: lease.token }, { lease })])
    const held = await store.uploads.find(upload.id)
    assert.ok(held !== undefined && held !== 'ended')
    assert.deepEqual(held.lease, { token: lease.token, until: now() + lease.duration })
    await commitOne(store, saveCommand(upload, { lease: lease.token }))
    const free = await store.uploads.find(upload.id)
    assert.ok(free !== undefined && free !== 'ended')
    assert.equal(free.lease, undefined)
  })

  test('a released upload is as it was, and free at once', async () => {
    const store = getStore()
    const { upload, key } = await keyedUpload(store)
    const before = await store.uploads.find(upload.id)
    const open = openCommand(upload, { claim: KEYED })
    const release = { type: 'releaseUpload', id: upload.id, lease: open.lease.token } as const
    const [, wrong, right, again] = await store.commit([
      open,
      { ...release, lease: newToken() },
      release,
      release,
    ])
    assert.deepEqual([wrong.result, right.result, again.result], ['unknown', 'released', 'unknown'])
    assert.ok(before !== undefined && before !== 'ended')
    assert.deepEqual(await store.uploads.find(upload.id), { ...before, version: 3 })
    assert.equal(await isGarbage(store, key), false)
    const next = openCommand(upload, { claim: { version: 3 } })
    assert.equal((await commitOne(store, next)).result, 'opened')
  })
}

function testClaims(getStore: GetStore): void {
  test('an upload that a writer has changed since the caller read it is not changed', async () => {
    const store = getStore()
    const { upload } = await keyedUpload(store)
    for (const version of [0, 1, 3]) {
      assert.deepEqual(await commitOne(store, openCommand(upload, { claim: { version } })), {
        result: 'changed',
      })
      assert.deepEqual(await commitOne(store, saveCommand(upload, { version })), { result: 'changed' })
    }
    const fresh = openCommand(newUpload(), { claim: { version: 7 } })
    assert.deepEqual(await commitOne(store, fresh), { result: 'unknown' })
    assert.equal(await store.uploads.find(fresh.id), undefined)
  })

  test('a save with an unknown claim changes nothing', async () => {
    const store = getStore()
    const { upload } = await keyedUpload(store)
    const before = await store.uploads.find(upload.id)
    for (const lease of [newToken(), '', 'null']) {
      assert.notEqual((await commitOne(store, saveCommand(upload, { lease }))).result, 'saved')
    }
    assert.deepEqual(await store.uploads.find(upload.id), before)
    const unknown = newUpload()
    assert.deepEqual(await commitOne(store, saveCommand(unknown, { lease: newToken() })), {
      result: 'unknown',
    })
    assert.deepEqual(await commitOne(store, saveCommand(unknown, { version: 5 })), { result: 'unknown' })
    assert.equal(await store.uploads.find(unknown.id), undefined)
  })
}

function testStrangers(getStore: GetStore): void {
  test('an upload cannot be touched from another repository', async () => {
    const store = getStore()
    const { upload, key } = await keyedUpload(store)
    const open = openCommand(upload, { claim: KEYED })
    await commitOne(store, open)
    const before = await store.uploads.find(upload.id)
    const stranger = { id: upload.id, repository: newRepository() }
    const claims = [{ lease: open.lease.token }, KEYED]
    testClock.set(now() + open.lease.duration + 1)
    const outcomes = await store.commit([
      openCommand(stranger, { claim: KEYED }),
      ...claims.map((claim) => saveCommand(stranger, claim)),
      ...claims.map((claim) => blobCommand(stranger.repository, { upload: { id: upload.id, claim } })),
      { type: 'endUpload', ...stranger },
    ])
    for (const { result } of outcomes) assert.match(result, /unknown$/)
    assert.deepEqual(await store.uploads.find(upload.id), before)
    assert.equal(await store.repositories.exists(stranger.repository), false)
    assert.equal(await isGarbage(store, key), false)
  })
}

function testClosing(getStore: GetStore): void {
  test('a blob that closes its upload keeps the key of it', async () => {
    const store = getStore()
    const { upload, key } = await keyedUpload(store)
    const open = openCommand(upload, { claim: KEYED })
    const claim = { lease: open.lease.token }
    const put = blobCommand(upload.repository, {
      upload: { id: upload.id, claim },
      size: 100,
      content: { key },
    })
    const [, stored, again] = await store.commit([open, put, put])
    assert.deepEqual([stored.result, again.result], ['stored', 'upload-unknown'])
    assert.equal((await store.blobs.find(upload.repository, put.digest))?.content.key, key)
    assert.equal(await store.uploads.find(upload.id), 'ended')
    assert.equal(await isGarbage(store, key), false)
  })

  test('a blob that closes its upload with other content leaves the key of it as garbage', async () => {
    const store = getStore()
    const { upload, key } = await keyedUpload(store)
    const put = blobCommand(upload.repository, { upload: { id: upload.id, claim: KEYED } })
    assert.deepEqual(await commitOne(store, put), { result: 'stored' })
    assert.equal(await isGarbage(store, key), true)
  })

  test('a blob that is small and whole closes an upload that has no row', async () => {
    const store = getStore()
    const upload = newUpload()
    const claim = { version: 0 }
    const put = blobCommand(upload.repository, { upload: { id: upload.id, claim } })
    assert.deepEqual(await commitOne(store, put), { result: 'stored' })
    assert.equal(await store.uploads.find(upload.id), 'ended')
    assert.deepEqual(await commitOne(store, put), { result: 'upload-unknown' })
  })

  test('a blob is not stored where its upload has changed or is held', async () => {
    const store = getStore()
    const { upload } = await keyedUpload(store)
    const put = (version: number) =>
      commitOne(store, blobCommand(upload.repository, { upload: { id: upload.id, claim: { version } } }))
    assert.deepEqual(await put(0), { result: 'upload-changed' })
    const open = openCommand(upload, { claim: KEYED })
    await commitOne(store, open)
    const early = blobCommand(upload.repository, {
      upload: { id: upload.id, claim: KEYED },
    })
    assert.deepEqual(await commitOne(store, early), { result: 'upload-changed' })
    assert.equal(await store.repositories.exists(upload.repository), false)
    assert.equal(await store.blobs.find(upload.repository, early.digest), undefined)
  })
}
