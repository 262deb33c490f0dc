import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TextError } from '../oci/text-error.ts'
import { bodySchema, readBody } from './body.ts'

const WORD = {
  schema: { type: 'string' },
  parse(value: unknown) {
    if (typeof value === 'string') return value
    throw new TextError('is no string', '', 0)
  },
} as const
const FIELDS = { tag: { ...WORD, required: true }, to: WORD } as const

async function read(text: string | Uint8Array, headers: Record<string, string> = {}) {
  const sent: Record<string, string> = { 'content-type': 'application/json', ...headers }
  async function* chunks() {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
  }
  return await readBody({ header: (name) => sent[name], body: chunks() }, FIELDS)
}

test('a body is read by its fields', async () => {
  assert.deepEqual(await read('{"tag":"v1","to":"x"}'), { tag: 'v1', to: 'x' })
  assert.deepEqual(await read('{"tag":"v1"}', { 'content-type': 'Application/X+JSON; charset=utf-8' }), {
    tag: 'v1',
    to: undefined,
  })
})

test('a wrong body is refused with the reason', async () => {
  for (const [text, message] of [
    ['', /^body is not well-formed JSON$/],
    ['[]', /^body is not a JSON object$/],
    ['null', /^body is not a JSON object$/],
    ['{"tag":"a","tag":"b"}', /^body has the key "tag" twice/],
    ['{}', /^body is missing the field "tag"$/],
    ['{"tag":1}', /^the field "tag" is no string/],
    ['{"tag":"v1","from":"x"}', /^body has the unknown field "from"; known fields are tag, to$/],
    ['{"tag":"v1","to":null}', /^the field "to" is no string/],
  ] as const) {
    await assert.rejects(read(text), { id: 'BODY_INVALID', message }, text)
  }
  await assert.rejects(read(new Uint8Array([0x22, 0xff, 0x22])), { id: 'BODY_INVALID' })
})

test('a body whose type is not JSON, or that is larger than 64 KiB, is refused', async () => {
  for (const type of ['text/plain', '', 'application/x-www-form-urlencoded', 'json']) {
    await assert.rejects(read('{"tag":"v1"}', { 'content-type': type }), { id: 'BODY_TYPE_UNSUPPORTED' })
  }
  const exact = `{"tag":"${'x'.repeat(64 * 1024 - 10)}"}`
  assert.equal((await read(exact)).tag.length, 64 * 1024 - 10)
  await assert.rejects(read(`${exact} `), { id: 'BODY_TOO_LARGE' })
  await assert.rejects(read('{}', { 'content-length': '65537' }), { id: 'BODY_TOO_LARGE' })
})

test('the form of a body is that of its fields', () => {
  assert.deepEqual(bodySchema('What for.', FIELDS), {
    type: 'object',
    description: 'What for.',
    required: ['tag'],
    additionalProperties: false,
    properties: { tag: { type: 'string' }, to: { type: 'string' } },
  })
})
