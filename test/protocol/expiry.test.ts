import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  bytesOf,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  descriptorOf,
  digestOf,
  errorCodes,
  manifestDescriptor,
  manifestOf,
  OCI_CONFIG,
  OCI_INDEX,
  type TestManifest,
} from '../content.ts'
import { wholeFile } from '../whole-file.ts'
import { clockedRegistry, RETENTION } from './clocked-registry.ts'

/** What is kept in the database, and what is kept in a file. */
const [SMALL, LARGE] = [1000, 200_000]

const registry = await clockedRegistry(wholeFile)

/** Lets all go that no manifest of an earlier test names. @returns what tells how many files there are since */
async function startAfresh(): Promise<() => Promise<number>> {
  registry.pass(10 * RETENTION.unusedBlobs)
  await registry.sweepOut()
  const before = await registry.files()
  return async () => (await registry.files()) - before
}

async function begin(): Promise<string> {
  const begun = await registry.request('POST', '/v2/app/blobs/uploads/')
  assert.equal(begun.status, 202)
  return begun.headers.get('location') ?? ''
}

async function patch(upload: string, size: number): Promise<void> {
  assert.equal((await registry.request('PATCH', upload, randomBytes(size))).status, 202)
}

async function push(bytes: Uint8Array, name = 'app'): Promise<string> {
  const digest = digestOf(bytes)
  const pushed = await registry.request('POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, bytes)
  assert.equal(pushed.status, 201)
  return digest
}

async function pushManifest(manifest: TestManifest): Promise<void> {
  const path = `/v2/app/manifests/${manifest.digest}`
  assert.equal((await registry.request('PUT', path, manifest.bytes)).status, 201)
}

async function blobStatus(digest: string, name = 'app'): Promise<number> {
  return (await registry.request('HEAD', `/v2/${name}/blobs/${digest}`)).status
}

async function assertExpired(upload: string): Promise<void> {
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    const answer = await registry.request(method, upload)
    assert.equal(answer.status, 404)
    assert.deepEqual(await errorCodes(answer), ['BLOB_UPLOAD_UNKNOWN'])
  }
}

test('an idle upload expires, however much it holds, and its bytes are removed from the disk', async () => {
  const files = await startAfresh()
  const uploads = [await begin(), await begin(), await begin()]
  await patch(uploads[1] ?? '', SMALL)
  await patch(uploads[2] ?? '', LARGE)
  registry.pass(RETENTION.uploads - 1)
  await registry.sweep()
  for (const upload of uploads) assert.equal((await registry.request('GET', upload)).status, 204)
  registry.pass(2)
  await registry.sweep()
  for (const upload of uploads) await assertExpired(upload)
  await registry.sweepOut()
  assert.equal(await files(), 0)
})

test('an upload that is written to again and again does not expire, however old it grows', async () => {
  const files = await startAfresh()
  const [small, large] = [await begin(), await begin()]
  for (let turn = 1; turn <= 4; turn++) {
    await patch(small, SMALL)
    await patch(large, LARGE)
    registry.pass(RETENTION.uploads - 1)
    await registry.sweep()
    for (const [upload, size] of [
      [small, SMALL],
      [large, LARGE],
    ] as const) {
      const status = await registry.request('GET', upload)
      assert.equal(status.headers.get('range'), `0-${turn * size - 1}`)
    }
  }
  assert.equal((await registry.request('DELETE', large)).status, 204)
  assert.equal((await registry.request('DELETE', small)).status, 204)
  // The ids of old uploads that have ended are forgotten; they stay unknown.
  await registry.sweepOut()
  await assertExpired(small)
  await assertExpired(large)
  assert.equal(await files(), 0)
})

test('the bytes of deleted blobs, of cancelled uploads and of refused pushes go from disk', async () => {
  const files = await startAfresh()
  const digest = await push(randomBytes(LARGE))
  const upload = await begin()
  await patch(upload, LARGE)
  const wrong = `/v2/app/blobs/uploads/?digest=${digestOf('something else')}`
  assert.equal((await registry.request('POST', wrong, randomBytes(LARGE))).status, 400)
  assert.equal((await registry.request('DELETE', `/v2/app/blobs/${digest}`)).status, 202)
  assert.equal((await registry.request('DELETE', upload)).status, 204)
  await registry.sweepOut()
  assert.equal(await files(), 0)
})

test('the bytes of a deleted blob stay for those who are about to read them, and no longer', async () => {
  const files = await startAfresh()
  const digest = await push(randomBytes(LARGE))
  await registry.request('DELETE', `/v2/app/blobs/${digest}`)
  registry.pass(RETENTION.garbage - 1)
  await registry.sweep()
  assert.equal(await files(), 1)
  registry.pass(1)
  await registry.sweep()
  assert.equal(await files(), 0)
})

test('a running download completes, even if its blob is deleted and its bytes are swept', async () => {
  const files = await startAfresh()
  const bytes = randomBytes(3 * 1024 * 1024)
  const path = `/v2/app/blobs/${await push(bytes)}`
  const reader = (await registry.request('GET', path)).body?.getReader()
  const chunks = [(await reader?.read())?.value ?? new Uint8Array()]
  await registry.request('DELETE', path)
  await registry.sweepOut()
  assert.equal(await files(), 0)
  for (let next = await reader?.read(); next?.value !== undefined; next = await reader?.read()) {
    chunks.push(next.value)
  }
  assert.ok(bytes.equals(Buffer.concat(chunks)))
})

test('a blob is stored once, however often it is pushed, at once or again', async () => {
  const files = await startAfresh()
  const bytes = randomBytes(LARGE)
  await Promise.all(Array.from({ length: 5 }, () => push(bytes)))
  const digest = await push(bytes, 'other')
  await registry.sweepOut()
  assert.equal(await files(), 1)
  for (const name of ['app', 'other']) {
    const read = await registry.request('GET', `/v2/${name}/blobs/${digest}`)
    assert.ok(bytes.equals(await bytesOf(read)))
  }
})

test('the bytes of a blob stay until the last repository that has it has deleted it', async () => {
  const files = await startAfresh()
  const digest = await push(randomBytes(LARGE))
  await registry.request('POST', `/v2/other/blobs/uploads/?mount=${digest}&from=app`)
  await registry.request('DELETE', `/v2/app/blobs/${digest}`)
  await registry.sweepOut()
  assert.equal(await blobStatus(digest), 404)
  assert.equal(await blobStatus(digest, 'other'), 200)
  assert.equal(await files(), 1)
  await registry.request('DELETE', `/v2/other/blobs/${digest}`)
  await registry.sweepOut()
  assert.equal(await files(), 0)
})

test('a blob that no manifest names is collected after its time, and not before', async () => {
  const files = await startAfresh()
  const digests = [await push(randomBytes(SMALL)), await push(randomBytes(LARGE))]
  registry.pass(RETENTION.unusedBlobs / 2)
  await registry.sweep()
  for (const digest of digests) assert.equal(await blobStatus(digest), 200)
  registry.pass(RETENTION.unusedBlobs / 2 + 1)
  await registry.sweepOut()
  for (const digest of digests) assert.equal(await blobStatus(digest), 404)
  assert.equal(await files(), 0)
})

test('a client that learns that a blob exists has time to use it: HEAD, GET, mount and push postpone its collection', async () => {
  await startAfresh()
  const bytes = randomBytes(LARGE)
  const digest = await push(bytes)
  const asks = [
    ['HEAD', `/v2/app/blobs/${digest}`],
    ['GET', `/v2/app/blobs/${digest}`],
    ['POST', `/v2/app/blobs/uploads/?mount=${digest}&from=app`],
    ['POST', `/v2/app/blobs/uploads/?mount=${digest}`],
    ['POST', `/v2/app/blobs/uploads/?digest=${digest}`],
  ] as const
  for (const [method, path] of asks) {
    registry.pass(RETENTION.unusedBlobs - 1)
    const answer = await registry.request(method, path, path.includes('?digest=') ? bytes : undefined)
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
    await bytesOf(answer)
    registry.pass(RETENTION.unusedBlobs / 2 - 1)
    await registry.sweep()
  }
  assert.equal(await blobStatus(digest), 200)
  registry.pass(RETENTION.unusedBlobs + 1)
  await registry.sweep()
  assert.equal(await blobStatus(digest), 404)
})

test('what a manifest names is never collected: config, layers, and blobs in an index', async () => {
  await startAfresh()
  const [config, layer, cached] = [randomBytes(SMALL), randomBytes(LARGE), randomBytes(LARGE)]
  const digests = [await push(config), await push(layer), await push(cached)]
  const body = { config: descriptorOf(config, OCI_CONFIG), layers: [descriptorOf(layer)] }
  const image = manifestOf(body, DOCKER_MANIFEST)
  const inner = manifestOf({ manifests: [manifestDescriptor(image), descriptorOf(cached)] }, DOCKER_LIST)
  const outer = manifestOf({ manifests: [manifestDescriptor(inner)] }, OCI_INDEX)
  for (const manifest of [image, inner, outer]) await pushManifest(manifest)
  registry.pass(10 * RETENTION.unusedBlobs)
  await registry.sweepOut()
  for (const digest of digests) assert.equal(await blobStatus(digest), 200)
  for (const { digest, bytes } of [image, inner, outer]) {
    const pulled = await registry.request('GET', `/v2/app/manifests/${digest}`)
    assert.deepEqual(await bytesOf(pulled), bytes)
  }
  assert.ok(layer.equals(await bytesOf(await registry.request('GET', `/v2/app/blobs/${digests[1]}`))))
})

test('what a manifest names is not collected either when it is pushed, mounted or asked for again', async () => {
  await startAfresh()
  const layer = randomBytes(LARGE)
  const digest = await push(layer)
  await pushManifest(manifestOf({ layers: [descriptorOf(layer)] }))
  await push(layer)
  await registry.request('POST', `/v2/app/blobs/uploads/?mount=${digest}&from=app`)
  registry.pass(RETENTION.unusedBlobs - 1)
  assert.equal(await blobStatus(digest), 200)
  registry.pass(10 * RETENTION.unusedBlobs)
  await registry.sweepOut()
  assert.equal(await blobStatus(digest), 200)
})

test('what only deleted manifests named is collected when its time is over, counted from then', async () => {
  const files = await startAfresh()
  const [shared, own] = [randomBytes(LARGE), randomBytes(LARGE)]
  const digests = [await push(shared), await push(own)]
  const [first, second] = [
    manifestOf({ layers: [descriptorOf(shared), descriptorOf(own)] }),
    manifestOf({ layers: [descriptorOf(shared)] }),
  ]
  await pushManifest(first)
  await pushManifest(second)
  registry.pass(10 * RETENTION.unusedBlobs)
  await registry.request('DELETE', `/v2/app/manifests/${first.digest}`)
  registry.pass(RETENTION.unusedBlobs / 2)
  await registry.sweep()
  assert.equal(await files(), 2)
  registry.pass(RETENTION.unusedBlobs / 2 + 1)
  await registry.sweepOut()
  assert.equal(await files(), 1)
  assert.equal(await blobStatus(digests[0] ?? ''), 200)
  assert.equal(await blobStatus(digests[1] ?? ''), 404)
})

test('a blob that is named just before its time is over stays', async () => {
  await startAfresh()
  const layer = randomBytes(LARGE)
  const digest = await push(layer)
  registry.pass(RETENTION.unusedBlobs - 1)
  await pushManifest(manifestOf({ layers: [descriptorOf(layer)] }))
  registry.pass(RETENTION.unusedBlobs)
  await registry.sweepOut()
  assert.equal(await blobStatus(digest), 200)
})

test('a manifest is never collected, tagged or not, nor is a referrer whose subject is gone', async () => {
  await startAfresh()
  const subject = manifestOf({ manifests: [] }, OCI_INDEX)
  const referrer = manifestOf({ manifests: [], subject: manifestDescriptor(subject) }, OCI_INDEX)
  await pushManifest(subject)
  await pushManifest(referrer)
  await registry.request('DELETE', `/v2/app/manifests/${subject.digest}`)
  registry.pass(10 * RETENTION.unusedBlobs)
  await registry.sweepOut()
  const list = await registry.request('GET', `/v2/app/referrers/${subject.digest}`)
  const { manifests } = (await list.json()) as { manifests: { digest: string }[] }
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [referrer.digest],
  )
  assert.equal((await registry.request('GET', `/v2/app/manifests/${referrer.digest}`)).status, 200)
})

test('a second sweep finds nothing that the first has left', async () => {
  const files = await startAfresh()
  for (let count = 0; count < 5; count++) await push(randomBytes(LARGE))
  registry.pass(RETENTION.unusedBlobs + 1)
  assert.equal((await registry.sweep()).blobs, 5)
  assert.equal((await registry.sweep()).blobs, 0)
  await registry.sweepOut()
  assert.equal(await files(), 0)
})
