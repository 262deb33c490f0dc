import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJson } from './json.ts'
import { TextError } from './text-error.ts'

function parse(text: string): unknown {
  return parseJson(Buffer.from(text))
}

function assertRefused(text: string | Uint8Array, message: RegExp): void {
  const shown = JSON.stringify(Buffer.from(text).toString('latin1', 0, 99))
  assert.throws(
    () => parseJson(Buffer.from(text)),
    (error) => error instanceof TextError && message.test(error.message),
    shown,
  )
}

const SIZE = 4 * 1024 * 1024

test('JSON is read as JSON.parse reads it', () => {
  for (const text of [
    '{}',
    '[]',
    'null',
    'true',
    '-1.5e3',
    '""',
    '"a\\u0041\\n\\"\\\\"',
    ' { "a" : [ 1 , { "b" : null } , "c:d" ] , "e" : "{[" } \r\n\t',
    '{"a":{"a":{"a":1}},"b":{"a":1}}',
    '[{"a":1},{"a":2}]',
    '{"a":"a","b":"b","":""}',
    '{"日本":"😀","\\ud83d\\ude00":1}',
    '{"constructor":1,"toString":2,"hasOwnProperty":3}',
    '{"a":"__proto__","b":["__proto__"]}',
    '"\\\\"',
    '["\\"","a",":"]',
  ]) {
    assert.deepEqual(parse(text), JSON.parse(text), text)
  }
})

test('text that is not JSON is refused', () => {
  for (const text of [
    '',
    ' ',
    '{',
    '}',
    '{]',
    '[}',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '[1,]',
    '{a:1}',
    "{'a':1}",
    '{"a":1}{}',
    '{} x',
    'NaN',
    'undefined',
    '01',
    '"',
    '"a',
    '"\\"',
    '"\\',
    '"\\x"',
    '"\n"',
    '{"\\x":1}',
    '{"\\u12":1}',
    '["a":1]',
    '"a":1',
    '/* */{}',
    '{"a"\u00a0:1}',
    '{}\0',
  ]) {
    assertRefused(text, /well-formed/)
  }
})

test('a key that stands twice in one object is refused, however it is written', () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"a":2}',
    '{"\\u0061":1,"\\U0061":2}'.replace('U', 'u'),
    '{"/":1,"\\/":2}',
    '{"a\\n":1,"a\\u000a":2}',
    '{"😀":1,"\\ud83d\\uDE00":2}',
    '{"":1,"":2}',
    '{"a" : 1, "a"\n\t: 2}',
    '{"a":[{"a":1}],"b":{"c":1,"c":2}}',
    '[[{"a":1,"b":[1,2,{"x":1}],"a":2}]]',
    '{"a":{"b":1},"a":{"c":1}}',
    `{"${'k'.repeat(1000)}":1,"${'k'.repeat(1000)}":2}`,
  ]) {
    assertRefused(text, /twice/)
  }
})

test('the message about a key that stands twice is short, however long the key is', () => {
  const key = JSON.stringify('k'.repeat(100_000))
  assert.throws(
    () => parse(`{${key}:1,${key}:2}`),
    (error: Error) => error.message.length < 200,
  )
})

test('a key named __proto__ is refused, however it is written', () => {
  for (const text of [
    '{"__proto__":1}',
    '{"a":[{"__proto__":{"x":1}}]}',
    '{"\\u005f_proto__":1}',
    '{"__prot\\u006f__":null}',
  ]) {
    assertRefused(text, /__proto__/)
  }
  assert.equal(Object.getPrototypeOf({}), Object.prototype)
})

test('64 levels may be nested, and 65 may not', () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    assert.doesNotThrow(() => parse(`${open.repeat(64)}0${close.repeat(64)}`))
    assertRefused(`${open.repeat(65)}0${close.repeat(65)}`, /levels/)
    assertRefused(open.repeat(100_000), /levels/)
  }
  assert.doesNotThrow(() => parse(`[${'[],'.repeat(1000)}[]]`))
  assert.doesNotThrow(() => parse(`"${'['.repeat(1000)}"`))
})

test('bytes that are not UTF-8 are refused', () => {
  for (const bytes of [
    [0x22, 0xff, 0x22],
    [0x22, 0xc0, 0x80, 0x22],
    [0x22, 0xc1, 0xa1, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22],
    [0x22, 0xe2, 0x82, 0x22],
    [0x22, 0x80, 0x22],
    [0x7b, 0x7d, 0xc3],
    [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00],
  ]) {
    assertRefused(Uint8Array.from(bytes), /UTF-8/)
  }
})

test('a byte order mark is refused', () => {
  assertRefused('\ufeff{}', /well-formed/)
  assertRefused('\ufeff', /well-formed/)
})

test('4 MiB of anything are read or refused without getting stuck', () => {
  const keys = Array.from({ length: 200_000 }, (_, index) => `"k${index}":0`)
  const escaped = Array.from({ length: 100_000 }, (_, index) => `"\\u006b${index}":0`)
  for (const text of [
    `"${'x'.repeat(SIZE)}"`,
    `"${'\\\\'.repeat(SIZE / 2)}"`,
    `[${'"",'.repeat(SIZE / 3)}""]`,
    `{"a"${' '.repeat(SIZE)}:1}`,
    `{"${'k'.repeat(SIZE)}":1}`,
    `{${keys.join()}}`,
    `{${escaped.join()}}`,
    `[${'{},'.repeat(SIZE / 3)}{}]`,
  ]) {
    assert.doesNotThrow(() => parse(text))
  }
  for (const text of [
    '['.repeat(SIZE),
    '"'.repeat(SIZE + 1),
    '{"a":'.repeat(SIZE / 5),
    `"${'\\'.repeat(SIZE)}`,
    `{${'"a" '.repeat(SIZE / 4)}}`,
    `{"a":1,${keys.join()},"k7":1}`,
  ]) {
    assert.throws(() => parse(text), TextError)
  }
})
