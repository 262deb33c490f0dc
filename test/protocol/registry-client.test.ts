import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { DigestError, InvalidResponseError, ResponseError } from '../../src/client/error.ts'
import { openRegistryClient, type RepositoryClient } from '../../src/client/registry-client.ts'
import type { Fetch } from '../../src/client/transport.ts'
import { digestIn, digestOf, EMPTY_CONFIG, manifestOf, OCI_EMPTY } from '../content.ts'
import { startStowage } from '../stowage.ts'

const MIB = 1024 * 1024
const passOn: Fetch = (url, init) => fetch(url, init)

async function openRepository(t: TestContext, through: Fetch = passOn): Promise<RepositoryClient> {
  const { url } = await startStowage(t)
  return openRegistryClient(url, { fetch: through }).repository('team/app')
}

/** A client of a registry that answers as the test says. */
function answering(answer: (url: URL, init: RequestInit) => Response): RepositoryClient {
  return openRegistryClient('https://registry.example', {
    fetch: async (url, init) => answer(new URL(url), init),
  }).repository('app')
}

async function bytesOf(body: ReadableStream<Uint8Array>): Promise<Buffer> {
  return Buffer.from(await new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer())
}

async function listed<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of list) items.push(item)
  return items
}

async function pushArtifact(repository: RepositoryClient, fields: object, reference?: string) {
  await repository.pushBlob(new TextEncoder().encode('{}'))
  const manifest = manifestOf({ config: EMPTY_CONFIG, layers: [EMPTY_CONFIG], ...fields })
  const { mediaType, bytes } = manifest
  return {
    manifest,
    pushed: await repository.putManifest(reference ?? manifest.digest, { mediaType, bytes }),
  }
}

test('a client finds a registry, or gets the reason of the refusal', async (t) => {
  const { url } = await startStowage(t)
  const client = openRegistryClient(url)
  await client.ping()
  assert.equal(client.origin, new URL(url).origin)
  await assert.rejects(client.repository('app').getManifest('v1'), (error: ResponseError) => {
    assert.ok(error instanceof ResponseError)
    assert.deepEqual([error.status, error.errors[0]?.code], [404, 'NAME_UNKNOWN'])
    return true
  })
  assert.throws(() => client.repository('App'), TypeError)
  await assert.rejects(client.repository('app').getBlob('sha256:00'), TypeError)
  for (const wrong of ['registry.example', 'ftp://a.example', 'https://a:b@a.example', 'https://a.example/x'])
    assert.throws(() => openRegistryClient(wrong), TypeError, wrong)
})

for (const algorithm of ['sha256', 'sha512', 'blake3'] as const) {
  test(`a blob is pushed whole and in chunks, pulled and deleted, by ${algorithm}`, async (t) => {
    const repository = await openRepository(t)
    const bytes = randomBytes(300_000)
    const digest = await digestIn(algorithm, bytes)
    for (const content of [bytes, new Blob([bytes]), new Blob([bytes]).stream()]) {
      for (const chunkSize of [MIB, 100_000, 65_537]) {
        const source = content instanceof ReadableStream ? new Blob([bytes]).stream() : content
        const pushed = await repository.pushBlob(source, { algorithm, chunkSize })
        assert.deepEqual(pushed, { digest, size: bytes.length })
        assert.deepEqual(await repository.headBlob(digest), { size: bytes.length })
        const pulled = await repository.getBlob(digest, { size: bytes.length })
        assert.equal(pulled.size, bytes.length)
        assert.ok((await bytesOf(pulled.body)).equals(bytes))
        await repository.deleteBlob(digest)
        assert.equal(await repository.headBlob(digest), undefined)
      }
    }
  })
}

test('content that does not have the digest it is pushed by is not pushed', async (t) => {
  const repository = await openRepository(t)
  const digest = digestOf('something else')
  const bytes = randomBytes(1000)
  await assert.rejects(repository.pushBlob(bytes, { digest }), DigestError)
  await assert.rejects(repository.pushBlob(bytes, { digest, chunkSize: 100 }), DigestError)
  assert.equal(await repository.headBlob(digest), undefined)
  await assert.rejects(repository.putManifest(digest, { mediaType: OCI_EMPTY, bytes }), DigestError)
})

test('a blob of another repository can be mounted, and a missing one cannot', async (t) => {
  const { url } = await startStowage(t)
  const client = openRegistryClient(url)
  const { digest } = await client.repository('one').pushBlob(randomBytes(10))
  const two = client.repository('two')
  assert.equal(await two.mountBlob(digest, { from: 'one' }), true)
  assert.deepEqual(await two.headBlob(digest), { size: 10 })
  assert.equal(await two.mountBlob(digestOf('absent'), { from: 'one' }), false)
})

test('an upload continues where the registry has it, wherever the connection breaks', async (t) => {
  let calls = 0
  const sent: string[] = []
  // Every other request of an upload breaks: some before they are sent, and some before they are answered.
  const breaking: Fetch = async (url, init) => {
    const isUpload = url.includes('/uploads/') && init.method !== 'POST'
    const turn = isUpload ? calls++ % 4 : 0
    if (turn === 1) throw new TypeError('cut before it was sent')
    const response = await fetch(url, init)
    sent.push(`${init.method} ${new Headers(init.headers).get('content-range') ?? ''}`)
    if (turn === 3) throw new TypeError('cut before it was answered')
    return response
  }
  const repository = await openRepository(t, breaking)
  const bytes = randomBytes(1_000_001)
  const { digest, size } = await repository.pushBlob(new Blob([bytes]).stream(), { chunkSize: 250_000 })
  assert.deepEqual([digest, size], [digestOf(bytes), bytes.length])
  assert.ok((await bytesOf((await repository.getBlob(digest)).body)).equals(bytes))
  const ranges = sent.filter((each) => each.startsWith('PATCH'))
  assert.deepEqual(ranges, [...new Set(ranges)], 'no bytes that arrived are sent again')
})

test('a push that never succeeds ends, and cancels its upload', async (t) => {
  const failing: Fetch = async (url, init) =>
    init.method === 'PATCH' ? new Response('{}', { status: 503 }) : await fetch(url, init)
  const asked: string[] = []
  const repository = await openRepository(t, (url, init, route) => {
    asked.push(`${init.method}`)
    return failing(url, init, route)
  })
  await assert.rejects(repository.pushBlob(randomBytes(100), { chunkSize: 50 }), { status: 503 })
  assert.equal(asked.filter((method) => method === 'PATCH').length, 4)
  assert.equal(asked.at(-1), 'DELETE')
})

test('a push that is aborted ends at once', async (t) => {
  const controller = new AbortController()
  const repository = await openRepository(t, async (url, init) => {
    if (init.method === 'PATCH') controller.abort(new Error('enough'))
    return await fetch(url, init)
  })
  const pushed = repository.pushBlob(randomBytes(100), { chunkSize: 50, signal: controller.signal })
  await assert.rejects(pushed, /enough/)
})

test('a manifest is pushed by tag and by digest, looked for, pulled and deleted', async (t) => {
  const repository = await openRepository(t)
  const { manifest } = await pushArtifact(repository, {}, 'v1')
  const { digest, mediaType, bytes, size } = manifest
  for (const reference of ['v1', digest]) {
    assert.deepEqual(await repository.headManifest(reference), { digest, mediaType, size })
    const pulled = await repository.getManifest(reference)
    assert.deepEqual([pulled.digest, pulled.mediaType], [digest, mediaType])
    assert.ok(Buffer.from(pulled.bytes).equals(bytes))
  }
  await repository.deleteManifest('v1')
  assert.equal(await repository.headManifest('v1'), undefined)
  await repository.deleteManifest(digest)
  assert.equal(await repository.headManifest(digest), undefined)
})

test('lists are read over all of their pages', async (t) => {
  const { url } = await startStowage(t)
  const client = openRegistryClient(url)
  const repository = client.repository('app')
  const tags = Array.from({ length: 25 }, (_, index) => `v${index + 10}`)
  for (const tag of tags) await pushArtifact(repository, {}, tag)
  await pushArtifact(client.repository('base'), {}, 'v1')
  assert.deepEqual(await listed(repository.tags({ pageSize: 4 })), tags)
  assert.deepEqual(await listed(repository.tags({ last: 'v30' })), tags.slice(21))
  assert.deepEqual(await listed(client.repositories({ pageSize: 1 })), ['app', 'base'])
})

test('referrers are listed, and only those of a type if one is given', async (t) => {
  const repository = await openRepository(t)
  const { manifest } = await pushArtifact(repository, {}, 'v1')
  const { mediaType, digest, size } = manifest
  const subject = { mediaType, digest, size }
  const types = ['application/vnd.example.sbom', 'application/vnd.example.signature']
  const pushes = []
  for (const artifactType of types) pushes.push(await pushArtifact(repository, { artifactType, subject }))
  assert.deepEqual(
    pushes.map(({ pushed }) => pushed.subject),
    [digest, digest],
  )
  const found = await listed(repository.referrers(digest))
  assert.deepEqual(found.map((each) => each.artifactType).sort(), types)
  const [only, ...others] = await listed(repository.referrers(digest, { artifactType: `${types[0]}` }))
  assert.deepEqual([only?.digest, others.length], [pushes[0]?.manifest.digest, 0])
})

test('if a registry has no list of referrers, its fallback tag is read', async () => {
  const digest = digestOf('subject')
  const index = manifestOf({ manifests: [EMPTY_CONFIG] })
  const repository = answering(({ pathname }) =>
    pathname === `/v2/app/manifests/${digest.replace(':', '-')}`
      ? new Response(new Uint8Array(index.bytes), { headers: { 'Content-Type': index.mediaType } })
      : new Response(null, { status: 404 }),
  )
  assert.deepEqual(
    (await listed(repository.referrers(digest))).map((each) => each.digest),
    [EMPTY_CONFIG.digest],
  )
  assert.deepEqual(await listed(repository.referrers(digestOf('another'))), [])
})

test('content that a registry changed is refused', async () => {
  const digest = digestOf('right')
  const manifest = { 'Content-Type': 'application/vnd.oci.image.manifest.v1+json' }
  const wrong = answering(() => new Response('wrong', { headers: manifest }))
  await assert.rejects(bytesOf((await wrong.getBlob(digest)).body), DigestError)
  await assert.rejects(wrong.getManifest(digest), DigestError)
  const named = { ...manifest, 'Docker-Content-Digest': digest }
  await assert.rejects(
    answering(() => new Response('wrong', { headers: named })).getManifest('v1'),
    DigestError,
  )
  await assert.rejects(bytesOf((await wrong.getBlob(digest, { size: 4 })).body), InvalidResponseError)
  const other = answering(() => new Response(null, { headers: { ...named, 'Content-Length': '5' } }))
  await assert.rejects(other.headManifest(digestOf('asked for')), DigestError)
})

test('a list without end, of something else, or that leads to itself is refused', async () => {
  for (const [body, link] of [
    ['{"tags":["v1"]}', '</v2/app/tags/list>; rel="next"'],
    ['{"tags":["v1"]}', 'nonsense'],
    ['{"tags":["not a tag"]}', ''],
    ['{"tags":{}}', ''],
    ['[]', ''],
    ['', ''],
  ] as const) {
    const list = answering(() => new Response(body, { headers: link === '' ? {} : { Link: link } })).tags()
    await assert.rejects(listed(list), InvalidResponseError, `${body} ${link}`)
  }
})

test('a registry cannot lead an upload or a list to another host', async () => {
  const asked: string[] = []
  const repository = answering(({ href }) => {
    asked.push(new URL(href).host)
    const elsewhere = 'https://other.example/v2/'
    return new Response('{"tags":[]}', {
      status: href.includes('/uploads/') ? 202 : 200,
      headers: { Location: elsewhere, Link: `<${elsewhere}>; rel="next"` },
    })
  })
  await assert.rejects(repository.pushBlob(randomBytes(10)), { name: 'DestinationError' })
  await assert.rejects(listed(repository.tags()), { name: 'DestinationError' })
  assert.deepEqual([...new Set(asked)], ['registry.example'])
})

test('chunks are as long as a registry wants them, up to 64 MiB', async () => {
  const lengths: number[] = []
  const opened = (minimum: string) =>
    answering((_, { method, body }) => {
      if (method === 'PATCH') lengths.push((body as Uint8Array).length)
      const headers = { Location: '/v2/app/blobs/uploads/1', 'OCI-Chunk-Min-Length': minimum }
      return new Response(null, { status: method === 'PUT' ? 201 : 202, headers })
    })
  await opened('1000').pushBlob(randomBytes(2500), { chunkSize: 100 })
  assert.deepEqual(lengths, [1000, 1000, 500])
  for (const minimum of ['1000000000', '-1', 'many'])
    await assert.rejects(opened(minimum).pushBlob(randomBytes(2500)), InvalidResponseError, minimum)
})

test('a blob that stands still is given up', async () => {
  const still = openRegistryClient('https://registry.example', {
    timeout: 100,
    fetch: async () => new Response(new ReadableStream()),
  })
  const { body } = await still.repository('app').getBlob(digestOf('x'))
  await assert.rejects(bytesOf(body), { name: 'TimeoutError' })
})
