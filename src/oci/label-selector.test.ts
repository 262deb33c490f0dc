import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Labels, matchesLabels, parseLabelSelector } from './label-selector.ts'

test('each form of Kubernetes is read', () => {
  for (const [text, key, operator, values] of [
    ['a=b', 'a', 'in', ['b']],
    ['a==b', 'a', 'in', ['b']],
    ['a!=b', 'a', 'notin', ['b']],
    ['a in (x,y)', 'a', 'in', ['x', 'y']],
    ['a in(x)', 'a', 'in', ['x']],
    ['  a   notin  ( x ,  y )  ', 'a', 'notin', ['x', 'y']],
    ['a', 'a', 'exists', []],
    ['!a', 'a', 'absent', []],
    ['! a', 'a', 'absent', []],
    ['a = b', 'a', 'in', ['b']],
    ['a=', 'a', 'in', ['']],
    ['a!=', 'a', 'notin', ['']],
    ['a in (,x)', 'a', 'in', ['', 'x']],
    ['in in (in)', 'in', 'in', ['in']],
    ['notin', 'notin', 'exists', []],
  ] as const) {
    assert.deepEqual(parseLabelSelector(text), [{ key, operator, values }], text)
  }
})

test('requirements stand between commas', () => {
  assert.deepEqual(
    parseLabelSelector('tier=base, arch in (amd64,arm64),!broken,owner').map(({ key }) => key),
    ['tier', 'arch', 'broken', 'owner'],
  )
})

test('keys and values of image configs are written as they are', () => {
  assert.deepEqual(parseLabelSelector('org.opencontainers.image.base.name=docker.io/library/alpine:3.20'), [
    { key: 'org.opencontainers.image.base.name', operator: 'in', values: ['docker.io/library/alpine:3.20'] },
  ])
  assert.deepEqual(parseLabelSelector('io.buildpacks/stack@x=größe+{1}'), [
    { key: 'io.buildpacks/stack@x', operator: 'in', values: ['größe+{1}'] },
  ])
})

test('in quotes, keys and values are any text', () => {
  assert.deepEqual(parseLabelSelector(String.raw`"a key"="x, (y) = \"z\" \\", b in ("", "in", "<>!")`), [
    { key: 'a key', operator: 'in', values: [String.raw`x, (y) = "z" \ `.trimEnd()] },
    { key: 'b', operator: 'in', values: ['', 'in', '<>!'] },
  ])
})

test('any labels can be selected by writing them in quotes', () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })
  const quoted = (value: string) => `"${value.replaceAll(/["\\]/g, (found) => `\\${found}`)}"`
  fc.assert(
    fc.property(text, text, (key, value) => {
      const selector = `${quoted(key)}=${quoted(value)},${quoted(key)} in (x,${quoted(value)})`
      assert.deepEqual(parseLabelSelector(selector), [
        { key, operator: 'in', values: [value] },
        { key, operator: 'in', values: ['x', value] },
      ])
    }),
  )
})

test('a text that is not a selector is refused with the reason and the position', () => {
  for (const [text, problem] of [
    ['', /^has its end where the key of a label is expected, at character 1$/],
    [' ', /^has its end where the key of a label is expected, at character 2$/],
    ['a,', /^has its end where the key of a label is expected, at character 3$/],
    ['a,,b', /^has "," where the key of a label is expected, at character 3$/],
    ['=b', /^has "=" where the key of a label is expected, at character 1$/],
    ['""=b', /where the key of a label is expected/],
    ['a b', /^has "b" where "=", "==", "!=", "in", "notin", "," or the end is expected; .*, at character 3$/],
    ['a IN (b)', /^has "IN" where /],
    ['a in b', /^has "b" where "\(" is expected, at character 6$/],
    ['a in', /^has its end where "\(" is expected, at character 5$/],
    ['a in ()', /^has "\(" and "\)" with no value between them, at character 7$/],
    ['a in (b', /^has its end where "," or "\)" is expected; .*, at character 8$/],
    ['a in (b c)', /^has "c" after a value; .* in double quotes, at character 9$/],
    ['a in (b) c', /^has "c" where "," or the end is expected, at character 10$/],
    ['a in (b))', /^has "\)" where "," or the end is expected, at character 9$/],
    ['a=b)', /^has "\)" where "," or the end is expected, at character 4$/],
    ['a=b=c', /^has "=" after a value; .*, at character 4$/],
    ['a===b', /^has "=" after a value; .*, at character 4$/],
    ['a=b c', /^has "c" after a value; .*, at character 5$/],
    ['a>5', /^has ">" where "," or the end is expected, at character 2$/],
    ['!a=b', /^has "=" where "," or the end is expected, at character 3$/],
    ['!!a', /^has "!" where the key of a label is expected, at character 2$/],
    ['a="b', /^has a quote that is never closed, at character 3$/],
    ['a="b\\', /^has a backslash that is not followed by a quote or a backslash, at character 5$/],
    ['a="\\n"', /^has a backslash that is not followed by a quote or a backslash, at character 4$/],
    ['a="b"c', /^has "c" after a value; .*, at character 6$/],
    ['"a"b=c', /^has "b" where "=", /],
    ['😀 😀', /^has "😀" where .*, at character 3$/],
  ] as const) {
    assert.throws(() => parseLabelSelector(text), { name: 'TextError', message: problem }, text)
  }
})

const IMAGES: Record<string, Labels> = {
  none: {},
  blue: { colour: 'blue' },
  red: { colour: 'red', tier: 'base' },
  empty: { colour: '' },
}

function selected(text: string): string[] {
  const requirements = parseLabelSelector(text)
  return Object.keys(IMAGES).filter((name) => matchesLabels(requirements, IMAGES[name] ?? {}))
}

test('labels match as in Kubernetes: an absent label is neither equal nor in a set', () => {
  assert.deepEqual(selected('colour=blue'), ['blue'])
  assert.deepEqual(selected('colour!=blue'), ['none', 'red', 'empty'])
  assert.deepEqual(selected('colour in (blue,red)'), ['blue', 'red'])
  assert.deepEqual(selected('colour notin (blue,red)'), ['none', 'empty'])
  assert.deepEqual(selected('colour'), ['blue', 'red', 'empty'])
  assert.deepEqual(selected('!colour'), ['none'])
  assert.deepEqual(selected('colour='), ['empty'])
  assert.deepEqual(selected('colour,colour!=blue,!tier'), ['empty'])
  assert.deepEqual(selected('Colour'), [])
})

test('a property that every object has is not a label', () => {
  for (const key of ['constructor', '__proto__', 'toString']) {
    assert.deepEqual(selected(key), [])
    assert.deepEqual(selected(`!${key}`), Object.keys(IMAGES))
  }
})
