import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coursesOf, type Sample } from './flatness.ts'

const MIB = 1024 * 1024

/** Twelve samples, each with what `change` makes of its number. */
function samples(change: (index: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: 12 }, (_, index) => {
    return { seconds: index, resident: 200 * MIB, descriptors: 30, uploads: 5, ...change(index) }
  })
}

function notFlat(all: Sample[]): string[] {
  return coursesOf(all)
    .filter(({ isFlat }) => !isFlat)
    .map(({ figure }) => figure)
}

test('what stays is flat, also if it comes and goes', () => {
  assert.deepEqual(
    notFlat(
      samples((index) => ({ resident: (200 + 40 * (index % 2)) * MIB, descriptors: 30 + 5 * (index % 2) })),
    ),
    [],
  )
})

test('what grows all the time is not', () => {
  assert.deepEqual(notFlat(samples((index) => ({ resident: (200 + 40 * index) * MIB }))), ['resident'])
  assert.deepEqual(notFlat(samples((index) => ({ descriptors: 30 + 2 * index }))), ['descriptors'])
  assert.deepEqual(notFlat(samples((index) => ({ uploads: 10 * index }))), ['uploads'])
})

test('what grows only while it warms up is flat', () => {
  assert.deepEqual(notFlat(samples((index) => ({ resident: Math.min(300, 100 + 100 * index) * MIB }))), [])
})

test('too few samples have no course', () => {
  assert.throws(() => coursesOf(samples(() => ({})).slice(0, 3)), RangeError)
})
