import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { bytesOf, digestOf, errorCodes, pushBlob, pushImage } from '../content.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }

/** What is kept in a row, what in a file, and what is sent in several steps. */
const SIZES = [100, 200_000, 3_000_000]

type Part = readonly [start: number, end: number]

async function ask(url: string, range: string): Promise<Response> {
  return await fetch(url, { headers: { Range: range } })
}

async function assertPart(url: string, whole: Buffer, range: string, [start, end]: Part): Promise<void> {
  const response = await ask(url, range)
  assert.equal(response.status, 206, range)
  assert.equal(response.headers.get('content-range'), `bytes ${start}-${end}/${whole.length}`)
  assert.equal(response.headers.get('content-length'), String(end - start + 1))
  assert.ok((await bytesOf(response)).equals(whole.subarray(start, end + 1)), range)
}

/** Several parts come in the order that they were asked for, each with its place. */
async function assertParts(url: string, whole: Buffer, range: string, parts: readonly Part[]): Promise<void> {
  const response = await ask(url, range)
  assert.equal(response.status, 206, range)
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(
    response.headers.get('content-type') ?? '',
  )?.[1]
  const expected = parts.flatMap(([start, end]) => [
    `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\n`,
    `Content-Range: bytes ${start}-${end}/${whole.length}\r\n\r\n`,
    whole.subarray(start, end + 1),
  ])
  const body = Buffer.concat([...expected, `\r\n--${boundary}--\r\n`].map((piece) => Buffer.from(piece)))
  assert.equal(response.headers.get('content-length'), String(body.length))
  assert.ok((await bytesOf(response)).equals(body), range)
}

async function assertUnsatisfiable(url: string, size: number, range: string): Promise<void> {
  const response = await ask(url, range)
  assert.equal(response.status, 416, range)
  assert.equal(response.headers.get('content-range'), `bytes */${size}`)
  assert.deepEqual(await errorCodes(response), ['SIZE_INVALID'])
}

async function assertWhole(url: string, whole: Buffer, range: string): Promise<void> {
  const response = await ask(url, range)
  assert.equal(response.status, 200, range)
  assert.equal(response.headers.get('content-range'), null)
  assert.ok((await bytesOf(response)).equals(whole), range)
}

test(
  'fault 23: a range that is a suffix, ends beyond the end or has no end is answered with exactly its bytes',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const size of SIZES) {
      const whole = randomBytes(size)
      const url = `${server.url}/v2/app/blobs/${await pushBlob(server.url, 'app', whole)}`
      const last = size - 1
      await assertPart(url, whole, 'bytes=-1', [last, last])
      await assertPart(url, whole, 'bytes=-10', [size - 10, last])
      await assertPart(url, whole, `bytes=-${size}`, [0, last])
      await assertPart(url, whole, `bytes=-${size + 1}`, [0, last])
      await assertPart(url, whole, 'bytes=-99999999999999999999', [0, last])
      await assertPart(url, whole, 'bytes=0-', [0, last])
      await assertPart(url, whole, `bytes=${last}-`, [last, last])
      await assertPart(url, whole, `bytes=50-${size}`, [50, last])
      await assertPart(url, whole, 'bytes=50-99999999999999999999', [50, last])
      for (const range of [`${size}-`, `${size}-${size + 10}`, `${2 ** 53}-`, '-0', '5-4']) {
        await assertUnsatisfiable(url, size, `bytes=${range}`)
      }
      for (const range of ['bytes=-', 'bytes=a-b', 'bytes=1-2;3', 'items=0-1', 'bytes=0x1-2']) {
        await assertWhole(url, whole, range)
      }
    }
    await server.close()
  },
)

test(
  'fault 23: several ranges, also overlapping ones, are sent as one part each; ranges for more than the whole content are ignored',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const size of SIZES) {
      const whole = randomBytes(size)
      const url = `${server.url}/v2/app/blobs/${await pushBlob(server.url, 'app', whole)}`
      await assertParts(url, whole, 'bytes=0-9,20-29', [
        [0, 9],
        [20, 29],
      ])
      await assertParts(url, whole, 'bytes=20-29,0-9', [
        [20, 29],
        [0, 9],
      ])
      await assertParts(url, whole, 'bytes=0-19,10-29', [
        [0, 19],
        [10, 29],
      ])
      await assertParts(url, whole, 'bytes=5-5,5-5,5-5', [
        [5, 5],
        [5, 5],
        [5, 5],
      ])
      await assertParts(url, whole, `bytes=0-9,-10`, [
        [0, 9],
        [size - 10, size - 1],
      ])
      await assertPart(url, whole, `bytes=0-9,${size}-`, [0, 9])
      await assertUnsatisfiable(url, size, `bytes=${size}-,${size + 5}-${size + 6}`)
      await assertWhole(url, whole, 'bytes=0-,0-')
      await assertWhole(url, whole, `bytes=${'0-,'.repeat(2_000)}0-`)
      await assertWhole(url, whole, `bytes=${Array.from({ length: 1_500 }, () => '0-0').join(',')}`)
    }
    await server.close()
  },
)

test(
  'fault 23: an empty blob is answered whole, also to its last bytes, and 416 to any other range',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    const empty = Buffer.alloc(0)
    const url = `${server.url}/v2/app/blobs/${await pushBlob(server.url, 'app', empty, digestOf(''))}`
    const plain = await fetch(url)
    assert.equal(`${plain.status} ${plain.headers.get('content-length')} ${await plain.text()}`, '200 0 ')
    const last = await fetch(url, { headers: { Range: 'bytes=-1' } })
    assert.equal(`${last.status} ${await last.text()}`, '200 ')
    for (const range of ['0-', '0-0', '5-']) {
      await assertUnsatisfiable(url, 0, `bytes=${range}`)
    }
    await server.close()
  },
)

test('fault 23: ranges of a manifest are those of its bytes', PATIENCE, async (t) => {
  const server = await startServer(t)
  const { bytes } = await pushImage(server.url, 'app', 'v1')
  const url = `${server.url}/v2/app/manifests/v1`
  await assertPart(url, bytes, 'bytes=-10', [bytes.length - 10, bytes.length - 1])
  await assertPart(url, bytes, `bytes=5-${bytes.length}`, [5, bytes.length - 1])
  await assertUnsatisfiable(url, bytes.length, `bytes=${bytes.length}-`)
  await server.close()
})
