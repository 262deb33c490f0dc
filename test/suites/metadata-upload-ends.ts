import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import {
  blobCommand,
  commitOne,
  type GetStore,
  isGarbage,
  newRepository,
  newToken,
  since,
  tick,
} from './metadata-place.ts'
import { KEYED, keyedUpload, newUpload, openCommand, saveCommand } from './metadata-upload.ts'

/** How uploads end without a blob, and what happens when several want the same one. */
export function testUploadEnds(getStore: GetStore): void {
  testEnding(getStore)
  testExpiry(getStore)
  testTwoWriters(getStore)
}

function testEnding(getStore: GetStore): void {
  test('an upload that ended stays ended, and its key is garbage', async () => {
    const store = getStore()
    const { upload, key } = await keyedUpload(store)
    const end = { type: 'endUpload', ...upload } as const
    const outcomes = await store.commit([
      end,
      end,
      openCommand(upload),
      openCommand(upload, { claim: KEYED }),
      saveCommand(upload, { version: 0 }),
      saveCommand(upload, KEYED),
      saveCommand(upload, { lease: newToken() }),
      blobCommand(upload.repository, { upload: { id: upload.id, claim: { version: 0 } } }),
    ])
    const [first, ...others] = outcomes.map(({ result }) => result)
    assert.equal(first, 'ended')
    for (const result of others) assert.match(result, /^(?:upload-)?unknown$/)
    assert.equal(await store.uploads.find(upload.id), 'ended')
    assert.equal(await store.repositories.exists(upload.repository), false)
    assert.equal(await isGarbage(store, key), true)
  })

  test('an upload that holds no bytes yet can be ended, and stays so', async () => {
    const store = getStore()
    const upload = newUpload()
    const ended = await commitOne(store, { type: 'endUpload', ...upload })
    assert.deepEqual(ended, { result: 'ended' })
    assert.equal(await store.uploads.find(upload.id), 'ended')
    assert.deepEqual(await commitOne(store, saveCommand(upload, { version: 0 })), { result: 'unknown' })
  })

  test('an upload can be ended while somebody holds it, who then finds it unknown', async () => {
    const store = getStore()
    const upload = newUpload()
    const open = openCommand(upload)
    const [, ended, saved] = await store.commit([
      open,
      { type: 'endUpload', ...upload },
      saveCommand(upload, { lease: open.lease.token }),
    ])
    assert.deepEqual([ended.result, saved.result], ['ended', 'unknown'])
    assert.equal(await isGarbage(store, open.key), true)
  })
}

/** Expires what nobody wrote to after a time, and all that earlier tests left. */
async function expireAll(store: MetadataStore, time: number): Promise<void> {
  const expire = () =>
    ({ type: 'expireUploads', untouchedFor: since(time), endedBefore: '', limit: 1000 }) as const
  while ((await commitOne(store, expire())).count > 0);
}

function testExpiry(getStore: GetStore): void {
  test('uploads that were idle for long end, the oldest first and no more than the limit', async () => {
    const store = getStore()
    await expireAll(store, tick())
    const uploads = [await keyedUpload(store), await keyedUpload(store), await keyedUpload(store)]
    const before = tick()
    tick()
    const young = await keyedUpload(store)
    const expire = () =>
      ({ type: 'expireUploads', untouchedFor: since(before), endedBefore: '', limit: 2 }) as const
    for (const [taken, left] of [
      [2, 1],
      [1, 0],
      [0, 0],
    ] as const) {
      assert.deepEqual(await commitOne(store, expire()), { result: 'done', count: taken })
      for (const [index, { upload, key }] of uploads.entries()) {
        const isLeft = index >= uploads.length - left
        assert.equal((await store.uploads.find(upload.id)) === 'ended', !isLeft)
        assert.equal(await isGarbage(store, key), !isLeft)
      }
    }
    assert.notEqual(await store.uploads.find(young.upload.id), 'ended')
    assert.equal(await isGarbage(store, young.key), false)
  })

  test('each write puts off the expiry of an upload', async () => {
    const store = getStore()
    const { upload } = await keyedUpload(store)
    const before = tick()
    await commitOne(store, saveCommand(upload, KEYED))
    await expireAll(store, before)
    assert.notEqual(await store.uploads.find(upload.id), 'ended')
  })

  test('ended uploads are forgotten by the age of their ids, but not before they have ended that long ago', async () => {
    const store = getStore()
    const repository = newRepository()
    const prefix = newToken()
    const ids = ['1', '2', '3'].map((digit) => prefix + digit)
    await store.commit(ids.map((id) => ({ type: 'endUpload', id, repository }) as const))
    const expire = { type: 'expireUploads', endedBefore: `${prefix}3`, limit: 1000 } as const
    for (const [time, left] of [
      [0, ['ended', 'ended', 'ended']],
      [tick(), [undefined, undefined, 'ended']],
    ] as const) {
      while ((await commitOne(store, { ...expire, untouchedFor: since(time) })).count > 0);
      const found = await Promise.all(ids.map((id) => store.uploads.find(id)))
      assert.deepEqual(found, left)
    }
  })
}

function testTwoWriters(getStore: GetStore): void {
  test('of several that open an upload at once, one gets it', async () => {
    const store = getStore()
    const { upload } = await keyedUpload(store)
    const opens = Array.from({ length: 10 }, () => openCommand(upload, { claim: KEYED }))
    const outcomes = await Promise.all(opens.map((open) => commitOne(store, open)))
    const results = outcomes.map(({ result }) => result).sort()
    assert.deepEqual(results, [...Array(9).fill('changed'), 'opened'])
  })

  test('of several that save a small upload at once, one does', async () => {
    const store = getStore()
    const upload = newUpload()
    const texts = Array.from({ length: 10 }, (_, index) => Buffer.alloc(index + 1, index))
    const outcomes = await Promise.all(
      texts.map((bytes) =>
        commitOne(store, saveCommand(upload, { version: 0 }, { offset: bytes.length, content: { bytes } })),
      ),
    )
    const winners = outcomes.flatMap(({ result }, index) => (result === 'saved' ? [index] : []))
    assert.equal(winners.length, 1)
    const found = await store.uploads.find(upload.id)
    assert.ok(found !== undefined && found !== 'ended')
    assert.deepEqual(Buffer.from(found.content.bytes ?? 'nothing'), texts[winners[0] ?? 0])
  })

  test('of several that close an upload at once, one stores its blob', async () => {
    const store = getStore()
    const upload = newUpload()
    const puts = Array.from({ length: 10 }, () =>
      blobCommand(upload.repository, { upload: { id: upload.id, claim: { version: 0 } } }),
    )
    const outcomes = await Promise.all(puts.map((put) => commitOne(store, put)))
    assert.equal(outcomes.filter(({ result }) => result === 'stored').length, 1)
    const found = await Promise.all(puts.map(({ digest }) => store.blobs.find(upload.repository, digest)))
    assert.equal(found.filter((blob) => blob !== undefined).length, 1)
  })
}
