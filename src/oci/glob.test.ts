import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRepositoryGlob, parseTagGlob } from './glob.ts'

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
  return tags.filter(parseTagGlob(pattern))
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

test('a text that is not a pattern is refused with the reason and the position', () => {
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
    assert.throws(() => parseTagGlob(pattern), { name: 'TextError', message: problem }, pattern)
  }
})

test('patterns as long as a tag may be match as shorter ones do', () => {
  for (const length of [31, 32, 33, 63, 64, 65, 127, 128]) {
    const tag = 'ab'.repeat(length).slice(0, length)
    assert.ok(parseTagGlob(tag)(tag), `${length}`)
    assert.ok(parseTagGlob('?'.repeat(length))(tag), `${length}`)
    assert.ok(parseTagGlob(`*${tag.slice(1)}*`)(tag), `${length}`)
    assert.ok(!parseTagGlob('?'.repeat(length - 1))(tag), `${length}`)
    assert.ok(!parseTagGlob(`${tag.slice(0, -1)}c`)(tag), `${length}`)
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
      assert.equal(parseTagGlob(pieces.join(''))(text), new RegExp(`^(?:${source.join('')})$`).test(text))
    }),
    { numRuns: 2000 },
  )
})

test('a pattern that makes other matchers backtrack is matched in one pass', () => {
  // What tries each way through this one after the other does not end while anybody waits.
  const pattern = `${'*a'.repeat(127)}b`
  const matches = parseTagGlob(pattern)
  for (let round = 0; round < 10_000; round++) assert.ok(!matches('a'.repeat(128)))
})

const REPOSITORIES = [
  'app',
  'mirror',
  'mirror/alpine',
  'mirror/library/alpine',
  'team/mirror',
  'team/app-1',
  'team/app-2/test',
]

function matchedRepositories(pattern: string): string[] {
  return REPOSITORIES.filter(parseRepositoryGlob(pattern))
}

test('in a pattern for repositories, a star matches within a segment and two stars match across segments', () => {
  assert.deepEqual(matchedRepositories('*'), ['app', 'mirror'])
  assert.deepEqual(matchedRepositories('**'), REPOSITORIES)
  assert.deepEqual(matchedRepositories('mirror/*'), ['mirror/alpine'])
  assert.deepEqual(matchedRepositories('mirror/**'), ['mirror/alpine', 'mirror/library/alpine'])
  assert.deepEqual(matchedRepositories('mirror**'), ['mirror', 'mirror/alpine', 'mirror/library/alpine'])
  assert.deepEqual(matchedRepositories('**/alpine'), ['mirror/alpine', 'mirror/library/alpine'])
  assert.deepEqual(matchedRepositories('*/app-[12]'), ['team/app-1'])
  assert.deepEqual(matchedRepositories('*/app-[12]**'), ['team/app-1', 'team/app-2/test'])
  assert.deepEqual(matchedRepositories('team?mirror'), [])
  assert.deepEqual(matchedRepositories('team[!a]mirror'), [])
  assert.deepEqual(matchedRepositories('team[!a-z]mirror'), [])
})

test('for any pattern and repository name, a matcher says what a plain regular expression says', () => {
  const sources = new Map([
    ['*', '[^/]*'],
    ['**', '.*'],
    ['?', '[^/]'],
    ['[!a]', '[^a/]'],
  ])
  const piece = fc.constantFrom('*', '**', '?', 'a', 'b', '/', '[ab]', '[!a]')
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '/'), minLength: 1, maxLength: 12 })
  // Three stars in a row are read as two and one, as `**` is here. No name has a slash in some places.
  const isMeant = (all: string[]) => !/\*\*\*|^\/|\/\/|\/$/.test(all.join(''))
  const pieces = fc.array(piece, { minLength: 1, maxLength: 10 }).filter(isMeant)
  fc.assert(
    fc.property(pieces, name, (all, text) => {
      const pattern = all.join('')
      const source = pattern.match(/\*\*|\[!?[ab]+\]|./g)?.map((part) => sources.get(part) ?? part)
      assert.equal(
        parseRepositoryGlob(pattern)(text),
        new RegExp(`^(?:${source?.join('')})$`).test(text),
        pattern,
      )
    }),
    { numRuns: 2000 },
  )
})

test('a pattern that no repository name can match is refused', () => {
  for (const [pattern, problem] of [
    ['Team/*', /^has "T", which repository names cannot contain, at character 1$/],
    ['/team/*', /^has a slash where repository names cannot have one, at character 1$/],
    ['team/', /^has a slash where repository names cannot have one, at character 5$/],
    ['team:*', /^has ":", which repository names cannot contain, at character 5$/],
    [
      '?'.repeat(256),
      /^can only match more than 255 characters, and repository names are not longer than that/,
    ],
  ] as const)
    assert.throws(() => parseRepositoryGlob(pattern), { name: 'TextError', message: problem }, pattern)
})
