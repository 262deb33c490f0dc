import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERRORS, type ErrorId, errorEntries, RegistryError } from './error.ts'

const IDS = Object.keys(ERRORS) as ErrorId[]

test('codes are upper-case letters and underscores, as the specification asks', () => {
  for (const id of IDS) assert.match(ERRORS[id].code, /^[A-Z]+(?:_[A-Z]+)*$/)
})

test('statuses are those of errors', () => {
  for (const id of IDS) {
    const { status } = ERRORS[id]
    assert.ok(Number.isInteger(status) && status >= 400 && status <= 599, `${id} has ${status}`)
  }
})

test('messages are one line without a full stop', () => {
  for (const id of IDS) assert.match(ERRORS[id].message, /^[a-z][^\n]*[^\n.]$/, id)
})

test('a client that reads only the code learns whether to blame itself or the registry', () => {
  for (const id of IDS) {
    const { status, code } = ERRORS[id]
    // 501 is about what the client asked for, although it begins with 5.
    const blamesRegistry = status >= 500 && status !== 501
    assert.equal(blamesRegistry, code === 'UNAVAILABLE' || code === 'UNKNOWN', id)
  }
})

test('an error says what the table says, unless it knows better', () => {
  const plain = new RegistryError('BLOB_UNKNOWN')
  assert.ok(plain instanceof Error)
  assert.equal(plain.name, 'RegistryError')
  assert.equal(plain.id, 'BLOB_UNKNOWN')
  assert.equal(plain.message, ERRORS.BLOB_UNKNOWN.message)
  assert.deepEqual(plain.details, [])
  assert.equal(plain.cause, undefined)

  const cause = new Error('why')
  const full = new RegistryError('DENIED', { message: 'not today', details: [{ a: 1 }], cause })
  assert.equal(full.message, 'not today')
  assert.deepEqual(full.details, [{ a: 1 }])
  assert.equal(full.cause, cause)
})

test('each entry of an error body has the row of the table and the id of the request, in addition to its other details', () => {
  assert.deepEqual(errorEntries(new RegistryError('ROUTE_UNKNOWN'), 'r-1'), [
    {
      code: 'UNSUPPORTED',
      message: ERRORS.ROUTE_UNKNOWN.message,
      detail: { reason: 'ROUTE_UNKNOWN', requestId: 'r-1' },
    },
  ])
  const two = new RegistryError('MANIFEST_BLOB_UNKNOWN', { details: [{ digest: 'a' }, { digest: 'b' }] })
  assert.deepEqual(
    errorEntries(two, 'r-2').map(({ detail }) => detail),
    [
      { reason: 'MANIFEST_BLOB_UNKNOWN', digest: 'a', requestId: 'r-2' },
      { reason: 'MANIFEST_BLOB_UNKNOWN', digest: 'b', requestId: 'r-2' },
    ],
  )
})
