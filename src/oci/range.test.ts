import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseContentRange, parseRange } from './range.ts'

type Pairs = [start: number, end: number][]

/** Of content of 100 bytes. */
const RANGES: [header: string, ranges: Pairs | undefined][] = [
  ['bytes=0-0', [[0, 0]]],
  ['bytes=0-99', [[0, 99]]],
  ['bytes=0-', [[0, 99]]],
  ['bytes=99-', [[99, 99]]],
  ['bytes=10-20', [[10, 20]]],
  ['bytes=50-100', [[50, 99]]],
  ['bytes=50-999999999999999', [[50, 99]]],
  ['bytes=50-9223372036854775807', [[50, 99]]],
  ['bytes=-1', [[99, 99]]],
  ['bytes=-100', [[0, 99]]],
  ['bytes=-101', [[0, 99]]],
  ['bytes=-999999999999999', [[0, 99]]],
  ['BYTES=0-0', [[0, 0]]],
  [' bytes = 0-0', [[0, 0]]],
  ['bytes=000-0009', [[0, 9]]],
  [
    'bytes=0-1,5-6',
    [
      [0, 1],
      [5, 6],
    ],
  ],
  [
    'bytes=90-,0-9 ,\t-1',
    [
      [90, 99],
      [0, 9],
      [99, 99],
    ],
  ],
  [
    'bytes=0-49,50-99',
    [
      [0, 49],
      [50, 99],
    ],
  ],
  ['bytes=0-9,100-', [[0, 9]]],
  ['bytes=0-9,5-4', []],
  ['bytes=5-4,0-9', []],
  ['bytes=100-', []],
  ['bytes=100-200', []],
  ['bytes=999999999999999-', []],
  ['bytes=-0', []],
  ['bytes=100-,200-', []],
  ['', undefined],
  ['bytes', undefined],
  ['bytes=', undefined],
  ['bytes=-', undefined],
  ['bytes=,', undefined],
  ['bytes=0', undefined],
  ['bytes=0-1-2', undefined],
  ['bytes=0-1=2', undefined],
  ['bytes=0-1=', undefined],
  ['bytes==0-1', undefined],
  ['bytes=a-b', undefined],
  ['bytes=0x0-0x1', undefined],
  ['bytes=+0-1', undefined],
  ['bytes=0--1', undefined],
  ['bytes=--1', undefined],
  ['bytes=0.0-1', undefined],
  ['bytes=1e1-20', undefined],
  ['bytes=0 -1', undefined],
  ['bytes=٠-٩', undefined],
  ['bytes=0-1\0', undefined],
  ['bytes=0-1\u00a0', undefined],
  ['\ufeffbytes=0-1', undefined],
  ['bytes=0-1;2-3', undefined],
  ['bytes=0-1,x', undefined],
  ['bytes=5-4,x', undefined],
  ['bytes 0-1', undefined],
  ['items=0-1', undefined],
  ['bits=0-1', undefined],
  ['bytes=0-99,0-0', undefined],
  ['bytes=0-,0-', undefined],
  ['bytes=0-60,40-99', undefined],
]

function toPairs(ranges: { start: number; end: number }[] | undefined): Pairs | undefined {
  return ranges?.map(({ start, end }) => [start, end])
}

test('a Range header is satisfied, found unsatisfiable, or ignored', () => {
  for (const [header, ranges] of RANGES) {
    assert.deepEqual(toPairs(parseRange(header, 100)), ranges, JSON.stringify(header))
  }
})

test('a range that ends before it begins gives no bytes', () => {
  for (const header of ['bytes=5-4', 'bytes=99-0', 'bytes=5-4,7-6']) {
    assert.deepEqual(parseRange(header, 100) ?? [], [])
  }
})

test('no position lies in empty content, but its last bytes are all that there is of it', () => {
  for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-0', 'bytes=0-,-0']) {
    assert.deepEqual(parseRange(header, 0), [], header)
  }
  for (const header of ['bytes=-1', 'bytes=-51', `bytes=-${'9'.repeat(400)}`, 'bytes=0-,-5', 'bytes=-5,-6']) {
    assert.equal(parseRange(header, 0), undefined, header)
  }
  assert.deepEqual(parseRange('bytes=-5,6-5', 0), [])
})

test('1,024 ranges are answered, and one more is ignored', () => {
  const ranges = (count: number) => `bytes=${Array.from({ length: count }, (_, at) => `${at}-${at}`).join()}`
  assert.equal(parseRange(ranges(1024), 10_000)?.length, 1024)
  assert.equal(parseRange(ranges(1025), 10_000), undefined)
})

test('ranges never give more bytes than there are, nor lie outside of them', () => {
  for (const size of [1, 2, 7, 100, 2 ** 40]) {
    for (const spec of [
      '0-',
      '-1',
      '0-0',
      '1-',
      '-7',
      '0-999999999999999',
      '0-,0-',
      '0-0,-1',
      '-7,-7',
      '1-5,2-6,0-0',
    ]) {
      const ranges = parseRange(`bytes=${spec}`, size) ?? []
      const total = ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0)
      assert.ok(total <= size, `${spec} of ${size} gives ${total}`)
      for (const { start, end } of ranges) assert.ok(start >= 0 && start <= end && end < size)
    }
  }
})

test('hostile Range headers do not hang', () => {
  for (const text of [
    '-'.repeat(40_000),
    '1'.repeat(40_000),
    ','.repeat(40_000),
    '0-0,'.repeat(10_000),
    '='.repeat(40_000),
  ]) {
    assert.equal(parseRange(`bytes=${text}`, 100), undefined)
  }
})

const CONTENT_RANGES: [header: string, range: [number, number] | undefined][] = [
  ['0-0', [0, 0]],
  ['0-99', [0, 99]],
  ['bytes 0-99', [0, 99]],
  ['bytes 0-99/100', [0, 99]],
  ['bytes 0-99/*', [0, 99]],
  ['0-99/100', [0, 99]],
  [' 5-7 ', [5, 7]],
  ['999999999999998-999999999999999', [999999999999998, 999999999999999]],
  ['', undefined],
  ['-', undefined],
  ['0-', undefined],
  ['-1', undefined],
  ['1-0', undefined],
  ['0', undefined],
  ['0-1-2', undefined],
  ['a-b', undefined],
  ['0x0-0x1', undefined],
  ['0 - 1', undefined],
  ['bytes=0-1', undefined],
  ['bytes  0-1', undefined],
  ['bytes */100', undefined],
  ['0-1/', undefined],
  ['0-1/x', undefined],
  ['0-1,2-3', undefined],
  ['items 0-1/2', undefined],
  ['1e1-20', undefined],
  ['٠-٩', undefined],
  ['0-1\0', undefined],
  ['\u00a00-1', undefined],
  ['bytes 0-99/99', undefined],
  ['0-99/0', undefined],
  ['0-9999999999999999', undefined],
  ['9'.repeat(40_000), undefined],
  [`0-1/${'9'.repeat(40_000)}`, undefined],
]

test('a Content-Range is read with or without unit and total', () => {
  for (const [header, range] of CONTENT_RANGES) {
    const found = parseContentRange(header)
    assert.deepEqual(found && [found.start, found.end], range, JSON.stringify(header.slice(0, 99)))
  }
})
