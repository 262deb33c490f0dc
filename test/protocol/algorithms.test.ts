import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { bytesOf, digestIn, errorCodes, manifestOf, pushArtifact, pushManifest } from '../content.ts'
import { startForFile } from './file-server.ts'
import { beginUpload, closeUpload, locationOf, patchUpload, statusRange } from './upload-requests.ts'

const { url } = await startForFile()

const ALGORITHMS = ['sha512', 'blake3']
/** Below and above what is kept in the database. */
const SIZES = [1000, 200_000]
const MD5 = `md5:${'0'.repeat(32)}`

interface Content {
  algorithm: string
  bytes: Buffer
  digest: string
}

type Push = (name: string, content: Content) => Promise<Response>

async function inChunks(upload: URL, bytes: Buffer): Promise<void> {
  const size = Math.ceil(bytes.length / 3)
  for (const start of [0, size, 2 * size]) {
    assert.equal((await patchUpload(upload, bytes.subarray(start, start + size))).status, 202)
  }
}

const WAYS: Readonly<Record<string, Push>> = {
  async 'named on POST, closed without a body'(name, { algorithm, bytes, digest }) {
    const upload = await beginUpload(url, name, `digest-algorithm=${algorithm}`)
    await inChunks(upload, bytes)
    return await closeUpload(upload, digest)
  },

  async 'named on POST, closed with everything'(name, { algorithm, bytes, digest }) {
    const upload = await beginUpload(url, name, `digest-algorithm=${algorithm}`)
    return await closeUpload(upload, digest, { body: bytes })
  },

  async 'single POST'(name, { bytes, digest }) {
    const target = `${url}/v2/${name}/blobs/uploads/?digest=${digest}`
    return await fetch(target, { method: 'POST', body: new Uint8Array(bytes) })
  },

  async 'only at the closing PUT, which has no body'(name, { bytes, digest }) {
    const upload = await beginUpload(url, name)
    await inChunks(upload, bytes)
    return await closeUpload(upload, digest)
  },

  async 'only at the closing PUT, which has the last chunk'(name, { bytes, digest }) {
    const upload = await beginUpload(url, name)
    await inChunks(upload, bytes.subarray(0, -100))
    return await closeUpload(upload, digest, { body: bytes.subarray(-100) })
  },

  async 'another than was named on POST'(name, { bytes, digest }) {
    const other = digest.startsWith('sha512') ? 'blake3' : 'sha512'
    const upload = await beginUpload(url, name, `digest-algorithm=${other}`)
    await inChunks(upload, bytes)
    return await closeUpload(upload, digest)
  },
}

interface Case {
  algorithm: string
  size: number
  way: string
  push: Push
}

async function everyWay(check: (one: Case) => Promise<void>): Promise<void> {
  const cases = ALGORITHMS.flatMap((algorithm) =>
    SIZES.flatMap((size) =>
      Object.entries(WAYS).map(([way, push]): Case => ({ algorithm, size, way, push })),
    ),
  )
  await Promise.all(cases.map(check))
}

test('a blob is pushed with a sha512 or blake3 digest, wherever the client first names the algorithm', async () => {
  await everyWay(async ({ algorithm, size, way, push }) => {
    const bytes = randomBytes(size)
    const digest = await digestIn(algorithm, bytes)
    const pushed = await push('good/app', { algorithm, bytes, digest })
    assert.equal(pushed.status, 201, `${algorithm}, ${size}, ${way}: ${await pushed.text()}`)
    assert.equal(pushed.headers.get('docker-content-digest'), digest)
    const read = await fetch(locationOf(pushed))
    assert.equal(read.headers.get('docker-content-digest'), digest)
    assert.ok(bytes.equals(await bytesOf(read)), way)
  })
})

test('a blob that does not match its sha512 or blake3 digest is refused, and does not exist', async () => {
  await everyWay(async ({ algorithm, size, way, push }) => {
    const digest = await digestIn(algorithm, randomBytes(10))
    const refused = await push('bad/app', { algorithm, bytes: randomBytes(size), digest })
    assert.equal(refused.status, 400, `${algorithm}, ${size}, ${way}`)
    assert.deepEqual(await errorCodes(refused), ['DIGEST_INVALID'])
    assert.equal((await fetch(`${url}/v2/bad/app/blobs/${digest}`)).status, 404)
  })
})

test('the same content under two algorithms is two blobs', async () => {
  const bytes = randomBytes(200_000)
  for (const algorithm of ['sha256', 'sha512']) {
    const closed = await closeUpload(await beginUpload(url, 'two/app'), await digestIn(algorithm, bytes), {
      body: bytes,
    })
    assert.equal(closed.status, 201)
  }
  const [first, second] = await Promise.all(['sha256', 'sha512'].map((name) => digestIn(name, bytes)))
  const deleted = await fetch(`${url}/v2/two/app/blobs/${first}`, { method: 'DELETE' })
  assert.equal(deleted.status, 202)
  assert.equal((await fetch(`${url}/v2/two/app/blobs/${first}`)).status, 404)
  assert.ok(bytes.equals(await bytesOf(await fetch(`${url}/v2/two/app/blobs/${second}`))))
})

test('a manifest that is pushed by a sha512 or blake3 digest keeps it, also when pulled by a tag', async () => {
  for (const algorithm of ALGORITHMS) {
    const manifest = manifestOf({ manifests: [] }, 'application/vnd.oci.image.index.v1+json')
    const digest = await digestIn(algorithm, manifest.bytes)
    const byTag = await pushManifest(url, 'tagged/app', { ...manifest, digest }, `${digest}?tag=${algorithm}`)
    assert.equal(byTag.status, 201)
    assert.equal(byTag.headers.get('docker-content-digest'), digest)
    for (const reference of [digest, algorithm]) {
      const read = await fetch(`${url}/v2/tagged/app/manifests/${reference}`)
      assert.equal(read.status, 200)
      assert.equal(read.headers.get('docker-content-digest'), digest)
      assert.ok(manifest.bytes.equals(await bytesOf(read)))
    }
  }
})

test('an algorithm that the registry does not compute is refused on every push, and the upload stays', async () => {
  const refusals = [
    fetch(`${url}/v2/app/blobs/uploads/?digest-algorithm=md5`, { method: 'POST' }),
    fetch(`${url}/v2/app/blobs/uploads/?digest-algorithm=`, { method: 'POST' }),
    fetch(`${url}/v2/app/blobs/uploads/?digest=${MD5}`, { method: 'POST', body: 'x' }),
    pushManifest(url, 'app', { ...manifestOf({ manifests: [] }), digest: MD5 }),
    pushManifest(url, 'app', manifestOf({ manifests: [] }), `v1?digest=${MD5}`),
  ]
  const upload = await beginUpload(url, 'app')
  await patchUpload(upload, randomBytes(1000))
  refusals.push(closeUpload(upload, MD5))
  for (const refused of await Promise.all(refusals)) {
    assert.equal(refused.status, 400)
    assert.deepEqual(await errorCodes(refused), ['DIGEST_INVALID'])
  }
  assert.equal(await statusRange(upload), '0-999')
})

test('content in an algorithm that the registry does not compute is not found, and may be a subject', async () => {
  const subject = { mediaType: 'application/x', digest: MD5, size: 3 }
  const manifest = await pushArtifact(url, 'app', { artifactType: 'application/x', subject })
  for (const [kind, code] of [
    ['blobs', 'BLOB_UNKNOWN'],
    ['manifests', 'MANIFEST_UNKNOWN'],
  ]) {
    const target = `${url}/v2/app/${kind}/${MD5}`
    assert.equal((await fetch(target, { method: 'HEAD' })).status, 404)
    const read = await fetch(target)
    assert.equal(read.status, 404)
    assert.deepEqual(await errorCodes(read), [code])
  }
  const referrers = (await (await fetch(`${url}/v2/app/referrers/${MD5}`)).json()) as {
    manifests: { digest: string }[]
  }
  assert.deepEqual(
    referrers.manifests.map((found) => found.digest),
    [manifest.digest],
  )
})
