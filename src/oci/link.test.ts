import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatNextLink, parseNextLink } from './link.ts'

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

const HEADERS: [header: string, target: string | undefined][] = [
  ['</v2/a/tags/list?last=b>; rel="next"', '/v2/a/tags/list?last=b'],
  ['</a>;rel=next', '/a'],
  [' </a>\t; title="x" ; REL = "Next" ; type="a/b" ', '/a'],
  ['</a>; rel="prev", </b>; rel="next"', '/b'],
  ['</a>; rel="next", </b>; rel="next"', '/a'],
  [', </a>; rel=prev ,, </b>; rel=next,', '/b'],
  ['</a>; rel="last next"', '/a'],
  ['</a,b;c>; title="; rel=prev, <x>\\""; rel="next"', '/a,b;c'],
  ['</a>;; rel=next;', '/a'],
  ['<>; rel="next"', ''],
  ['</a>; title="; rel=next"', undefined],
  ['</a>; rel="prev"; rel="next"', undefined],
  ['</a>; rel="nextpage"', undefined],
  ['</a>; xrel="next"', undefined],
  ['</a>; rel', undefined],
  ['</a>', undefined],
  ['', undefined],
  [',', undefined],
  ['/a; rel="next"', undefined],
  ['</a; rel="next"', undefined],
  ['</a b>; rel="next"', undefined],
  ['</a> rel="next"', undefined],
  ['</a>; rel="next', undefined],
  ['</a>; rel="next"x', undefined],
  ['</a>; rel="next" </b>', undefined],
]

test('of the links in a header the first to the next page is found, and nothing in one that is malformed', () => {
  for (const [header, target] of HEADERS) assert.equal(parseNextLink(header), target, header)
})
