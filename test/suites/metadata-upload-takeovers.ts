import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { SeizeUpload, UploadRecord } from '../../src/metadata/uploads.ts'
import {
  blobCommand,
  commitOne,
  type GetStore,
  isGarbage,
  newRepository,
  newToken,
  now,
} from './metadata-place.ts'
import {
  KEYED,
  keyedUpload,
  newUpload,
  openCommand,
  saveCommand,
  type TestUpload,
} from './metadata-upload.ts'

/** What a client was told of an upload, and what becomes of it when one writer takes it from another. */
export function testUploadTakeovers(getStore: GetStore): void {
  testAcknowledging(getStore)
  testReverting(getStore)
  testSeizing(getStore)
  testMoving(getStore)
  testClosedUploads(getStore)
}

async function recordOf(store: MetadataStore, { id }: TestUpload): Promise<UploadRecord> {
  const found = await store.uploads.find(id)
  assert.ok(found !== undefined && found !== 'ended')
  return found
}

function positionsOf({ offset, content, acknowledged }: UploadRecord) {
  const text = (position: Pick<UploadRecord, 'offset' | 'content'>) =>
    position.content.key === undefined
      ? Buffer.from(position.content.bytes).toString()
      : position.content.state
  return { held: [offset, text({ offset, content })], told: [acknowledged.offset, text(acknowledged)] }
}

function small(text: string, acknowledged: boolean) {
  return { offset: text.length, content: { bytes: Buffer.from(text) }, acknowledged }
}

function testAcknowledging(getStore: GetStore): void {
  test('saved bytes are acknowledged only if the save says so, or later', async () => {
    const store = getStore()
    const upload = newUpload()
    const acknowledge = { type: 'acknowledgeUpload', ...upload } as const
    assert.deepEqual(await commitOne(store, acknowledge), { result: 'unknown' })
    await commitOne(store, saveCommand(upload, { version: 0 }, small('12345', false)))
    assert.deepEqual(positionsOf(await recordOf(store, upload)), { held: [5, '12345'], told: [0, ''] })
    assert.deepEqual(await commitOne(store, acknowledge), { result: 'acknowledged', offset: 5 })
    await commitOne(store, saveCommand(upload, { version: 1 }, small('1234567', false)))
    assert.deepEqual(positionsOf(await recordOf(store, upload)), { held: [7, '1234567'], told: [5, '12345'] })
    const open = openCommand(upload, { claim: { version: 2 } })
    const { lease } = open
    const large = { offset: 100, content: { state: '1:100' }, acknowledged: false, lease }
    await store.commit([open, saveCommand(upload, { lease: lease.token }, large)])
    assert.deepEqual(positionsOf(await recordOf(store, upload)), { held: [100, '1:100'], told: [5, '12345'] })
    assert.deepEqual(await commitOne(store, acknowledge), { result: 'acknowledged', offset: 100 })
    assert.deepEqual(positionsOf(await recordOf(store, upload)), {
      held: [100, '1:100'],
      told: [100, '1:100'],
    })
    assert.equal((await commitOne(store, saveCommand(upload, { lease: lease.token }))).result, 'saved')
  })
}

/** An upload of 5 bytes that were told, and 100 that were not. */
async function halfToldUpload(store: MetadataStore): Promise<{ upload: TestUpload; key: string }> {
  const upload = newUpload()
  const open = openCommand(upload, { claim: { version: 1 } })
  const large = { offset: 100, content: { state: '1:100' }, acknowledged: false }
  await store.commit([
    saveCommand(upload, { version: 0 }, small('12345', true)),
    open,
    saveCommand(upload, { lease: open.lease.token }, large),
  ])
  return { upload, key: open.key }
}

function testReverting(getStore: GetStore): void {
  test('an upload that is reverted, or opened again, has its acknowledged bytes', async () => {
    const store = getStore()
    for (const how of ['revert', 'open'] as const) {
      const { upload } = await halfToldUpload(store)
      const claim = { version: 3 }
      const command =
        how === 'revert'
          ? ({ type: 'revertUpload', ...upload, claim } as const)
          : openCommand(upload, { claim, from: 'acknowledged' })
      assert.match((await commitOne(store, command)).result, /^(?:reverted|opened)$/)
      const found = await recordOf(store, upload)
      assert.deepEqual(positionsOf(found), { held: [5, '12345'], told: [5, '12345'] })
      assert.equal(found.lease === undefined, how === 'revert')
    }
    const { upload } = await keyedUpload(store)
    const longer = { offset: 200, content: { state: '1:200' }, acknowledged: false }
    const [, reverted] = await store.commit([
      saveCommand(upload, KEYED, longer),
      { type: 'revertUpload', ...upload, claim: { version: 3 } },
    ])
    assert.deepEqual(reverted, { result: 'reverted' })
    assert.deepEqual(positionsOf(await recordOf(store, upload)), {
      held: [100, '1:100'],
      told: [100, '1:100'],
    })
  })
}

function seizeCommand(upload: TestUpload): SeizeUpload {
  return { type: 'seizeUpload', ...upload, lease: { token: newToken(), duration: 1000 } }
}

function testSeizing(getStore: GetStore): void {
  test('an upload is seized from its holder, and keeps only the acknowledged bytes', async () => {
    const store = getStore()
    const { upload, key } = await halfToldUpload(store)
    const open = openCommand(upload, { claim: { version: 3 } })
    await commitOne(store, open)
    const seize = seizeCommand(upload)
    const seized = await commitOne(store, seize)
    assert.ok(seized.result === 'seized')
    assert.deepEqual(positionsOf(seized.upload), { held: [5, '12345'], told: [5, '12345'] })
    const { token, duration } = seize.lease
    assert.deepEqual(seized.upload.lease, { token, until: now() + duration })
    assert.equal(seized.upload.mustMove, false)
    assert.equal(await isGarbage(store, key), true)
    const lost = { lease: open.lease.token }
    assert.deepEqual(await commitOne(store, saveCommand(upload, lost)), { result: 'changed' })
    const late = { type: 'endUpload', ...upload, ...lost } as const
    assert.deepEqual(await commitOne(store, late), { result: 'changed' })
    const next = openCommand(upload, { claim: { lease: seize.lease.token }, lease: seize.lease })
    assert.deepEqual(await commitOne(store, next), { result: 'opened', key: next.key })
  })

  test('an upload without a row is seized too, so that a late writer finds it changed', async () => {
    const store = getStore()
    const upload = newUpload()
    const seize = seizeCommand(upload)
    await store.commit([seize, { type: 'releaseUpload', id: upload.id, lease: seize.lease.token }])
    const claim = { version: 0 }
    assert.deepEqual(await commitOne(store, saveCommand(upload, claim)), { result: 'changed' })
    const put = blobCommand(upload.repository, { upload: { id: upload.id, claim } })
    assert.deepEqual(await commitOne(store, put), { result: 'upload-changed' })
    const stranger = { id: upload.id, repository: newRepository() }
    assert.deepEqual(await commitOne(store, seizeCommand(stranger)), { result: 'unknown' })
    await commitOne(store, { type: 'endUpload', ...upload })
    assert.deepEqual(await commitOne(store, seizeCommand(upload)), { result: 'unknown' })
  })
}

function testMoving(getStore: GetStore): void {
  test('the acknowledged bytes are moved to a reserved key, and only then is the old key garbage', async () => {
    const store = getStore()
    const { upload, key } = await keyedUpload(store)
    const { id } = upload
    const seize = seizeCommand(upload)
    const lease = seize.lease.token
    const seized = await commitOne(store, seize)
    assert.ok(seized.result === 'seized')
    assert.equal(seized.upload.mustMove, true)
    const [unused, used] = [newToken(), newToken()]
    for (const reserved of [unused, used]) {
      const reserve = { type: 'reserveKey', id, key: reserved } as const
      assert.deepEqual(await commitOne(store, { ...reserve, lease: newToken() }), { result: 'changed' })
      assert.deepEqual(await commitOne(store, { ...reserve, lease }), { result: 'reserved' })
    }
    const discard = { type: 'discardKey', id } as const
    assert.deepEqual(await commitOne(store, { ...discard, key }), { result: 'in-use' })
    assert.deepEqual(await commitOne(store, { ...discard, key: used }), { result: 'in-use' })
    const garbage = () => Promise.all([key, unused, used].map((each) => isGarbage(store, each)))
    assert.deepEqual(await garbage(), [false, true, false])
    const move = { type: 'moveUpload', id, state: '1:100b' } as const
    assert.deepEqual(await commitOne(store, { ...move, lease: newToken() }), { result: 'changed' })
    assert.deepEqual(await commitOne(store, { ...move, lease }), { result: 'moved' })
    assert.deepEqual(await garbage(), [true, true, false])
    const moved = await recordOf(store, upload)
    assert.deepEqual([moved.content.key, moved.mustMove], [used, false])
    assert.deepEqual(positionsOf(moved), { held: [100, '1:100b'], told: [100, '1:100b'] })
    assert.deepEqual(await commitOne(store, { ...discard, key }), { result: 'discarded' })
  })

  test('a key that was reserved goes with its upload, unless the blob takes it', async () => {
    const store = getStore()
    for (const isTaken of [true, false]) {
      const { upload, key } = await keyedUpload(store)
      const seize = seizeCommand(upload)
      const lease = seize.lease.token
      const reserved = newToken()
      const put = blobCommand(upload.repository, {
        upload: { id: upload.id, claim: { lease } },
        size: 50,
        content: { key: isTaken ? reserved : key },
      })
      const reserve = { type: 'reserveKey', id: upload.id, lease, key: reserved } as const
      const [, , stored] = await store.commit([seize, reserve, put])
      assert.deepEqual(stored, { result: 'stored' })
      assert.equal(await isGarbage(store, reserved), !isTaken)
      assert.equal(await isGarbage(store, key), isTaken)
    }
  })
}

function testClosedUploads(getStore: GetStore): void {
  test('an upload that was closed is known by its digest, one that was cancelled is not', async () => {
    const store = getStore()
    const [closed, cancelled] = [newUpload(), newUpload()]
    assert.equal(await store.uploads.closedAs(closed.id), undefined)
    const put = blobCommand(closed.repository, { upload: { id: closed.id, claim: { version: 0 } } })
    await store.commit([put, { type: 'endUpload', ...cancelled }])
    assert.equal(await store.uploads.closedAs(closed.id), put.digest)
    assert.equal(await store.uploads.closedAs(cancelled.id), undefined)
  })
}
