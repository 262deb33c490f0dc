import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, percentile } from './statistics.ts'

test('a median is the value in the middle, or between the two there', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([10, 9, 1, 4]), 6.5)
  assert.equal(median([7]), 7)
  assert.ok(Number.isNaN(median([])))
})

test('a percentile is a value that was seen, of which so large a share is no greater', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  assert.equal(percentile(hundred, 0.99), 99)
  assert.equal(percentile(hundred, 0.5), 50)
  assert.equal(percentile([3, 10, 2], 0.99), 10)
  assert.equal(percentile([3], 0), 3)
  assert.ok(Number.isNaN(percentile([], 0.99)))
})

test('neither changes what it is given', () => {
  const values = [3, 1, 2]
  median(values)
  percentile(values, 0.5)
  assert.deepEqual(values, [3, 1, 2])
})
