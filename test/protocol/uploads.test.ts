import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { bytesOf, digestOf, errorCodes } from '../content.ts'
import { startForFile } from './file-server.ts'
import { connect, head } from './raw-request.ts'
import {
  beginUpload,
  chunkRange,
  closeUpload,
  locationOf,
  patchUpload,
  statusRange,
} from './upload-requests.ts'

const { url } = await startForFile()

/** Below and above what is kept in the database. */
const SIZES = [1000, 200_000]

test('an upload begins at a path of its repository, without a query and without a least length of chunks', async () => {
  for (const path of ['/v2/a/b/blobs/uploads/', '/v2/a/b/blobs/uploads']) {
    const begun = await fetch(url + path, { method: 'POST' })
    assert.equal(begun.status, 202)
    const location = begun.headers.get('location') ?? ''
    // The specification wants a UUID in it.
    assert.match(
      location,
      /^\/v2\/a\/b\/blobs\/uploads\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9a-f]{32}$/,
    )
    assert.ok(location.length < 200, 'state must not travel in the URL')
    assert.equal(begun.headers.get('docker-upload-uuid'), location.split('/').at(-1))
    assert.equal(begun.headers.get('range'), '0-0')
    assert.equal(begun.headers.get('content-length'), '0')
    assert.equal(begun.headers.get('oci-chunk-min-length'), null)
  }
})

test('no two uploads share a path', async () => {
  const begun = await Promise.all(Array.from({ length: 20 }, () => beginUpload(url, 'app')))
  assert.equal(new Set(begun.map(String)).size, 20)
})

test('chunks of any size, with and without Content-Range in either form, make one blob', async () => {
  const sizes = [1, 4999, 60_536, 3, 70_000, 1, 100_000]
  const forms = [
    () => ({}),
    chunkRange,
    (start: number, size: number) => ({ 'Content-Range': `bytes ${start}-${start + size - 1}/*` }),
    (start: number, size: number) => ({ 'Content-Range': `bytes ${start}-${start + size - 1}/999999` }),
  ]
  const blob: Buffer[] = []
  let total = 0
  const begun = await beginUpload(url, 'app')
  let upload = begun
  for (const [index, size] of sizes.entries()) {
    const chunk = randomBytes(size)
    const headers = forms[index % forms.length]?.(total, size) ?? {}
    const patched = await patchUpload(upload, chunk, headers)
    blob.push(chunk)
    total += size
    assert.equal(patched.status, 202, await patched.text())
    assert.equal(patched.headers.get('range'), `0-${total - 1}`)
    assert.equal(patched.headers.get('content-length'), '0')
    assert.equal(patched.headers.get('docker-upload-uuid'), begun.pathname.split('/').at(-1))
    upload = locationOf(patched)
    assert.equal(upload.href, begun.href)
    assert.equal(await statusRange(upload), `0-${total - 1}`)
  }
  const whole = Buffer.concat(blob)
  const closed = await closeUpload(upload, digestOf(whole))
  assert.equal(closed.status, 201, await closed.text())
  assert.ok(whole.equals(await bytesOf(await fetch(locationOf(closed)))))
})

test('an empty chunk changes nothing', async () => {
  const upload = await beginUpload(url, 'app')
  for (const size of [0, 1000, 0, 100_000, 0]) {
    const before = await statusRange(upload)
    const patched = await patchUpload(upload, Buffer.alloc(size))
    assert.equal(patched.status, 202)
    if (size === 0) assert.equal(patched.headers.get('range'), before)
  }
  assert.equal(await statusRange(upload), '0-100999')
})

test('the status of an upload is 204 with Location and Range, for GET and HEAD, whatever query they have', async () => {
  const upload = await beginUpload(url, 'app')
  for (const [sent, range] of [
    [0, '0-0'],
    [1, '0-0'],
    [1000, '0-1000'],
    [99_000, '0-100000'],
  ] as const) {
    if (sent > 0) await patchUpload(upload, Buffer.alloc(sent))
    for (const method of ['GET', 'HEAD']) {
      const status = await fetch(`${upload}?digest=${digestOf('')}&_state=x`, { method })
      assert.equal(status.status, 204)
      assert.equal(status.headers.get('range'), range)
      assert.equal(status.headers.get('location'), upload.pathname)
      assert.equal(status.headers.get('docker-upload-uuid'), upload.pathname.split('/').at(-1))
    }
  }
})

test('a chunk out of order gets 416 with the end of the upload, and the upload continues from there', async () => {
  for (const size of SIZES) {
    const bytes = randomBytes(3 * size)
    const digest = digestOf(bytes)
    const upload = await beginUpload(url, 'app')
    for (const start of [0, size, 2 * size]) {
      const chunk = bytes.subarray(start, start + size)
      for (const wrong of [start + 1, start + size, ...(start > 0 ? [0, start - 1] : [])]) {
        const headers = chunkRange(wrong, size)
        const attempts = [
          await patchUpload(upload, chunk, headers),
          await closeUpload(upload, digest, { body: chunk, headers }),
        ]
        for (const refused of attempts) {
          assert.equal(refused.status, 416)
          assert.equal(refused.headers.get('location'), upload.pathname)
          assert.equal(refused.headers.get('range'), `0-${Math.max(0, start - 1)}`)
          assert.deepEqual(await errorCodes(refused), ['BLOB_UPLOAD_INVALID'])
        }
      }
      assert.equal((await patchUpload(upload, chunk, chunkRange(start, size))).status, 202)
    }
    const closed = await closeUpload(upload, digest)
    assert.equal(closed.status, 201)
    assert.ok(bytes.equals(await bytesOf(await fetch(locationOf(closed)))))
  }
})

test('a closing PUT brings nothing, the last chunk or everything', async () => {
  for (const size of SIZES) {
    for (const before of [0, 1, size - 1, size]) {
      const bytes = randomBytes(size)
      const upload = await beginUpload(url, 'app')
      if (before > 0) await patchUpload(upload, bytes.subarray(0, before))
      const body = bytes.subarray(before)
      const closed = await closeUpload(upload, digestOf(bytes), body.length > 0 ? { body } : {})
      assert.equal(closed.status, 201, await closed.text())
      assert.ok(bytes.equals(await bytesOf(await fetch(locationOf(closed)))))
    }
  }
})

test('a wrong digest leaves the upload as it was, so that the right one still closes it', async () => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const upload = await beginUpload(url, 'app')
    await patchUpload(upload, bytes)
    const refused = await closeUpload(upload, digestOf('something else'))
    assert.equal(refused.status, 400)
    assert.deepEqual(await errorCodes(refused), ['DIGEST_INVALID'])
    assert.equal(await statusRange(upload), `0-${size - 1}`)
    const closed = await closeUpload(upload, digestOf(bytes))
    assert.equal(closed.status, 201)
    assert.ok(bytes.equals(await bytesOf(await fetch(locationOf(closed)))))
  }
  assert.equal((await fetch(`${url}/v2/app/blobs/${digestOf('something else')}`)).status, 404)
})

test('a closing PUT needs a digest, may give the same one twice, and not two', async () => {
  const bytes = randomBytes(1000)
  const upload = await beginUpload(url, 'app')
  await patchUpload(upload, bytes)
  for (const query of ['', '?digest=', `?digest=${digestOf(bytes)}&digest=${digestOf('other')}`]) {
    const refused = await fetch(upload + query, { method: 'PUT' })
    assert.equal(refused.status, 400, query)
    assert.deepEqual(await errorCodes(refused), ['DIGEST_INVALID'])
  }
  const twice = `?digest=${digestOf(bytes)}&digest=${encodeURIComponent(digestOf(bytes))}`
  assert.equal((await fetch(upload + twice, { method: 'PUT' })).status, 201)
})

async function assertUnknown(upload: URL): Promise<void> {
  const requests = [
    fetch(upload),
    patchUpload(upload, 'x'),
    closeUpload(upload, digestOf('x'), { body: 'x' }),
    fetch(upload, { method: 'DELETE' }),
  ]
  for (const answer of await Promise.all(requests)) {
    assert.equal(answer.status, 404)
    assert.deepEqual(await errorCodes(answer), ['BLOB_UPLOAD_UNKNOWN'])
  }
}

test('a cancelled upload is answered 204 and is unknown from then on', async () => {
  for (const size of [0, ...SIZES]) {
    const upload = await beginUpload(url, 'app')
    if (size > 0) await patchUpload(upload, randomBytes(size))
    assert.equal((await fetch(upload, { method: 'DELETE' })).status, 204)
    await assertUnknown(upload)
  }
})

test('a closed upload is unknown from then on', async () => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const upload = await beginUpload(url, 'app')
    assert.equal((await closeUpload(upload, digestOf(bytes), { body: bytes })).status, 201)
    await assertUnknown(upload)
  }
})

test('an upload is unknown under the name of another repository', async () => {
  for (const size of [0, ...SIZES]) {
    const upload = await beginUpload(url, 'team/app')
    if (size > 0) await patchUpload(upload, randomBytes(size))
    for (const name of ['team/other', 'team/app/sub', 'team']) {
      await assertUnknown(new URL(upload.href.replace('/team/app/', `/${name}/`)))
    }
    assert.equal(await statusRange(upload), `0-${Math.max(0, size - 1)}`)
  }
})

test('an upload that was altered or made up is unknown', async () => {
  const upload = await beginUpload(url, 'app')
  const [last] = upload.pathname.split('/').slice(-1)
  const id = last ?? ''
  const altered = [0, 11, 12, 31, 33, id.length - 1].map((at) => {
    const digit = id[at] === '0' ? '1' : '0'
    return id.slice(0, at) + digit + id.slice(at + 1)
  })
  const made = ['x', '0'.repeat(64), `${id}0`, id.slice(1), '9f3c7a52-6a3c-4bb9-8f0e-5a8e6ba7f4c1']
  for (const forged of [...altered, ...made]) {
    await assertUnknown(new URL(forged, upload))
  }
  assert.equal(await statusRange(upload), '0-0')
})

test('of two clients that send the same chunk of an upload at once, at most one is taken, and their bytes never mix', async () => {
  for (const size of SIZES) {
    const chunks = [randomBytes(size), randomBytes(size)]
    const upload = await beginUpload(url, 'app')
    const answers = await Promise.all(chunks.map((chunk) => patchUpload(upload, chunk, chunkRange(0, size))))
    const statuses = answers.map(({ status }) => status)
    assert.match(`${statuses.toSorted()}`, /^(?:202,416|202,409|409,416)$/)
    const last = Number(/^0-(\d+)$/.exec((await statusRange(upload)) ?? '')?.[1])
    const held = last === 0 ? 0 : last + 1
    assert.ok(!statuses.includes(202) || held === size)
    const digests = chunks.map((chunk) => digestOf(chunk.subarray(0, held)))
    const closed = await Promise.all(digests.map((digest) => closeUpload(upload, digest)))
    assert.ok(closed.some(({ status }) => status === 201))
  }
})

test('a client that waits for "100 Continue" gets it, and its chunk is accepted', async (t) => {
  for (const size of [1000, 200_000]) {
    const bytes = randomBytes(size)
    const upload = await beginUpload(url, 'app')
    const connection = await connect(t, url)
    await connection.send(head(`PATCH ${upload.pathname}`, `Content-Length: ${size}`, 'Expect: 100-continue'))
    assert.equal((await connection.response()).status, 100)
    await connection.send(bytes)
    const patched = await connection.response()
    assert.equal(patched.status, 202)
    assert.equal(patched.headers.range, `0-${size - 1}`)
    const closed = await closeUpload(upload, digestOf(bytes))
    assert.equal(closed.status, 201)
    assert.ok(bytes.equals(await bytesOf(await fetch(locationOf(closed)))))
  }
})

test('a client that waits for "100 Continue" is refused before it sends anything', async (t) => {
  const upload = await beginUpload(url, 'app')
  const refusals = [
    [`PATCH ${upload.pathname.replace('/app/', '/other/')}`, 404, 'BLOB_UPLOAD_UNKNOWN'],
    [`PUT ${upload.pathname}?digest=md5:${'0'.repeat(32)}`, 400, 'DIGEST_INVALID'],
    [`POST /v2/app/blobs/uploads/?digest=sha256:short`, 400, 'DIGEST_INVALID'],
    [`PUT /v2/app/manifests/not:a:digest`, 400, 'DIGEST_INVALID'],
  ] as const
  for (const [request, status, code] of refusals) {
    const connection = await connect(t, url)
    await connection.send(head(request, 'Content-Length: 1000000000', 'Expect: 100-continue'))
    const refused = await connection.response()
    assert.equal(refused.status, status, request)
    assert.deepEqual(refused.codes(), [code])
    assert.equal(refused.headers.connection, 'close')
    const { rest } = await connection.ended()
    assert.equal(rest.length, 0)
  }
  assert.equal(await statusRange(upload), '0-0')
})

test('a client that continues to send gets the response to a refused chunk', async (t) => {
  const upload = await beginUpload(url, 'app')
  const size = 8 * 1024 * 1024
  const connection = await connect(t, url)
  await connection.send(
    head(`PATCH ${upload.pathname}`, `Content-Length: ${size}`, 'Content-Range: 1-8388608'),
  )
  const refused = await connection.response()
  assert.equal(refused.status, 416)
  assert.equal(refused.headers.range, '0-0')
  assert.deepEqual(refused.codes(), ['BLOB_UPLOAD_INVALID'])
  await connection.send(Buffer.alloc(size))
  assert.equal((await connection.ended()).by, 'end')
  assert.equal(await statusRange(upload), '0-0')
})

test('a client that continues to send learns that a newer request has taken over its upload', async (t) => {
  const upload = await beginUpload(url, 'app')
  const size = 64 * 1024 * 1024
  const [older, newer] = await Promise.all([connect(t, url), connect(t, url)])
  const request = head(`PATCH ${upload.pathname}`, `Content-Length: ${size}`)
  await older.send(request, Buffer.alloc(size / 2))
  await newer.send(request, Buffer.alloc(size))
  assert.equal((await newer.response()).status, 202)
  await older.send(Buffer.alloc(size / 2))
  const refused = await older.response()
  assert.equal(refused.status, 409)
  assert.deepEqual(refused.codes(), ['BLOB_UPLOAD_INVALID'])
  assert.equal((await older.ended()).by, 'end')
  assert.equal(await statusRange(upload), `0-${size - 1}`)
})

test('chunks that follow one another on one connection make one blob', async (t) => {
  const upload = await beginUpload(url, 'app')
  const chunks = [randomBytes(70_000), randomBytes(10), randomBytes(100_000)]
  const connection = await connect(t, url)
  for (const chunk of chunks) {
    await connection.send(head(`PATCH ${upload.pathname}`, `Content-Length: ${chunk.length}`), chunk)
    assert.equal((await connection.response()).status, 202)
  }
  const bytes = Buffer.concat(chunks)
  await connection.send(head(`PUT ${upload.pathname}?digest=${digestOf(bytes)}`, 'Content-Length: 0'))
  const closed = await connection.response()
  assert.equal(closed.status, 201)
  assert.deepEqual(await bytesOf(await fetch(url + closed.headers.location)), bytes)
})
