import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { bytesOf, pushBlob, pushImage } from '../content.ts'
import { startForFile } from './file-server.ts'

const { url } = await startForFile()

interface Readable {
  target: string
  type: string
  bytes: Buffer
}

/** What is kept in the database, what is kept in a file, and a manifest. */
const READABLES = await Promise.all([readableBlob(2048), readableBlob(200_000), readableManifest()])

async function readableBlob(size: number): Promise<Readable> {
  const bytes = randomBytes(size)
  const digest = await pushBlob(url, 'app', bytes)
  return { target: `${url}/v2/app/blobs/${digest}`, type: 'application/octet-stream', bytes }
}

async function readableManifest(): Promise<Readable> {
  const { bytes, mediaType: type } = await pushImage(url, 'app', 'v1', {
    annotations: { text: 'x'.repeat(2000) },
  })
  return { target: `${url}/v2/app/manifests/v1`, type, bytes }
}

async function read(
  { target }: Readable,
  range: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fetch(target, { headers: { Range: range, ...headers } })
}

async function assertPart(
  readable: Readable,
  range: string,
  [start, end]: readonly [number, number],
): Promise<void> {
  const part = await read(readable, range)
  assert.equal(part.status, 206, range)
  assert.equal(part.headers.get('content-range'), `bytes ${start}-${end}/${readable.bytes.length}`, range)
  assert.equal(part.headers.get('content-length'), String(end - start + 1), range)
  assert.equal(part.headers.get('content-type'), readable.type)
  assert.equal(part.headers.get('accept-ranges'), 'bytes')
  assert.match(part.headers.get('etag') ?? '', /^"sha256:[0-9a-f]{64}"$/)
  assert.deepEqual(await bytesOf(part), readable.bytes.subarray(start, end + 1), range)
}

async function assertWhole(readable: Readable, response: Response, what: string): Promise<void> {
  assert.equal(response.status, 200, what)
  assert.equal(response.headers.get('content-range'), null, what)
  assert.equal(response.headers.get('content-length'), String(readable.bytes.length), what)
  assert.ok(readable.bytes.equals(await bytesOf(response)), what)
}

test('one range is answered with exactly its bytes', async () => {
  for (const readable of READABLES) {
    const last = readable.bytes.length - 1
    await assertPart(readable, 'bytes=0-0', [0, 0])
    await assertPart(readable, 'bytes=500-1499', [500, 1499])
    await assertPart(readable, `bytes=${last}-${last}`, [last, last])
    await assertPart(readable, `bytes=0-${last}`, [0, last])
    await assertPart(readable, 'Bytes= 7-9 ', [7, 9])
  }
})

test('a range without an end goes to the end, also from the first byte on', async () => {
  for (const readable of READABLES) {
    const last = readable.bytes.length - 1
    for (const start of [0, 1, 500, last]) await assertPart(readable, `bytes=${start}-`, [start, last])
  }
})

test('a range that counts from the end is answered with the last bytes, or with all there are', async () => {
  for (const readable of READABLES) {
    const last = readable.bytes.length - 1
    await assertPart(readable, 'bytes=-1', [last, last])
    await assertPart(readable, 'bytes=-500', [last - 499, last])
    await assertPart(readable, 'bytes=-999999999', [0, last])
  }
})

test('a range that ends after the content is cut there, however far after', async () => {
  for (const readable of READABLES) {
    const { length } = readable.bytes
    for (const end of [length, length + 1000, Number.MAX_SAFE_INTEGER, '9223372036854775807']) {
      await assertPart(readable, `bytes=1500-${end}`, [1500, length - 1])
    }
  }
})

test('a range outside of the content is answered 416 with its size', async () => {
  const empty: Readable = {
    target: `${url}/v2/app/blobs/${await pushBlob(url, 'app', '')}`,
    type: 'application/octet-stream',
    bytes: Buffer.alloc(0),
  }
  for (const readable of READABLES) {
    const { length } = readable.bytes
    for (const range of [`${length}-`, `${length}-${length + 5}`, '500-0', '5-4', '-0', `${length}-,-0`]) {
      await assertUnsatisfiable(readable, `bytes=${range}`)
    }
  }
  for (const range of ['0-', '0-0', '-0', '1-2,3-4']) await assertUnsatisfiable(empty, `bytes=${range}`)
  // They are all of nothing, which no part can say. RFC 9110, section 14.1.2
  for (const range of ['-5', '-51', '0-,-1']) {
    const whole = await read(empty, `bytes=${range}`)
    assert.equal(`${whole.status} ${whole.headers.get('content-length')}`, '200 0', range)
  }
})

async function assertUnsatisfiable(readable: Readable, range: string): Promise<void> {
  const refused = await read(readable, range)
  assert.equal(refused.status, 416, range)
  assert.equal(refused.headers.get('content-range'), `bytes */${readable.bytes.length}`, range)
  const text = await refused.text()
  assert.equal(refused.headers.get('content-length'), String(text.length))
  assert.equal(JSON.parse(text).errors.length, 1)
}

test('a range that is malformed or in another unit is ignored', async () => {
  const ranges = [
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=1-2x',
    'bytes=1',
    'bytes=--1',
    'items=0-5',
    '0-5',
  ]
  for (const readable of READABLES) {
    for (const range of ranges) await assertWhole(readable, await read(readable, range), range)
  }
})

test('HEAD answers for the whole, whatever range it asks for', async () => {
  for (const readable of READABLES) {
    for (const Range of ['bytes=0-9', 'bytes=0-1,5-6', 'bytes=999999999-']) {
      const head = await fetch(readable.target, { method: 'HEAD', headers: { Range } })
      assert.equal(head.status, 200)
      assert.equal(head.headers.get('content-length'), String(readable.bytes.length))
      assert.equal(head.headers.get('content-range'), null)
    }
  }
})

test('If-Range gives a part of the content that it names, and the whole of any other', async () => {
  for (const readable of READABLES) {
    const head = await fetch(readable.target, { method: 'HEAD' })
    const tag = head.headers.get('etag') ?? ''
    const part = await read(readable, 'bytes=5-9', { 'If-Range': tag })
    assert.equal(part.status, 206)
    assert.deepEqual(await bytesOf(part), readable.bytes.subarray(5, 10))
    const others = [`"sha256:${'0'.repeat(64)}"`, `W/${tag}`, 'Wed, 21 Oct 2026 07:28:00 GMT']
    for (const other of others) {
      await assertWhole(readable, await read(readable, 'bytes=5-9', { 'If-Range': other }), other)
      await assertWhole(readable, await read(readable, 'bytes=999999999-', { 'If-Range': other }), other)
    }
  }
})

interface Part {
  type: string | undefined
  range: string | undefined
  bytes: Buffer
}

/** Takes a body of several parts apart, strictly. @see RFC 2046, section 5.1 */
function parseParts(body: Buffer, contentType: string | null): Part[] {
  const boundary = /^multipart\/byteranges; boundary=([0-9a-zA-Z'()+_,./:=? -]{1,70})$/.exec(
    contentType ?? '',
  )?.[1]
  assert.ok(boundary !== undefined, `${contentType} is of several parts`)
  const text = body.toString('latin1')
  const [before, ...pieces] = text.split(`\r\n--${boundary}`)
  assert.equal(before, '')
  assert.equal(pieces.pop(), '--\r\n')
  return pieces.map((piece) => {
    const end = piece.indexOf('\r\n\r\n')
    const header = (name: string) =>
      new RegExp(`\r\n${name}: ([^\r\n]*)\r\n`).exec(piece.slice(0, end + 2))?.[1]
    return {
      type: header('Content-Type'),
      range: header('Content-Range'),
      bytes: Buffer.from(piece.slice(end + 4), 'latin1'),
    }
  })
}

async function assertParts(
  readable: Readable,
  range: string,
  expected: readonly (readonly [number, number])[],
): Promise<void> {
  const response = await read(readable, range)
  assert.equal(response.status, 206, range)
  assert.equal(response.headers.get('content-range'), null, range)
  const body = await bytesOf(response)
  assert.equal(response.headers.get('content-length'), String(body.length), range)
  const { bytes, type } = readable
  assert.deepEqual(
    parseParts(body, response.headers.get('content-type')),
    expected.map(([start, end]) => ({
      type,
      range: `bytes ${start}-${end}/${bytes.length}`,
      bytes: bytes.subarray(start, end + 1),
    })),
  )
}

test('several ranges are answered with as many parts, in their order, each with its exact bytes', async () => {
  for (const readable of READABLES) {
    const last = readable.bytes.length - 1
    await assertParts(readable, 'bytes=0-0,2-2', [
      [0, 0],
      [2, 2],
    ])
    await assertParts(readable, 'bytes=100-199, 500-799 ,10-19', [
      [100, 199],
      [500, 799],
      [10, 19],
    ])
    await assertParts(readable, `bytes=-10,5-5,${last - 30}-${last - 20},0-3`, [
      [last - 9, last],
      [5, 5],
      [last - 30, last - 20],
      [0, 3],
    ])
    await assertParts(readable, `bytes=1500-,0-9,${last + 1}-`, [
      [1500, last],
      [0, 9],
    ])
  }
})

test('up to 1,024 ranges are answered with a part each', async () => {
  for (const readable of READABLES) {
    const ranges = Array.from({ length: 1024 }, (_, index) => [2 * index, 2 * index] as const)
    const within = ranges.filter(([start]) => start < readable.bytes.length)
    await assertParts(readable, `bytes=${ranges.map(([at]) => `${at}-${at}`).join(',')}`, within)
  }
})

test('if only one of several ranges is inside the content, the response has only that one', async () => {
  for (const readable of READABLES) await assertPart(readable, 'bytes=999999990-,3-7,-0', [3, 7])
})

test('more than 1,024 ranges, and ranges that cover more than the content, are ignored', async () => {
  for (const readable of READABLES) {
    const last = readable.bytes.length - 1
    const many = `bytes=${Array.from({ length: 1025 }, (_, index) => `${index}-${index}`).join(',')}`
    for (const range of [many, 'bytes=0-,0-', `bytes=0-${last},5-5`, 'bytes=-999999999,-1']) {
      await assertWhole(readable, await read(readable, range), range)
    }
  }
})
