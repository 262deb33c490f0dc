import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatNextLink } from './link.ts'

const LINK = /^<([^<>"\s]*)>; rel="next"$/

test('a link leads to a path with its parameters, in their order', () => {
  const link = formatNextLink('/v2/a/tags/list', [
    ['last', 'v1'],
    ['n', '10'],
  ])
  assert.equal(link, '</v2/a/tags/list?last=v1&n=10>; rel="next"')
})

test('parameters that are undefined are left out, and empty ones are not', () => {
  const link = formatNextLink('/v2/_catalog', [
    ['n', undefined],
    ['last', ''],
    ['x', undefined],
  ])
  assert.equal(link, '</v2/_catalog?last=>; rel="next"')
})

test('whatever a parameter holds, a client reads the same back, and nothing breaks out of the header', () => {
  for (const value of [
    'a&b=c',
    '>; rel="prev"',
    '<>',
    '"',
    'a+b c',
    '100%',
    '%2F',
    'a/b',
    '日本😀',
    '#',
    '\r\nX: y',
    '\0',
  ]) {
    const link = formatNextLink('/v2/a/referrers/x', [
      ['artifactType', value],
      ['artifactType', 'second'],
      ['last', value],
    ])
    const target = LINK.exec(link)?.[1]
    assert.ok(target !== undefined, link)
    const { searchParams } = new URL(target, 'http://localhost')
    assert.deepEqual(searchParams.getAll('artifactType'), [value, 'second'])
    assert.equal(searchParams.get('last'), value)
  }
})
