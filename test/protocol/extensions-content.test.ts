import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bytesOf,
  DOCKER_MANIFEST,
  descriptorOf,
  digestIn,
  digestOf,
  errorCodes,
  manifestOf,
  pushBlob,
  pushImage,
  pushManifest,
} from '../content.ts'
import { startForFile } from './file-server.ts'

const { url } = await startForFile()
const UNKNOWN = digestOf('nobody pushed this')

function dataUrl(digest: string): string {
  return `${url}/v2/_stowage/content/data?digest=${digest}`
}

test('a blob can be pulled by its digest, without a repository, whatever its algorithm', async () => {
  for (const algorithm of ['sha256', 'sha512', 'blake3']) {
    const bytes = Buffer.from(`a blob in ${algorithm}`)
    const digest = await pushBlob(url, 'blobs/app', bytes, await digestIn(algorithm, bytes))
    const answer = await fetch(dataUrl(digest))
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'application/octet-stream')
    assert.equal(answer.headers.get('docker-content-digest'), digest)
    assert.equal(answer.headers.get('etag'), `"${digest}"`)
    assert.equal(answer.headers.get('cache-control'), 'private, max-age=31536000, immutable, no-transform')
    assert.deepEqual(await bytesOf(answer), bytes)
    const head = await fetch(dataUrl(digest), { method: 'HEAD' })
    assert.equal(head.headers.get('content-length'), String(bytes.length))
    assert.equal(await head.text(), '')
  }
})

test('a large blob is sent from its file, whole, in ranges and with conditions', async () => {
  const bytes = Buffer.alloc(3_000_000, 'stowage')
  const digest = await pushBlob(url, 'blobs/large', bytes)
  assert.deepEqual(await bytesOf(await fetch(dataUrl(digest))), bytes)
  const part = await fetch(dataUrl(digest), { headers: { Range: 'bytes=1000-2000999' } })
  assert.equal(part.status, 206)
  assert.equal(part.headers.get('content-range'), `bytes 1000-2000999/${bytes.length}`)
  assert.deepEqual(await bytesOf(part), bytes.subarray(1000, 2_001_000))
  const several = await fetch(dataUrl(digest), { headers: { Range: 'bytes=0-6,-7' } })
  assert.equal(several.status, 206)
  assert.match(await several.text(), /\r\n\r\nstowage\r\n/)
  const outside = await fetch(dataUrl(digest), { headers: { Range: 'bytes=3000000-' } })
  assert.equal(outside.status, 416)
  const same = await fetch(dataUrl(digest), { headers: { 'If-None-Match': `"${digest}"` } })
  assert.equal(same.status, 304)
  const failed = await fetch(dataUrl(digest), { headers: { 'If-Match': `"${UNKNOWN}"` } })
  assert.equal(failed.status, 412)
})

test('a manifest has the media type that it was pushed with', async () => {
  for (const type of [DOCKER_MANIFEST, 'application/vnd.example.thing.v3+json']) {
    const manifest = manifestOf({ manifests: [], note: type }, type)
    assert.equal((await pushManifest(url, 'manifests/app', manifest)).status, 201)
    const answer = await fetch(dataUrl(manifest.digest))
    assert.equal(answer.headers.get('content-type'), type)
    assert.equal(answer.headers.get('content-security-policy'), "default-src 'none'; sandbox")
    assert.deepEqual(await bytesOf(answer), manifest.bytes)
    const part = await fetch(dataUrl(manifest.digest), { headers: { Range: 'bytes=1-5' } })
    assert.deepEqual(await bytesOf(part), manifest.bytes.subarray(1, 6))
  }
})

test('content is there as long as one repository has it', async () => {
  const digest = await pushBlob(url, 'shared/one', 'shared')
  await pushBlob(url, 'shared/two', 'shared')
  for (const name of ['shared/one', 'shared/two']) {
    assert.equal(await (await fetch(dataUrl(digest))).text(), 'shared')
    const removed = await fetch(`${url}/v2/${name}/blobs/${digest}`, { method: 'DELETE' })
    assert.equal(removed.status, 202)
  }
  const gone = await fetch(dataUrl(digest))
  assert.equal(gone.status, 404)
  assert.deepEqual(await errorCodes(gone), ['BLOB_UNKNOWN'])
})

test('content that was deleted with its manifest is not found, although it can be restored', async () => {
  const image = await pushImage(url, 'deleted/app')
  assert.equal((await fetch(dataUrl(image.digest))).status, 200)
  await fetch(`${url}/v2/deleted/app/manifests/${image.digest}`, { method: 'DELETE' })
  assert.equal((await fetch(dataUrl(image.digest))).status, 404)
})

test('an unknown digest is 404, and one that is malformed or missing is refused', async () => {
  for (const digest of [UNKNOWN, `md5:${'0'.repeat(32)}`]) {
    const unknown = await fetch(dataUrl(digest))
    assert.equal(unknown.status, 404)
    assert.deepEqual(await unknown.json(), {
      errors: [
        {
          code: 'BLOB_UNKNOWN',
          message: 'content is not known to this registry',
          detail: { reason: 'BLOB_UNKNOWN', digest, requestId: unknown.headers.get('x-request-id') },
        },
      ],
    })
  }
  for (const query of [
    '',
    '?digest=',
    '?digest=latest',
    `?digest=${descriptorOf('x').digest.toUpperCase()}`,
  ]) {
    const refused = await fetch(`${url}/v2/_stowage/content/data${query}`)
    assert.equal(refused.status, 400, query)
    assert.match(await refused.text(), /"digest\\" is (?:missing|\\"[^,]*\\", not <algorithm>)/)
  }
})
