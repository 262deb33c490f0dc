import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { blake3 } from 'hash-wasm'
import { createHasher } from './hasher.ts'

/** Bytes that differ for each upload and place. */
function bytesOf(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (seed * 31 + index * 7) % 251)
}

test('hashes that take turns byte by byte and piece by piece are each of their own bytes', async () => {
  const lengths = [0, 1, 63, 64, 65, 1024, 1025, 10_000]
  const uploads = await Promise.all(
    lengths.map(async (length, seed) => ({
      bytes: bytesOf(seed, length),
      hasher: await createHasher(['sha256', 'blake3']),
    })),
  )
  for (let at = 0, step = 1; at < 10_000; at += step, step = (step * 3) % 1021) {
    for (const { bytes, hasher } of uploads) {
      hasher.update(bytes.subarray(at, at + step))
      const soFar = bytes.subarray(0, at + step)
      assert.equal(hasher.digests().blake3, await blake3(soFar))
    }
  }
  for (const { bytes, hasher } of uploads) {
    const expected = { sha256: createHash('sha256').update(bytes).digest('hex'), blake3: await blake3(bytes) }
    assert.deepEqual(hasher.digests(), expected)
    // Telling a digest ends nothing.
    assert.deepEqual(hasher.digests(), expected)
  }
})

test('a hash that is no longer needed does not disturb the others', async () => {
  const lasting = await createHasher(['blake3'])
  lasting.update(bytesOf(1, 100))
  for (let seed = 0; seed < 100; seed++) (await createHasher(['blake3'])).update(bytesOf(seed, 10))
  lasting.update(bytesOf(2, 100))
  const whole = Buffer.concat([bytesOf(1, 100), bytesOf(2, 100)])
  assert.equal(lasting.digests().blake3, await blake3(whole))
})
