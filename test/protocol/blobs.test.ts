import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { bytesOf, digestOf, errorCodes, pushBlob } from '../content.ts'
import { startForFile } from './file-server.ts'
import { beginUpload, chunkRange, closeUpload, inPieces, locationOf, patchUpload } from './upload-requests.ts'

const { url } = await startForFile()

/** Below and above what is kept in the database. */
const SIZES = [1000, 200_000]

type Push = (name: string, bytes: Buffer) => Promise<Response>

const FORMS: Readonly<Record<string, Push>> = {
  async 'single POST'(name, bytes) {
    const target = `${url}/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`
    return await fetch(target, { method: 'POST', body: new Uint8Array(bytes) })
  },

  async 'single POST without a length'(name, bytes) {
    const target = `${url}/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`
    return await fetch(target, { method: 'POST', body: inPieces(bytes, 700), duplex: 'half' })
  },

  async 'POST, PUT'(name, bytes) {
    return await closeUpload(await beginUpload(url, name), digestOf(bytes), { body: bytes })
  },

  async 'POST, PATCH, PUT'(name, bytes) {
    const patched = await patchUpload(await beginUpload(url, name), bytes)
    assert.equal(patched.status, 202)
    return await closeUpload(locationOf(patched), digestOf(bytes))
  },

  async 'POST, PATCH without a length, PUT'(name, bytes) {
    const upload = await beginUpload(url, name)
    const body = inPieces(bytes, Math.ceil(bytes.length / 7))
    const patched = await fetch(upload, { method: 'PATCH', body, duplex: 'half' })
    assert.equal(patched.status, 202)
    assert.equal(patched.headers.get('range'), `0-${bytes.length - 1}`)
    return await closeUpload(locationOf(patched), digestOf(bytes))
  },

  async 'POST, PATCHes with ranges, PUT with the last chunk'(name, bytes) {
    let upload = await beginUpload(url, name)
    const size = Math.ceil(bytes.length / 3)
    for (const start of [0, size]) {
      const chunk = bytes.subarray(start, start + size)
      const patched = await patchUpload(upload, chunk, chunkRange(start, chunk.length))
      assert.equal(patched.status, 202)
      upload = locationOf(patched)
    }
    const last = bytes.subarray(2 * size)
    return await closeUpload(upload, digestOf(bytes), {
      body: last,
      headers: chunkRange(2 * size, last.length),
    })
  },
}

test('a blob that was pushed in any of the forms is read back byte for byte from its Location', async () => {
  for (const [form, push] of Object.entries(FORMS)) {
    for (const size of SIZES) {
      const bytes = randomBytes(size)
      const digest = digestOf(bytes)
      const pushed = await push('forms/app', bytes)
      assert.equal(pushed.status, 201, `${form}: ${await pushed.text()}`)
      assert.equal(pushed.headers.get('location'), `/v2/forms/app/blobs/${digest}`, form)
      assert.equal(pushed.headers.get('docker-content-digest'), digest, form)
      assert.equal(pushed.headers.get('content-length'), '0', form)
      const read = await fetch(locationOf(pushed))
      assert.equal(read.status, 200, form)
      assert.ok(bytes.equals(await bytesOf(read)), form)
    }
  }
})

test('a blob of no bytes and an empty JSON object are pushed in any of the forms, read and deleted', async () => {
  for (const [form, push] of Object.entries(FORMS)) {
    if (form.includes('ranges') || form.includes('without a length')) continue
    for (const text of ['', '{}']) {
      const pushed = await push('small/app', Buffer.from(text))
      assert.equal(pushed.status, 201, `${form}: ${await pushed.text()}`)
      const blob = locationOf(pushed)
      const head = await fetch(blob, { method: 'HEAD' })
      assert.equal(head.headers.get('content-length'), String(text.length))
      const read = await fetch(blob)
      assert.equal(read.headers.get('content-length'), String(text.length))
      assert.equal(await read.text(), text)
      const deleted = await fetch(blob, { method: 'DELETE' })
      assert.equal(deleted.status, 202)
      assert.equal((await fetch(blob)).status, 404)
    }
  }
})

test('a blob of many megabytes is pushed in one request, with and without a length, and read back', async () => {
  const mebibyte = randomBytes(1024 * 1024)
  const bytes = Buffer.concat(Array.from({ length: 24 }, () => mebibyte))
  const digest = digestOf(bytes)
  for (const body of [new Uint8Array(bytes), inPieces(bytes, 3_000_000)]) {
    const target = `${url}/v2/many/app/blobs/uploads/?digest=${digest}`
    const pushed = await fetch(target, { method: 'POST', body, duplex: 'half' })
    assert.equal(pushed.status, 201)
    assert.ok(bytes.equals(await bytesOf(await fetch(locationOf(pushed)))))
  }
})

test('HEAD of a blob answers with the headers of GET: type, length, digest, ETag', async () => {
  for (const size of SIZES) {
    const digest = await pushBlob(url, 'head/app', randomBytes(size))
    const blob = `${url}/v2/head/app/blobs/${digest}`
    const [head, get] = [await fetch(blob, { method: 'HEAD' }), await fetch(blob)]
    assert.equal(head.status, 200)
    for (const [name, value] of Object.entries({
      'content-type': 'application/octet-stream',
      'content-length': String(size),
      'docker-content-digest': digest,
      etag: `"${digest}"`,
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=31536000, immutable, no-transform',
    })) {
      assert.equal(head.headers.get(name), value, name)
      assert.equal(get.headers.get(name), value, name)
    }
    assert.equal((await bytesOf(head)).length, 0)
    assert.equal((await bytesOf(get)).length, size)
  }
})

test('a blob exists only in its own repository, for HEAD as for GET', async () => {
  const digest = await pushBlob(url, 'own/app', 'mine')
  await pushBlob(url, 'own/other', 'something else')
  for (const [name, code] of [
    ['own/other', 'BLOB_UNKNOWN'],
    ['own/nowhere', 'NAME_UNKNOWN'],
  ]) {
    const blob = `${url}/v2/${name}/blobs/${digest}`
    assert.equal((await fetch(blob, { method: 'HEAD' })).status, 404)
    const read = await fetch(blob)
    assert.equal(read.status, 404)
    assert.deepEqual(await errorCodes(read), [code])
  }
})

test('a blob that is deleted is gone at once, and can be pushed again', async () => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const blob = `${url}/v2/deleted/app/blobs/${await pushBlob(url, 'deleted/app', bytes)}`
    const deleted = await fetch(blob, { method: 'DELETE' })
    assert.equal(deleted.status, 202)
    assert.equal((await fetch(blob, { method: 'HEAD' })).status, 404)
    const read = await fetch(blob)
    assert.equal(read.status, 404)
    assert.deepEqual(await errorCodes(read), ['BLOB_UNKNOWN'])
    const again = await fetch(blob, { method: 'DELETE' })
    assert.equal(again.status, 404)
    assert.deepEqual(await errorCodes(again), ['BLOB_UNKNOWN'])
    await pushBlob(url, 'deleted/app', bytes)
    assert.ok(bytes.equals(await bytesOf(await fetch(blob))))
  }
})

test('clients that push the same blob at once all get 201', async () => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const pushes = Object.values(FORMS).map((push) => push('crowd/app', bytes))
    const statuses = (await Promise.all(pushes)).map((pushed) => pushed.status)
    assert.deepEqual(
      statuses,
      statuses.map(() => 201),
    )
    const read = await fetch(`${url}/v2/crowd/app/blobs/${digestOf(bytes)}`)
    assert.ok(bytes.equals(await bytesOf(read)))
  }
})

test('a blob that is pushed again is answered as the first time, and stays', async () => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    await pushBlob(url, 'again/app', bytes)
    const digest = await pushBlob(url, 'again/app', bytes)
    assert.ok(bytes.equals(await bytesOf(await fetch(`${url}/v2/again/app/blobs/${digest}`))))
  }
})

async function mount(name: string, query: string): Promise<Response> {
  return await fetch(`${url}/v2/${name}/blobs/uploads/?${query}`, { method: 'POST' })
}

async function assertMounted(mounted: Response, name: string, bytes: Uint8Array): Promise<void> {
  const digest = digestOf(bytes)
  assert.equal(mounted.status, 201)
  assert.equal(mounted.headers.get('location'), `/v2/${name}/blobs/${digest}`)
  assert.equal(mounted.headers.get('docker-content-digest'), digest)
  assert.deepEqual(await bytesOf(await fetch(locationOf(mounted))), Buffer.from(bytes))
}

test('a blob is mounted from the repository that the client names', async () => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const digest = await pushBlob(url, 'named/source', bytes)
    await assertMounted(await mount('named/app', `mount=${digest}&from=named/source`), 'named/app', bytes)
    const encoded = `mount=${encodeURIComponent(digest)}&from=named%2Fsource`
    await assertMounted(await mount('named/encoded', encoded), 'named/encoded', bytes)
  }
})

test('a blob is mounted from wherever it is, if the client names no repository', async () => {
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const digest = await pushBlob(url, 'anonymous/source', bytes)
    await assertMounted(await mount('anonymous/app', `mount=${digest}`), 'anonymous/app', bytes)
    await assertMounted(await mount('anonymous/blank', `mount=${digest}&from=`), 'anonymous/blank', bytes)
  }
})

test('a mounted blob stays when it is deleted where it came from', async () => {
  const bytes = randomBytes(200_000)
  const digest = await pushBlob(url, 'stays/source', bytes)
  await mount('stays/app', `mount=${digest}&from=stays/source`)
  const deleted = await fetch(`${url}/v2/stays/source/blobs/${digest}`, { method: 'DELETE' })
  assert.equal(deleted.status, 202)
  assert.deepEqual(await bytesOf(await fetch(`${url}/v2/stays/app/blobs/${digest}`)), bytes)
})

test('if anything prevents a mount, the response is an upload that works', async () => {
  const present = await pushBlob(url, 'way/source', 'present')
  await pushBlob(url, 'way/other', 'something else')
  const nowhere = digestOf('nowhere')
  const queries = [
    `mount=${nowhere}&from=way/source`,
    `mount=${nowhere}&from=way/unknown`,
    `mount=${nowhere}`,
    `mount=${present}&from=way/other`,
    `mount=${present}&from=way/unknown`,
    `mount=${present}&from=Not-A-Name`,
    `mount=${present}&from=../way/source`,
    'mount=sha256:short&from=way/source',
    'mount=not-a-digest',
    'mount=&from=way/source',
    `mount=md5:${'0'.repeat(32)}&from=way/source`,
    'from=way/source',
  ]
  for (const [index, query] of queries.entries()) {
    const begun = await mount('way/app', query)
    assert.equal(begun.status, 202, query)
    assert.equal(begun.headers.get('range'), '0-0', query)
    const bytes = Buffer.from(`content ${index}`)
    const closed = await closeUpload(locationOf(begun), digestOf(bytes), { body: bytes })
    assert.equal(closed.status, 201, query)
  }
  assert.equal((await fetch(`${url}/v2/way/app/blobs/${present}`)).status, 404)
})
