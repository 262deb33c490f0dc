import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryOfJumps, watchClock } from './clock-jumps.ts'

const HOUR = 3_600_000

test('a watch that continues another one knows its jumps, and finds those that nobody watched', () => {
  let [now, passed] = [1_700_000_000_000, 5_000]
  const clocks = [() => now, () => passed] as const
  const memory = memoryOfJumps(...clocks)
  now += HOUR
  const first = watchClock(...clocks, memory)
  assert.equal(first(10 * HOUR), HOUR)
  now += 2 * HOUR
  const second = watchClock(...clocks, memory)
  assert.equal(second(10 * HOUR), 3 * HOUR)
  now += 20 * HOUR
  passed += 20 * HOUR
  assert.equal(second(10 * HOUR), 0)
  assert.equal(second(30 * HOUR), 3 * HOUR)
})

test('of more jumps than are remembered, the oldest are forgotten', () => {
  let now = 0
  const jumps = watchClock(
    () => now,
    () => 0,
  )
  for (let count = 0; count < 1_001; count++) {
    now += HOUR
    jumps(HOUR)
  }
  assert.equal(jumps(HOUR), 1_000 * HOUR)
})
