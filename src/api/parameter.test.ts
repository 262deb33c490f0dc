import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queryReader } from './parameter.ts'
import {
  digestParameter,
  flagParameter,
  limitParameter,
  mediaTypeParameter,
  tagParameter,
  timeParameter,
  wordParameter,
} from './parameters.ts'

const PARAMETERS = {
  n: limitParameter(100),
  untagged: flagParameter(''),
  sort: wordParameter(['pushed', '-pushed'], ''),
  artifactType: { ...mediaTypeParameter(''), repeated: true },
  subject: digestParameter(''),
  before: timeParameter(''),
  tag: { ...tagParameter(''), required: true },
} as const

function read(text: string) {
  return queryReader(PARAMETERS)({ query: new URLSearchParams(text) })
}

test('parameters are read as what they are, and others are ignored', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  const query = `n=7&untagged=false&sort=-pushed&artifactType=a/b%2Bjson&artifactType=c/d+json&subject=${digest}`
  assert.deepEqual(read(`${query}&before=1970-01-01T00:00:01Z&tag=v1&what=1&what=2`), {
    n: 7,
    untagged: false,
    sort: '-pushed',
    artifactType: ['a/b+json', 'c/d+json'],
    subject: digest,
    before: 1000,
    tag: 'v1',
  })
})

test('a limit above the maximum is the maximum, and what is absent is undefined or empty', () => {
  assert.equal(read('tag=v1&n=999999').n, 100)
  const { n, artifactType } = read('tag=v1')
  assert.equal(n, undefined)
  assert.deepEqual(artifactType, [])
})

test('a wrong parameter is named, with the reason and the position', () => {
  for (const [text, name, problem] of [
    ['tag=v1&n=0', 'n', /^"n" must be a whole number, at least 1, at character 1$/],
    ['tag=v1&n=-1', 'n', /^"n" must be a whole number/],
    ['tag=v1&n=1&n=1', 'n', /^"n" is given more than once, but can be given only once$/],
    ['tag=v1&untagged=yes', 'untagged', /^"untagged" is "yes", not true or false/],
    ['tag=v1&sort=name', 'sort', /^"sort" is "name", not one of pushed, -pushed/],
    ['tag=v1&artifactType=', 'artifactType', /^"artifactType" is empty/],
    ['tag=v1&subject=sha256:0', 'subject', /^"subject" is "sha256:0", not <algorithm>:/],
    ['tag=v1&before=yesterday', 'before', /^"before" must be a time, such as /],
    ['', 'tag', /^"tag" is missing$/],
    ['tag=-x', 'tag', /^"tag" is "-x", not up to 128 letters/],
  ] as const) {
    assert.throws(
      () => read(text),
      { name: 'RegistryError', id: 'PARAMETER_INVALID', message: problem, details: [{ parameter: name }] },
      text,
    )
  }
})
