import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatCursor, parseCursor } from './cursor.ts'

test('a cursor is read as it was written, and contains none of its values in plain text', () => {
  const cursor = formatCursor('manifests:pushed', [17, 'sha256:größe'])
  assert.match(cursor, /^[A-Za-z0-9_-]+$/)
  assert.deepEqual(parseCursor(cursor, 'manifests:pushed', ['number', 'string']), [17, 'sha256:größe'])
  assert.deepEqual(parseCursor(formatCursor('x', []), 'x', []), [])
})

test('a cursor of another list or order is refused as that', () => {
  const cursor = formatCursor('manifests:size', [1])
  assert.throws(() => parseCursor(cursor, 'manifests:-size', ['number']), {
    id: 'PARAMETER_INVALID',
    message: /^"cursor" belongs to a different list or order \(manifests:size, not manifests:-size\)/,
  })
})

test('what this registry never wrote is refused', () => {
  const good = formatCursor('x', [1, 'a'])
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (const text of [
    '',
    'latest',
    good.slice(0, -1),
    `${good}=`,
    `${good} `,
    good.replace(/.$/, '~'),
    encode([2, 'x', 1, 'a']),
    encode([1, 'x', 1]),
    encode([1, 'x', 1, 'a', 2]),
    encode([1, 'x', '1', 'a']),
    encode([1, 'x', 1.5, 'a']),
    encode([1, 'x', null, 'a']),
    encode([1, 2, 1, 'a']),
    encode({ 0: 1 }),
    Buffer.from('[1, "x", 1, "a"]').toString('base64url'),
    encode([1, 'x', 1, 'a'.repeat(3000)]),
  ]) {
    assert.throws(
      () => parseCursor(text, 'x', ['number', 'string']),
      { message: /^"cursor" was not issued by this registry/ },
      text,
    )
  }
})
