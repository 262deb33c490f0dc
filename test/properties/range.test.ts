import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseContentRange, parseRange } from '../../src/oci/range.ts'
import { holds } from './property.ts'
import { near, optionalSpace } from './text.ts'

const sizes = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 1_000 }), fc.maxSafeNat())

interface Spec {
  first?: bigint
  last?: bigint
}

const positions = fc.oneof(
  fc.bigInt({ min: 0n, max: 25n }),
  fc.bigInt({ min: 0n, max: 1_100n }),
  fc.bigInt({ min: 0n, max: 10n ** 30n }),
)
const specs: fc.Arbitrary<Spec> = fc.oneof(
  fc.record({ first: positions, last: positions }),
  fc.record({ first: positions }),
  fc.record({ last: positions }),
)
const ranges = fc.array(specs, { minLength: 1, maxLength: 6 })

function format({ first, last }: Spec): string {
  return `${first ?? ''}-${last ?? ''}`
}

/** RFC 9110, section 14.1.2, in numbers without bounds; a range that ends before it begins is invalid. */
function satisfy({ first, last }: Spec, size: bigint): [bigint, bigint] | 'invalid' | 'whole' | undefined {
  if (first === undefined) {
    const length = last ?? 0n
    if (length === 0n) return undefined
    if (size === 0n) return 'whole'
    return [length > size ? 0n : size - length, size - 1n]
  }
  if (last !== undefined && last < first) return 'invalid'
  if (first >= size) return undefined
  return [first, last === undefined || last >= size ? size - 1n : last]
}

test('ranges are those that the specification computes', () => {
  holds(fc.tuple(ranges, sizes, fc.infiniteStream(optionalSpace)), ([wanted, size, spaces]) => {
    const list = wanted.map((spec) => [...spaces.take(1), format(spec), ...spaces.take(1)].join('')).join()
    const found = parseRange(`bytes=${list}`, size)
    const satisfied = wanted.map((spec) => satisfy(spec, BigInt(size))).filter((range) => range !== undefined)
    if (satisfied.includes('invalid')) return assertInvalid(wanted, found)
    if (satisfied.includes('whole')) return assert.equal(found, undefined)
    const expected = satisfied as [bigint, bigint][]
    const total = expected.reduce((sum, [start, end]) => sum + end - start + 1n, 0n)
    const overlaps = expected.length > 1 && total > size
    const pairs = found?.map(({ start, end }) => [BigInt(start), BigInt(end)])
    assert.deepEqual(pairs, overlaps ? undefined : expected)
  })
})

/** A server may ignore or reject these as a whole, and does one or the other; of numbers beyond all sizes it can't tell. */
function assertInvalid(wanted: Spec[], found: unknown[] | undefined): void {
  const isExact = wanted.every(({ first = 0n, last = 0n }) => first < 2n ** 53n && last < 2n ** 53n)
  if (isExact) assert.deepEqual(found ?? [], [])
}

const headers = fc
  .array(specs, { minLength: 1, maxLength: 4 })
  .map((list) => `bytes=${list.map(format).join()}`)

test('whatever the header, ranges lie inside of the content and give no more bytes than it has', () => {
  holds(fc.tuple(near(headers, '0123456789-,= bytesBYTES'), sizes), ([header, size]) => {
    const found = parseRange(header, size) ?? []
    for (const { start, end } of found) {
      assert.ok(Number.isSafeInteger(start) && Number.isSafeInteger(end))
      assert.ok(start >= 0 && start <= end && end < size)
    }
    const total = found.reduce((sum, { start, end }) => sum + BigInt(end - start + 1), 0n)
    assert.ok(total <= size)
  })
})

/** RFC 9110, section 14.1.1, with white space around the unit and each range, as lists have it. */
function isRangeHeader(text: string): boolean {
  const [unit = '', set, ...rest] = text.split('=')
  if (set === undefined || rest.length > 0 || !/^[ \t]*[bB][yY][tT][eE][sS][ \t]*$/.test(unit)) return false
  return set.split(',').every((spec) => /^[ \t]*([0-9]+-[0-9]*|-[0-9]+)[ \t]*$/.test(spec))
}

test('a header that the grammar does not know is ignored', () => {
  holds(fc.tuple(near(headers, '0123456789-,= bytesBYTES'), sizes), ([header, size]) => {
    if (!isRangeHeader(header)) assert.equal(parseRange(header, size), undefined)
  })
})

const MAX_POSITION = 10n ** 15n - 1n

const contentRanges = fc
  .record({
    unit: fc.constantFrom('', 'bytes '),
    start: positions,
    length: fc.bigInt({ min: -2n, max: 30n }),
    total: fc.oneof(
      fc.constantFrom('', '/*'),
      positions.map((total) => `/${total}`),
    ),
  })
  .filter(({ start, length }) => start + length >= 0n)
  .map(({ unit, start, length, total }) => `${unit}${start}-${start + length}${total}`)

/** `<start>-<end>` as the OCI specification has it, or RFC 9110, section 14.4, by its rules. */
function readContentRange(text: string): { start: number; end: number } | undefined {
  const trimmed = text.replace(/^[ \t]+|[ \t]+$/g, '')
  const match = /^(bytes )?([0-9]+)-([0-9]+)(\/([0-9]+|\*))?$/.exec(trimmed)
  if (match === null) return undefined
  const [start, end] = [BigInt(match[2] ?? ''), BigInt(match[3] ?? '')]
  const total = match[5] === undefined || match[5] === '*' ? undefined : BigInt(match[5])
  if (end < start || (total !== undefined && total <= end)) return undefined
  const digits = [match[2], match[3], match[5]].map((number) => number?.length ?? 0)
  if (Math.max(...digits) > String(MAX_POSITION).length) return undefined
  return { start: Number(start), end: Number(end) }
}

test('a Content-Range is read exactly if it is valid, and in numbers that are exact', () => {
  holds(fc.oneof(contentRanges, near(contentRanges, '0123456789-/* bytes')), (header) => {
    const found = parseContentRange(header)
    assert.deepEqual(found, readContentRange(header))
    if (found !== undefined) assert.ok(Number.isSafeInteger(found.end - found.start + 1))
  })
})
