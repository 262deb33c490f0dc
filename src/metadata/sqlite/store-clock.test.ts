import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChangeTimes, StoreClock } from './store-clock.ts'

const NOON = 1_700_000_000_000

test('a clock shows the time of the system until it is set, also to threads that share its memory', () => {
  const clock = new StoreClock()
  const before = Date.now()
  const time = clock.now()
  assert.ok(time >= before && time <= Date.now())
  const shared = new StoreClock(clock.memory)
  clock.set(NOON)
  assert.deepEqual([clock.now(), shared.now()], [NOON, NOON])
})

test('times of changes stand still while a corrected clock is behind them, and follow a clock that was wrong', () => {
  const clock = new StoreClock()
  const times = new ChangeTimes(clock)
  const steps: readonly (readonly [shown: number, time: number])[] = [
    [NOON, NOON],
    [NOON - 60_000, NOON],
    [NOON - 1, NOON],
    [NOON + 5, NOON + 5],
    [NOON - 3_600_000, NOON - 3_600_000],
    [NOON, NOON],
  ]
  for (const [shown, time] of steps) {
    clock.set(shown)
    assert.equal(times.next(), time)
  }
})
