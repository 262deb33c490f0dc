import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesOf, digestIn, digestOf, errorCodes } from '../content.ts'
import { startForFile } from './file-server.ts'
import { chunk, chunkedBody, connect, head, sendRaw } from './raw-request.ts'
import {
  beginUpload,
  chunkRange,
  closeUpload,
  inPieces,
  locationOf,
  patchUpload,
  statusRange,
} from './upload-requests.ts'

const { url } = await startForFile()

/** Below and above what is kept in the database. */
const SIZES = [3_000, 300_000]

async function assertPulled(bytes: Uint8Array, digest = digestOf(bytes)): Promise<void> {
  const pulled = await fetch(`${url}/v2/app/blobs/${digest}`)
  assert.equal(pulled.status, 200)
  assert.ok((await bytesOf(pulled)).equals(Buffer.from(bytes)))
}

/** What a status says of so many bytes; one can't be told from none. */
function rangeOf(size: number): string {
  return `0-${Math.max(0, size - 1)}`
}

/** Sends the beginning of a request and breaks the connection once the server has read that. */
async function cut(
  t: TestContext,
  line: string,
  sent: Uint8Array,
  { length, headers = [] }: { length: number; headers?: string[] },
): Promise<void> {
  const connection = await connect(t, url)
  await connection.send(head(line, `Content-Length: ${length}`, ...headers), sent)
  await sleep(20)
  connection.destroy()
}

test('a closing PUT that was cut succeeds when it is sent again whole', async (t) => {
  for (const size of SIZES) {
    for (const told of [0, size / 3]) {
      const bytes = randomBytes(size)
      const upload = await beginUpload(url, 'app')
      if (told > 0) await patchUpload(upload, bytes.subarray(0, told))
      const rest = bytes.subarray(told)
      const line = `PUT ${upload.pathname}?digest=${digestOf(bytes)}`
      await cut(t, line, rest.subarray(0, rest.length / 2), { length: rest.length })
      const closed = await closeUpload(upload, digestOf(bytes), { body: rest })
      assert.equal(closed.status, 201, await closed.text())
      await assertPulled(bytes)
    }
  }
})

test('a PATCH without Content-Range, repeated after a cut, is appended to the acknowledged end of the upload', async (t) => {
  for (const size of SIZES) {
    for (const told of [0, size / 3]) {
      const bytes = randomBytes(size)
      const upload = await beginUpload(url, 'app')
      if (told > 0) await patchUpload(upload, bytes.subarray(0, told))
      const rest = bytes.subarray(told)
      for (let turn = 0; turn < 3; turn++)
        await cut(t, `PATCH ${upload.pathname}`, rest.subarray(0, rest.length - 10 * turn - 1), {
          length: rest.length,
        })
      const patched = await patchUpload(upload, rest)
      assert.equal(patched.status, 202)
      assert.equal(patched.headers.get('range'), rangeOf(size))
      assert.equal((await closeUpload(upload, digestOf(bytes))).status, 201)
      await assertPulled(bytes)
    }
  }
})

test('a PATCH with Content-Range continues where the upload really ends, and a 416 has that position', async (t) => {
  for (const size of SIZES) {
    for (const isAsked of [true, false]) {
      const bytes = randomBytes(size)
      const upload = await beginUpload(url, 'app')
      const headers = [`Content-Range: 0-${size - 1}`]
      await cut(t, `PATCH ${upload.pathname}`, bytes.subarray(0, size / 2), { length: size, headers })
      // Told by a status or by a refusal; from then on that is where a PATCH without a range is appended, too.
      const teller = isAsked
        ? await fetch(upload)
        : await patchUpload(upload, bytes.subarray(size - 1), chunkRange(size - 1, 1))
      assert.equal(teller.status, isAsked ? 204 : 416)
      const last = Number(/^0-(\d+)$/.exec(teller.headers.get('range') ?? '')?.[1])
      const offset = last === 0 ? 0 : last + 1
      const rest = bytes.subarray(offset)
      const patched = await patchUpload(upload, rest, isAsked ? {} : chunkRange(offset, rest.length))
      assert.equal(patched.status, 202)
      assert.equal((await closeUpload(upload, digestOf(bytes))).status, 201)
      await assertPulled(bytes)
    }
  }
})

test('a closing PUT may bring the whole blob, whatever the upload had before', async () => {
  for (const size of SIZES) {
    for (const before of [1_000, 100_000]) {
      for (const algorithm of ['sha256', 'sha512', 'blake3']) {
        const bytes = randomBytes(size)
        const digest = await digestIn(algorithm, bytes)
        const upload = await beginUpload(url, 'app')
        await patchUpload(upload, randomBytes(before))
        const closed = await closeUpload(upload, digest, { body: bytes })
        assert.equal(closed.status, 201, await closed.text())
        await assertPulled(bytes, digest)
      }
    }
  }
})

test('a closing PUT with Content-Range brings only what its range says', async () => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const upload = await beginUpload(url, 'app')
    await patchUpload(upload, bytes)
    const headers = chunkRange(size, size)
    const refused = await closeUpload(upload, digestOf(bytes), { body: bytes, headers })
    assert.equal(refused.status, 400)
    assert.equal(await statusRange(upload), rangeOf(size))
    assert.equal((await closeUpload(upload, digestOf(bytes))).status, 201)
  }
})

test('a closing PUT whose digest matches neither its body nor the whole upload leaves the upload unchanged', async () => {
  for (const size of SIZES) {
    for (const before of [0, 1_000, 200_000]) {
      const bytes = randomBytes(before + size)
      const upload = await beginUpload(url, 'app')
      if (before > 0) await patchUpload(upload, bytes.subarray(0, before))
      const rest = bytes.subarray(before)
      const refused = await closeUpload(upload, digestOf('other'), { body: rest })
      assert.equal(refused.status, 400)
      assert.deepEqual(await errorCodes(refused), ['DIGEST_INVALID'])
      assert.equal(await statusRange(upload), rangeOf(before))
      const closed = await closeUpload(upload, digestOf(bytes), { body: rest })
      assert.equal(closed.status, 201, await closed.text())
      await assertPulled(bytes)
    }
  }
})

test('a body that is shorter or longer than its Content-Range is refused, and nothing of it is kept', async (t) => {
  for (const size of SIZES) {
    for (const told of [0, 1_000]) {
      for (const length of [size - 1, Math.floor(size / 2), size + 1]) {
        const bytes = randomBytes(told + size)
        const upload = await beginUpload(url, 'app')
        if (told > 0) await patchUpload(upload, bytes.subarray(0, told))
        for (const line of [`PATCH ${upload.pathname}`, `PUT ${upload.pathname}?digest=${digestOf(bytes)}`]) {
          const range = `Content-Range: ${told}-${told + size - 1}`
          const begin = head(line, range, 'Transfer-Encoding: chunked')
          const body = chunkedBody(
            randomBytes(Math.min(length, 1000)),
            randomBytes(Math.max(0, length - 1000)),
          )
          const refused = await sendRaw(t, url, begin, body)
          assert.equal(refused.status, 400)
          assert.deepEqual(refused.codes(), ['SIZE_INVALID'])
          assert.equal(await statusRange(upload), rangeOf(told))
        }
        const closed = await closeUpload(upload, digestOf(bytes), { body: bytes.subarray(told) })
        assert.equal(closed.status, 201)
      }
    }
  }
})

test('the start of a chunk is checked before its length', async () => {
  const upload = await beginUpload(url, 'app')
  for (const [held, start] of [
    [0, 3],
    [10, 0],
    [10, 11],
  ] as const) {
    if (held > 0 && (await statusRange(upload)) === '0-0') await patchUpload(upload, randomBytes(held))
    const refused = await patchUpload(upload, randomBytes(10), { 'Content-Range': `${start}-${start + 19}` })
    assert.equal(refused.status, 416)
    assert.equal(refused.headers.get('range'), rangeOf(held))
    assert.equal(refused.headers.get('location'), upload.pathname)
  }
  const refused = await patchUpload(upload, randomBytes(10), { 'Content-Range': '10-29' })
  assert.equal(refused.status, 400)
  assert.deepEqual(await errorCodes(refused), ['SIZE_INVALID'])
  assert.equal(await statusRange(upload), '0-9')
})

test('a repeated closing PUT gets the same response as the first one, whatever body it has', async () => {
  for (const size of SIZES) {
    for (const before of [0, size / 2, size]) {
      const bytes = randomBytes(size)
      const upload = await beginUpload(url, 'app')
      if (before > 0) await patchUpload(upload, bytes.subarray(0, before))
      const body = bytes.subarray(before)
      const first = await closeUpload(upload, digestOf(bytes), body.length > 0 ? { body } : {})
      assert.equal(first.status, 201)
      for (const repeated of [{ body }, { body: bytes }, { body: 'anything' }, {}]) {
        const again = await closeUpload(upload, digestOf(bytes), repeated)
        assert.equal(again.status, 201)
        for (const name of ['location', 'docker-content-digest', 'content-length'])
          assert.equal(again.headers.get(name), first.headers.get(name))
      }
      await assertPulled(bytes)
      for (const digest of [digestOf('another'), digestOf(bytes, 'sha512')])
        assert.equal((await closeUpload(upload, digest, { body })).status, 404)
      assert.equal((await fetch(upload)).status, 404)
      assert.equal((await patchUpload(upload, body)).status, 404)
      await fetch(`${url}/v2/app/blobs/${digestOf(bytes)}`, { method: 'DELETE' })
      assert.equal((await closeUpload(upload, digestOf(bytes), { body })).status, 404)
    }
  }
})

test('a closing PUT that is repeated with more than the blob has is answered without being heard out', async (t) => {
  const bytes = randomBytes(1_000)
  const upload = await beginUpload(url, 'app')
  await closeUpload(upload, digestOf(bytes), { body: bytes })
  const connection = await connect(t, url)
  const line = `PUT ${upload.pathname}?digest=${digestOf(bytes)}`
  await connection.send(head(line, 'Content-Length: 1000000000'), randomBytes(100_000))
  const answer = await connection.response()
  assert.equal(answer.status, 201)
  assert.equal(answer.headers.connection, 'close')
})

test('a cancelled upload is not closed by a PUT, also where the blob is there', async () => {
  const bytes = randomBytes(1_000)
  const pushed = await beginUpload(url, 'app')
  await closeUpload(pushed, digestOf(bytes), { body: bytes })
  const cancelled = await beginUpload(url, 'app')
  await patchUpload(cancelled, bytes)
  assert.equal((await fetch(cancelled, { method: 'DELETE' })).status, 204)
  assert.equal((await closeUpload(cancelled, digestOf(bytes))).status, 404)
})

test('a status includes the bytes of a running request, and the request continues', async (t) => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const upload = await beginUpload(url, 'app')
    const connection = await connect(t, url)
    await connection.send(head(`PATCH ${upload.pathname}`, 'Transfer-Encoding: chunked'))
    const pieces = 5
    for (let at = 0; at < pieces; at++) {
      await connection.send(chunk(bytes.subarray((at * size) / pieces, ((at + 1) * size) / pieces)))
      for (let turn = 0; (await statusRange(upload)) !== rangeOf(((at + 1) * size) / pieces); turn++)
        assert.ok(turn < 1000, 'what came is not told')
    }
    await connection.send(chunk(''))
    assert.equal((await connection.response()).status, 202)
    assert.equal((await closeUpload(upload, digestOf(bytes))).status, 201)
    await assertPulled(bytes)
  }
})

test('if a closing PUT is repeated while it runs, one of them closes the upload', async () => {
  const bytes = randomBytes(3_000_000)
  const upload = await beginUpload(url, 'app')
  const target = new URL(`?digest=${digestOf(bytes)}`, upload)
  const send = () =>
    fetch(target, { method: 'PUT', body: inPieces(bytes, 100_000), duplex: 'half' } as RequestInit)
  const answers = await Promise.all([send(), send(), send()])
  const statuses = answers.map(({ status }) => status)
  assert.ok(statuses.includes(201), `${statuses}`)
  assert.ok(
    statuses.every((status) => [201, 409].includes(status)),
    `${statuses}`,
  )
  await assertPulled(bytes)
  assert.ok(answers.some((answer) => answer.status === 201 && locationOf(answer)))
})
