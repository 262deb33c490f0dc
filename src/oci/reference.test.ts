import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseReference, parseRepositoryName, parseTag } from './reference.ts'

const NAMES = [
  'a',
  '0',
  'a/b',
  'a/b/c/d/e/f/g',
  'a.b',
  'a_b',
  'a__b',
  'a-b',
  'a---b',
  'a.b_c__d-e--f/0.1',
  'library/alpine',
  'a/blobs',
  'blobs/uploads',
  'a/blobs/uploads',
  'manifests',
  'a/manifests',
  'tags/list',
  'referrers',
  'v2',
  'a'.repeat(255),
  `${'a/'.repeat(127)}a`,
]

const NOT_NAMES = [
  '',
  '/',
  'a/',
  '/a',
  'a//b',
  'A',
  'a/B',
  '.',
  '..',
  '../a',
  'a/..',
  'a/../b',
  'a/./b',
  '.a',
  'a.',
  '_a',
  'a_',
  '-a',
  'a-',
  'a..b',
  'a._b',
  'a_.b',
  'a-_b',
  'a___b',
  'a:b',
  'a@b',
  'a b',
  ' a',
  'a ',
  'a\n',
  'a\0',
  'a%2Fb',
  'a%b',
  'a\\b',
  'ä',
  'а',
  '٣',
  '_catalog',
  '_oci/ext/discover',
  'a/_oci/ext/discover',
  'a'.repeat(256),
  '/'.repeat(40_000),
  'a-'.repeat(20_000),
  'a/'.repeat(20_000),
  `${'a-'.repeat(126)}!`,
  `${'a__'.repeat(84)}!`,
]

const TAGS = [
  'a',
  'A',
  '0',
  '_',
  '__',
  'latest',
  'v1.0.0-rc.1',
  '_.-',
  '1',
  'sha256-abc.sig',
  'a'.repeat(128),
]

const NOT_TAGS = [
  '',
  '.',
  '..',
  '-',
  '.a',
  '-a',
  'a:b',
  'a/b',
  'a b',
  ' a',
  'a\n',
  'a\0',
  'a+b',
  'a%b',
  'a@b',
  'ä',
  'a'.repeat(129),
  'a'.repeat(40_000),
]

function show(text: string): string {
  return JSON.stringify(text.slice(0, 99))
}

test('names by the grammar of the specification are names', () => {
  for (const text of NAMES) assert.equal(parseRepositoryName(text), text, show(text))
})

test('a text that is not a repository name is refused', () => {
  for (const text of NOT_NAMES) assert.equal(parseRepositoryName(text), undefined, show(text))
})

test('tags by the grammar of the specification are tags', () => {
  for (const text of TAGS) assert.equal(parseTag(text), text, show(text))
})

test('a text that is not a tag is refused', () => {
  for (const text of NOT_TAGS) assert.equal(parseTag(text), undefined, show(text))
})

test('a reference is a tag, or with a colon a digest, or nothing', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  assert.deepEqual(parseReference('latest'), { tag: 'latest' })
  assert.deepEqual(parseReference(digest), { digest })
  assert.deepEqual(parseReference('a:b'), { digest: 'a:b' })
  for (const text of [
    '',
    ':',
    'a:',
    ':b',
    `${digest}0`,
    'sha256:',
    'a/b',
    'a/b:c',
    '..',
    'a:b@c',
    ' latest',
  ]) {
    assert.equal(parseReference(text), undefined, show(text))
  }
})
