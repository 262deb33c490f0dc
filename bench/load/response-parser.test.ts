import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ResponseParser } from './response-parser.ts'

interface Seen {
  status: number
  length: number | undefined
  location: string | undefined
  body: string
  ended: boolean
}

/** What a parser makes of bytes that come in pieces of one size. */
function parse(text: string, piece: number, withoutBody = false): Seen[] {
  const seen: Seen[] = []
  const parser = new ResponseParser({
    head: ({ status, location }, length) =>
      void seen.push({ status, location, length, body: '', ended: false }),
    body(bytes) {
      const last = seen.at(-1)
      if (last) last.body += bytes.toString('latin1')
    },
    end() {
      const last = seen.at(-1)
      if (last) last.ended = true
    },
  })
  parser.expect(withoutBody)
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length; at += piece) parser.push(bytes.subarray(at, at + piece))
  return seen
}

const PIECES = [1, 2, 3, 7, 1000]

test('responses that follow each other are told apart, however they are cut', () => {
  const text =
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' +
    'HTTP/1.1 202 Accepted\r\nLocation: http://127.0.0.1:1/v2/a?state=b\r\ncontent-length: 0\r\n\r\n' +
    'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}'
  for (const piece of PIECES) {
    assert.deepEqual(parse(text, piece), [
      { status: 200, length: 5, location: undefined, body: 'hello', ended: true },
      { status: 202, length: 0, location: '/v2/a?state=b', body: '', ended: true },
      { status: 404, length: 2, location: undefined, body: '{}', ended: true },
    ])
  }
})

test('a body in chunks is put together, and what follows it is the next response', () => {
  const text =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n' +
    'HTTP/1.1 204 No Content\r\n\r\n'
  for (const piece of PIECES) {
    assert.deepEqual(parse(text, piece), [
      { status: 200, length: undefined, location: undefined, body: 'abc0123456789', ended: true },
      { status: 204, length: 0, location: undefined, body: '', ended: true },
    ])
  }
})

test('an answer to HEAD has no body, whatever it announces', () => {
  const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'.repeat(2)
  const seen = parse(text, 1000, true)
  assert.deepEqual(
    seen.map(({ length, body, ended }) => ({ length, body, ended })),
    [
      { length: 5, body: '', ended: true },
      { length: 5, body: '', ended: true },
    ],
  )
})

test('a body that is not whole does not end', () => {
  assert.equal(parse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell', 1000)[0]?.ended, false)
})

test('what is no HTTP is refused', () => {
  assert.throws(() => parse('SSH-2.0-OpenSSH\r\n\r\n', 1000), /no HTTP/)
  assert.throws(() => parse('x'.repeat(20_000), 20_000), /no HTTP/)
})
