import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseJson } from '../../src/oci/json.ts'
import { TextError } from '../../src/oci/text-error.ts'
import { holds } from './property.ts'
import { near, textOf } from './text.ts'

const MAX_DEPTH = 64

/** What was read, or undefined if it was refused in the documented way. */
function read(bytes: Uint8Array): { value: unknown } | undefined {
  try {
    return { value: parseJson(bytes) }
  } catch (error) {
    assert.ok(error instanceof TextError, String(error))
    assert.ok(error.message.length < 200)
    return undefined
  }
}

function readPlain(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/** JSON as it is written: keys may come twice, and each character may be escaped or not. */
type Written =
  | { form: 'plain'; text: string }
  | { form: 'array'; items: Written[] }
  | { form: 'object'; members: [key: string, value: Written][] }

const keys = fc.oneof(
  { weight: 6, arbitrary: textOf('ab', 0, 2) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', '"', '\\', '/', '😀', 'é', 'e\u0301'),
  },
  { weight: 1, arbitrary: fc.constantFrom('\ud83d', '\ude00', 'a\ud83d', '\ude00\ud83d') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 3 }) },
)
const plain = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '1e400',
    '-1.5E-3',
    'true',
    'false',
    'null',
    '""',
    '"a:b"',
    '"__proto__"',
    '"\\""',
    '"\\ud800"',
  ),
  fc.constantFrom('[', '{', ':', ',', '}', '{"a":1,"a":1}').map((text) => JSON.stringify(text)),
)

const { written } = fc.letrec<{ written: Written }>((tie) => ({
  written: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    plain.map((text): Written => ({ form: 'plain', text })),
    fc.array(tie('written'), { maxLength: 3 }).map((items): Written => ({ form: 'array', items })),
    fc
      .array(fc.tuple(keys, tie('written')), { maxLength: 4 })
      .map((members): Written => ({ form: 'object', members })),
  ),
}))

const choices = fc.infiniteStream(fc.nat({ max: 11 }))

/** Writes it with white space between tokens, and keys in one of their many forms. */
function write(value: Written, choose: () => number): string {
  const space = () => ['', '', '', '', '', '', '', '', ' ', '\t', '\n', '\r\n '][choose()] ?? ''
  const list = (items: string[]) => items.map((item) => space() + item + space()).join(',')
  if (value.form === 'plain') return value.text
  if (value.form === 'array') return `[${list(value.items.map((item) => write(item, choose)))}]`
  const members = value.members.map(
    ([key, member]) => `${quote(key, choose)}${space()}:${space()}${write(member, choose)}`,
  )
  return `{${members.length === 0 ? space() : list(members)}}`
}

function quote(key: string, choose: () => number): string {
  const parts = [...key].flatMap((character) => {
    const isPlain = character >= ' ' && character !== '"' && character !== '\\' && character.isWellFormed()
    const choice = choose()
    if (isPlain && choice > 2) return [character]
    return character.split('').map((unit) => {
      const hex = unit.charCodeAt(0).toString(16).padStart(4, '0')
      return `\\u${choice === 0 ? hex.toUpperCase() : hex}`
    })
  })
  return `"${parts.join('')}"`
}

/** Whether two readers could understand it differently, as it is documented. */
function isAmbiguous(value: Written): boolean {
  if (value.form === 'plain') return false
  if (value.form === 'array') return value.items.some(isAmbiguous)
  const names = value.members.map(([key]) => key)
  const isOdd = names.some((name) => name === '__proto__' || !name.isWellFormed())
  return (
    isOdd || new Set(names).size < names.length || value.members.some(([, member]) => isAmbiguous(member))
  )
}

test('JSON is read as JSON.parse does, unless a key is twice in one object, half of a character, or __proto__', () => {
  holds(fc.tuple(written, choices), ([value, stream]) => {
    const choose = () => [...stream.take(1)][0] ?? 0
    const text = write(value, choose)
    const found = read(Buffer.from(text))
    if (isAmbiguous(value)) return assert.equal(found, undefined, text)
    assert.deepEqual(found, { value: JSON.parse(text) }, text)
  })
})

test('any text is read as JSON.parse reads it, and refused if it refuses it', () => {
  const texts = fc
    .tuple(written, choices)
    .map(([value, stream]) => write(value, () => [...stream.take(1)][0] ?? 0))
  const marked = fc.tuple(fc.constantFrom('', '', '\ufeff'), near(texts, '{}[]",:\\u0e-1.tfn \ufeff'))
  holds(marked, (parts) => {
    const text = parts.join('')
    // Halves of characters can't be sent.
    const sent = text.toWellFormed()
    const found = read(Buffer.from(sent))
    const expected = readPlain(sent)
    if (found !== undefined) assert.deepEqual(found, expected)
    if (expected === undefined) assert.equal(found, undefined)
  })
})

test('bytes that are not UTF-8 are refused wherever they stand', () => {
  const damaged = fc.tuple(fc.json(), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 }))
  const texts = fc.oneof(
    damaged.map(([text, place, bytes]) => {
      const whole = Buffer.from(text)
      const at = place % (whole.length + 1)
      return Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at)])
    }),
    damaged.map(([text, , bytes]) =>
      Buffer.concat([Buffer.from('"'), bytes, Buffer.from(JSON.stringify(text).slice(1))]),
    ),
  )
  holds(texts, (bytes) => {
    const found = read(bytes)
    const expected = isUtf8(bytes) ? readPlain(bytes.toString()) : undefined
    if (found !== undefined) assert.deepEqual(found, expected)
    if (expected === undefined) assert.equal(found, undefined)
  })
})

test('any mix of 64 levels is read, and one more is refused', () => {
  const levels = fc.array(fc.boolean(), { minLength: 1, maxLength: 70 })
  holds(fc.oneof(levels, fc.array(fc.boolean(), { minLength: 63, maxLength: 66 })), (isObject) => {
    const open = isObject.map((one) => (one ? '{"a":' : '[')).join('')
    const close = isObject
      .map((one) => (one ? '}' : ']'))
      .reverse()
      .join('')
    const found = read(Buffer.from(`${open}0${close}`))
    assert.equal(found !== undefined, isObject.length <= MAX_DEPTH)
  })
})

test('no text changes what other objects are', () => {
  const names = Reflect.ownKeys(Object.prototype)
  const odd = fc.constantFrom('__proto__', 'constructor', 'prototype', '\\u005f_proto__', 'a')
  const texts = fc
    .tuple(odd, odd, odd)
    .map(([one, two, three]) => `{"${one}":{"${two}":{"${three}":{"polluted":1}}}}`)
  holds(texts, (text) => {
    const found = read(Buffer.from(text))
    assert.equal(found === undefined, text.includes('_proto__'))
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
    assert.deepEqual(Reflect.ownKeys(Object.prototype), names)
  })
})
