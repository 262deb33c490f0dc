import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseGlob } from './glob.ts'

const TAGS = [
  'latest',
  'v1',
  'v1.0',
  'v1.10',
  'v2',
  'nightly-2025-01-02',
  'nightly',
  'V1',
  '_',
  'a-b',
  'a.b',
  'a_b',
]

function matched(pattern: string, tags: readonly string[] = TAGS): string[] {
  return tags.filter(parseGlob(pattern))
}

test('a pattern matches whole tags, letter by letter', () => {
  assert.deepEqual(matched('v1'), ['v1'])
  assert.deepEqual(matched('a.b'), ['a.b'])
  assert.deepEqual(matched('ight'), [])
})

test('a star stands for any characters, also for none', () => {
  assert.deepEqual(matched('*'), TAGS)
  assert.deepEqual(matched('**'), TAGS)
  assert.deepEqual(matched('nightly*'), ['nightly-2025-01-02', 'nightly'])
  assert.deepEqual(matched('*.*0'), ['v1.0', 'v1.10'])
  assert.deepEqual(matched('v*1*0'), ['v1.0', 'v1.10'])
  assert.deepEqual(matched('*ly*'), ['nightly-2025-01-02', 'nightly'])
})

test('a question mark stands for exactly one character', () => {
  assert.deepEqual(matched('v?'), ['v1', 'v2'])
  assert.deepEqual(matched('a?b'), ['a-b', 'a.b', 'a_b'])
  assert.deepEqual(matched('?'), ['_'])
})

test('brackets stand for one of their characters, of a range, or of all others', () => {
  assert.deepEqual(matched('[vV]1'), ['v1', 'V1'])
  assert.deepEqual(matched('v[2-9]'), ['v2'])
  assert.deepEqual(matched('a[-.]b'), ['a-b', 'a.b'])
  assert.deepEqual(matched('a[.-]b'), ['a-b', 'a.b'])
  assert.deepEqual(matched('a[!-.]b'), ['a_b'])
  assert.deepEqual(matched('[a-y]*-[0-9][0-9]'), ['nightly-2025-01-02'])
})

test('what is no pattern is refused with what is wrong and where', () => {
  for (const [pattern, problem] of [
    ['', /^is empty, at character 1$/],
    ['v:1', /^has ":", which tags cannot contain, at character 2$/],
    ['a b', /^has " ", which tags cannot contain, at character 2$/],
    ['a😀', /^has "😀", which tags cannot contain, at character 2$/],
    ['v[12', /^has a "\[" without a closing "\]", at character 2$/],
    ['v[]', /nothing between them, at character 2$/],
    ['v[!]', /nothing between them, at character 2$/],
    ['v[1/2]', /^has "\/", which tags cannot contain, at character 4$/],
    ['v[9-0]', /^has the range "9-0", which is in reverse order, at character 3$/],
    [
      `${'?'.repeat(128)}*a`,
      /^can only match more than 128 characters, and tags are not longer than that, at character 130$/,
    ],
    ['v]', /^has "\]", which tags cannot contain, at character 2$/],
  ] as const) {
    assert.throws(() => parseGlob(pattern), { name: 'TextError', message: problem }, pattern)
  }
})

test('patterns as long as a tag may be match as shorter ones do', () => {
  for (const length of [31, 32, 33, 63, 64, 65, 127, 128]) {
    const tag = 'ab'.repeat(length).slice(0, length)
    assert.ok(parseGlob(tag)(tag), `${length}`)
    assert.ok(parseGlob('?'.repeat(length))(tag), `${length}`)
    assert.ok(parseGlob(`*${tag.slice(1)}*`)(tag), `${length}`)
    assert.ok(!parseGlob('?'.repeat(length - 1))(tag), `${length}`)
    assert.ok(!parseGlob(`${tag.slice(0, -1)}c`)(tag), `${length}`)
  }
})

test('for any pattern and tag, a matcher says what a plain regular expression says', () => {
  const sources = new Map([
    ['*', '.*'],
    ['?', '.'],
    ['.', '\\.'],
    ['[!a]', '[^a]'],
  ])
  const piece = fc.constantFrom('*', '?', 'a', 'b', '.', '[ab]', '[!a]')
  const tag = fc.string({ unit: fc.constantFrom('a', 'b', '.'), minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 10 }), tag, (pieces, text) => {
      const source = pieces.map((part) => sources.get(part) ?? part)
      assert.equal(parseGlob(pieces.join(''))(text), new RegExp(`^(?:${source.join('')})$`).test(text))
    }),
    { numRuns: 2000 },
  )
})

test('a pattern that makes others go back and forth is matched in one pass', () => {
  // What tries each way through this one after the other does not end while anybody waits.
  const pattern = `${'*a'.repeat(127)}b`
  const matches = parseGlob(pattern)
  for (let round = 0; round < 10_000; round++) assert.ok(!matches('a'.repeat(128)))
})
