import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { openBytes } from '../../src/registry/stored-bytes.ts'
import { BlobDamagedError, type BlobStore } from '../../src/storage/blob-store.ts'
import { assertBlob, bodyOf, brokenBody, newKey, readBlob, readBytes } from './blob-bytes.ts'

/** Gives a store for one test, which uses keys of its own. */
export type MakeBlobStore = (test: TestContext) => Promise<BlobStore>

const BROKEN = new Error('the client closed the connection')

/** What every driver of the BlobStore seam must stand. */
export function blobStoreSuite(name: string, makeStore: MakeBlobStore): void {
  describe(`${name} as a blob store`, () => {
    testAppend(makeStore)
    testInterruption(makeStore)
    testDamage(makeStore)
    testPublish(makeStore)
    testStates(makeStore)
    testOpen(makeStore)
    testSize(makeStore)
    testDelete(makeStore)
    testKeys(makeStore)
    testManyAndLarge(makeStore)
  })
}

function testAppend(makeStore: MakeBlobStore): void {
  test('bytes that were appended in pieces are read back as one', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const pieces = [randomBytes(10), randomBytes(70_000), randomBytes(1), randomBytes(2_000_000)]
    let at = { offset: 0, state: '' }
    let expected = 0
    for (const piece of pieces) {
      at = await store.append(key, at.state, at.offset, bodyOf(piece))
      expected += piece.length
      assert.equal(at.offset, expected)
    }
    await store.publish(key, at.state)
    await assertBlob(store, key, Buffer.concat(pieces))
  })

  test('an append drops bytes that a crash left after its offset', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const [first, lost, second] = [randomBytes(50), randomBytes(50), randomBytes(20)]
    const recorded = await store.append(key, '', 0, bodyOf(first))
    await store.append(key, recorded.state, recorded.offset, bodyOf(lost))
    const again = await store.append(key, recorded.state, recorded.offset, bodyOf(second))
    assert.equal(again.offset, 70)
    await store.publish(key, again.state)
    await assertBlob(store, key, Buffer.concat([first, second]))
  })

  test('an append at the beginning drops all that a crash left there', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    await store.append(key, '', 0, bodyOf(randomBytes(3_000_000)))
    const bytes = randomBytes(5)
    const { offset, state } = await store.append(key, '', 0, bodyOf(bytes))
    assert.equal(offset, 5)
    await store.publish(key, state)
    await assertBlob(store, key, bytes)
  })

  test('an empty body adds nothing and can be gone on from', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const none = await store.append(key, '', 0, bodyOf())
    assert.equal(none.offset, 0)
    const bytes = randomBytes(9)
    const some = await store.append(key, none.state, 0, bodyOf(new Uint8Array(), bytes, new Uint8Array()))
    const same = await store.append(key, some.state, some.offset, bodyOf(new Uint8Array()))
    assert.equal(same.offset, 9)
    assert.equal('interrupted' in same, false)
    await store.publish(key, same.state)
    await assertBlob(store, key, bytes)
  })
}

function testInterruption(makeStore: MakeBlobStore): void {
  test('a body that throws midway leaves what came before, says so, and can be gone on from', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const [first, second] = [randomBytes(1_500_000), randomBytes(30)]
    const broken = await store.append(
      key,
      '',
      0,
      brokenBody(BROKEN, first.subarray(0, 99), first.subarray(99)),
    )
    assert.equal(broken.offset, first.length)
    assert.equal(broken.interrupted, BROKEN)
    const { offset, state } = await store.append(key, broken.state, broken.offset, bodyOf(second))
    assert.equal(offset, first.length + second.length)
    await store.publish(key, state)
    await assertBlob(store, key, Buffer.concat([first, second]))
  })

  test('a body that throws at once leaves nothing', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const broken = await store.append(key, '', 0, brokenBody(BROKEN))
    assert.equal(broken.offset, 0)
    assert.equal(broken.interrupted, BROKEN)
  })

  test('a body that throws in a later append harms nothing of the first', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const bytes = randomBytes(100)
    const first = await store.append(key, '', 0, bodyOf(bytes))
    const broken = await store.append(key, first.state, first.offset, brokenBody(BROKEN))
    assert.equal(broken.offset, 100)
    await store.publish(key, broken.state)
    await assertBlob(store, key, bytes)
  })
}

function testDamage(makeStore: MakeBlobStore): void {
  test('an append after the end of the file is refused as damage', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const { offset, state } = await store.append(key, '', 0, bodyOf(randomBytes(100)))
    await assert.rejects(store.append(key, state, offset + 1, bodyOf(randomBytes(1))), BlobDamagedError)
    const after = await store.append(key, state, offset, bodyOf(randomBytes(1)))
    assert.equal(after.offset, 101)
  })

  test('an append to a key whose bytes are gone is refused as damage', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const { offset, state } = await store.append(key, '', 0, bodyOf(randomBytes(100)))
    await store.delete(key)
    await assert.rejects(store.append(key, state, offset, bodyOf(randomBytes(1))), BlobDamagedError)
  })

  test('a publish of more than is there is refused as damage', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const short = await store.append(key, '', 0, bodyOf(randomBytes(50)))
    const long = await store.append(key, short.state, short.offset, bodyOf(randomBytes(50)))
    await store.append(key, short.state, short.offset, bodyOf(randomBytes(10)))
    await assert.rejects(store.publish(key, long.state), BlobDamagedError)
  })

  test('a publish of a key whose bytes are gone is refused as damage', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const { state } = await store.append(key, '', 0, bodyOf(randomBytes(50)))
    await store.delete(key)
    await assert.rejects(store.publish(key, state), BlobDamagedError)
  })
}

function testPublish(makeStore: MakeBlobStore): void {
  test('a publish makes readable exactly the bytes that its state speaks of', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const bytes = randomBytes(50)
    const recorded = await store.append(key, '', 0, bodyOf(bytes))
    await store.append(key, recorded.state, recorded.offset, bodyOf(randomBytes(50)))
    await store.publish(key, recorded.state)
    await assertBlob(store, key, bytes)
  })

  test('what an append made durable is read with its state before it is published, and appended to after that', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const bytes = randomBytes(3_000_000)
    const first = await store.append(key, '', 0, bodyOf(bytes.subarray(0, 2_000_000)))
    const opened = await openBytes(store, {
      key,
      state: first.state,
      range: { start: 5, end: 1_999_999 },
    })
    assert.ok(opened !== undefined)
    assert.ok((await readBytes(opened)).equals(bytes.subarray(5, 2_000_000)))
    const { state } = await store.append(key, first.state, first.offset, bodyOf(bytes.subarray(2_000_000)))
    await store.publish(key, state)
    await assertBlob(store, key, bytes)
    assert.equal(await store.open(newKey(), { start: 0, end: 0 }, { state }), undefined)
  })

  test('publishing twice is not an error', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const bytes = randomBytes(50)
    const { state } = await store.append(key, '', 0, bodyOf(bytes))
    await store.publish(key, state)
    await store.publish(key, state)
    await assertBlob(store, key, bytes)
  })

  test('no bytes at all can be published', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const { state } = await store.append(key, '', 0, bodyOf())
    await store.publish(key, state)
    assert.deepEqual(await readBlob(store, key, { start: 0, end: -1 }), Buffer.alloc(0))
  })
}

const FOREIGN_STATES = ['99:50', '0:50', 'nonsense', '-1', ':', '1:50\n', '1:5e1', '1:-50']

function testStates(makeStore: MakeBlobStore): void {
  test('a state of another version, or of no driver, is refused and harms nothing', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const bytes = randomBytes(50)
    const { state } = await store.append(key, '', 0, bodyOf(bytes))
    const more = () => bodyOf(randomBytes(1))
    for (const foreign of FOREIGN_STATES) {
      const which = JSON.stringify(foreign)
      await assert.rejects(store.publish(key, foreign), Error, `publish takes ${which}`)
      await assert.rejects(store.append(key, foreign, 50, more()), Error, `append takes ${which}`)
    }
    await store.publish(key, state)
    await assertBlob(store, key, bytes)
  })
}

function testOpen(makeStore: MakeBlobStore): void {
  test('each range of a blob reads as those bytes', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const bytes = randomBytes(100_000)
    const { state } = await store.append(key, '', 0, bodyOf(bytes))
    await store.publish(key, state)
    for (const [start, end] of [
      [0, 0],
      [0, 99_999],
      [99_999, 99_999],
      [5, 4],
      [65_535, 65_537],
    ] as const) {
      assert.deepEqual(await readBlob(store, key, { start, end }), bytes.subarray(start, end + 1))
    }
  })

  test('a key that was never written opens as nothing', async (t) => {
    const store = await makeStore(t)
    assert.equal(await store.open(newKey(), { start: 0, end: 0 }), undefined)
  })

  test('a blob that was opened before its deletion stays readable to its end', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const bytes = randomBytes(100_000)
    const { state } = await store.append(key, '', 0, bodyOf(bytes))
    await store.publish(key, state)
    const opened = await openBytes(store, { key, range: { start: 10, end: 99_999 } })
    await store.delete(key)
    assert.ok(opened)
    assert.deepEqual(await readBytes(opened), bytes.subarray(10))
  })

  test('a chunk that its sender uses again after the append does not change the blob', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const bytes = Buffer.alloc(100, 7)
    const { state } = await store.append(key, '', 0, bodyOf(bytes))
    await store.publish(key, state)
    bytes.fill(0)
    assert.deepEqual(await readBlob(store, key, { start: 0, end: 99 }), Buffer.alloc(100, 7))
  })
}

function testSize(makeStore: MakeBlobStore): void {
  test('the size of a key is known from its publishing to its deletion', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    assert.equal(await store.size(key), undefined)
    const { state } = await store.append(key, '', 0, bodyOf(randomBytes(70_000)))
    await store.publish(key, state)
    assert.equal(await store.size(key), 70_000)
    await store.delete(key)
    assert.equal(await store.size(key), undefined)
  })
}

function testDelete(makeStore: MakeBlobStore): void {
  test('a deleted blob is gone, and deleting it again is not an error', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const { state } = await store.append(key, '', 0, bodyOf(randomBytes(10)))
    await store.publish(key, state)
    await store.delete(key)
    await store.delete(key)
    assert.equal(await store.open(key, { start: 0, end: 9 }), undefined)
  })

  test('a key that was never written, or never published, can be deleted', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    await store.delete(newKey())
    await store.append(key, '', 0, bodyOf(randomBytes(10)))
    await store.delete(key)
    assert.equal(await store.open(key, { start: 0, end: 9 }), undefined)
  })
}

/** None of these is 32 lower-case hexadecimal digits. */
export const HOSTILE_KEYS: readonly string[] = [
  '',
  '.',
  '..',
  '../x',
  '../../../../../../tmp/stowage-was-here',
  '/tmp/stowage-was-here',
  `${'0'.repeat(31)}/`,
  `../${'0'.repeat(29)}`,
  '0'.repeat(31),
  '0'.repeat(33),
  'A'.repeat(32),
  'g'.repeat(32),
  `${'0'.repeat(31)}\0`,
  `${'0'.repeat(32)}\0`,
  `${'0'.repeat(32)}\n`,
  `\0${'0'.repeat(31)}`,
  '０'.repeat(32),
]

function testKeys(makeStore: MakeBlobStore): void {
  test('whatever is not a key is refused by everything, with a promise', async (t) => {
    const store = await makeStore(t)
    const range = { start: 0, end: 0 }
    for (const key of HOSTILE_KEYS) {
      const which = JSON.stringify(key)
      await assert.rejects(
        () => store.append(key, '', 0, bodyOf(randomBytes(1))),
        Error,
        `append takes ${which}`,
      )
      await assert.rejects(() => store.publish(key, '1:0'), Error, `publish takes ${which}`)
      await assert.rejects(() => store.open(key, range), Error, `open takes ${which}`)
      await assert.rejects(() => store.size(key), Error, `size takes ${which}`)
      await assert.rejects(() => store.delete(key), Error, `delete takes ${which}`)
    }
  })
}

function testManyAndLarge(makeStore: MakeBlobStore): void {
  test('appends to several keys at once do not mix', async (t) => {
    const store = await makeStore(t)
    const blobs = Array.from({ length: 8 }, (_, index) => ({
      key: newKey(),
      bytes: Buffer.alloc(300_000, index),
    }))
    await Promise.all(
      blobs.map(async ({ key, bytes }) => {
        const half = await store.append(key, '', 0, bodyOf(bytes.subarray(0, 99_999)))
        const whole = await store.append(key, half.state, half.offset, bodyOf(bytes.subarray(99_999)))
        await store.publish(key, whole.state)
      }),
    )
    for (const { key, bytes } of blobs) await assertBlob(store, key, bytes)
  })

  test('20 MB in chunks of odd sizes arrive byte for byte', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const sent = createHash('sha256')
    async function* body(): AsyncGenerator<Uint8Array> {
      const sizes = [1, 4095, 65_537, 1_048_577, 0, 3, 2_500_001]
      for (let size = 0, turn = 0; size < 20_000_000; turn++) {
        const chunk = randomBytes(sizes[turn % sizes.length] ?? 1)
        size += chunk.length
        sent.update(chunk)
        yield chunk
      }
    }
    const { offset, state } = await store.append(key, '', 0, body())
    assert.ok(offset >= 20_000_000)
    await store.publish(key, state)
    const found = await readBlob(store, key, { start: 0, end: offset - 1 })
    assert.equal(found?.length, offset)
    assert.equal(createHash('sha256').update(found).digest('hex'), sent.digest('hex'))
  })

  test('thousands of chunks of one byte arrive in their order', async (t) => {
    const store = await makeStore(t)
    const key = newKey()
    const bytes = randomBytes(5_000)
    const { offset, state } = await store.append(
      key,
      '',
      0,
      bodyOf(...Array.from(bytes, (byte) => Uint8Array.of(byte))),
    )
    assert.equal(offset, 5_000)
    await store.publish(key, state)
    await assertBlob(store, key, bytes)
  })
}
