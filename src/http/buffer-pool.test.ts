import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from './buffer-pool.ts'

test('a pool has no more buffers than it may; who finds none waits for one, in turn, also after a failure', async () => {
  const pool = new BufferPool(2, 16)
  const seen = new Set<Buffer>()
  const order: number[] = []
  let atOnce = 0
  let most = 0
  const work = async (number: number) =>
    await pool.use(async (buffer) => {
      seen.add(buffer)
      order.push(number)
      most = Math.max(most, ++atOnce)
      await new Promise((resolve) => setImmediate(resolve))
      atOnce--
      if (number === 0) throw new Error('the disk failed')
    })
  const results = await Promise.allSettled([0, 1, 2, 3, 4, 5].map(work))
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5])
  assert.deepEqual([seen.size, most], [2, 2])
  assert.deepEqual(
    results.map(({ status }) => status === 'rejected'),
    [true, false, false, false, false, false],
  )
})
