import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { RecordPulls } from '../../src/metadata/manifests.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import { PullLog } from '../../src/registry/pulls.ts'
import type { BlobStore } from '../../src/storage/blob-store.ts'
import { memoryBlobStore } from '../../src/storage/memory.ts'
import { digestOf } from '../content.ts'
import { stoppedClock } from '../stopped-clock.ts'
import { blobRegistry, LARGE } from './blob-registry.ts'

const SIZE = 300_000

function openRegistry(t: TestContext, blobs: BlobStore = memoryBlobStore()) {
  const clock = stoppedClock()
  const metadata = memoryMetadata(clock)
  t.after(() => metadata.close())
  return blobRegistry({ blobs, metadata, clock })
}

/** A body that comes byte by byte. */
function byteByByte(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream(
    {
      pull(controller) {
        if (at === bytes.length) return controller.close()
        controller.enqueue(bytes.slice(at, ++at))
      },
    },
    { highWaterMark: 0 },
  )
}

/** A blob store that tells how many pieces it is given. */
function countingPieces(count: () => void): BlobStore {
  const blobs = memoryBlobStore()
  async function* counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      count()
      yield piece
    }
  }
  return { ...blobs, append: (key, state, offset, body) => blobs.append(key, state, offset, counted(body)) }
}

test('fault 68: a host program that passes a body on byte by byte costs no more pieces than one that does not', async (t) => {
  let pieces = 0
  const { request } = openRegistry(
    t,
    countingPieces(() => pieces++),
  )
  const bytes = randomBytes(SIZE)
  const digest = digestOf(bytes)
  const pushed = await request('POST', `/v2/app/blobs/uploads/?digest=${digest}`, { body: byteByByte(bytes) })
  assert.equal(pushed.status, 201)
  const pulled = await request('GET', `/v2/app/blobs/${digest}`)
  assert.ok(Buffer.from(await pulled.arrayBuffer()).equals(bytes))
  t.diagnostic(`${SIZE} pieces of one byte came as ${pieces}`)
  assert.ok(pieces <= SIZE / 2048, `${pieces} pieces`)
})

test('fault 68: what a slow client has sent is known although it is little, and safe when it breaks off', async (t) => {
  const { request } = openRegistry(t)
  const { headers } = await request('POST', '/v2/app/blobs/uploads/')
  const location = headers.get('location') ?? ''
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Buffer.from('few'))
    },
  })
  void request('PATCH', location, { body }).catch(() => {})
  const range = async () => (await request('GET', location)).headers.get('range')
  while ((await range()) !== '0-2') await new Promise((resolve) => setImmediate(resolve))
})

test('fault 68: an upload in memory can be closed by a digest in an algorithm that was not named before', async (t) => {
  const { request } = openRegistry(t)
  const bytes = randomBytes(LARGE)
  const { headers } = await request('POST', '/v2/app/blobs/uploads/')
  const added = await request('PATCH', headers.get('location') ?? '', { body: bytes })
  assert.equal(added.status, 202)
  const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}`
  const closed = await request('PUT', `${added.headers.get('location')}?digest=${digest}`)
  assert.equal(closed.status, 201, await closed.text())
  const pulled = await request('GET', `/v2/app/blobs/${digest}`)
  assert.ok(Buffer.from(await pulled.arrayBuffer()).equals(bytes))
})

test('fault 69: while the store takes nothing, no more pulls are kept than are gathered at most', async () => {
  const recorded: RecordPulls['pulls'][number][] = []
  const { promise: thawed, resolve: thaw } = Promise.withResolvers<void>()
  const commit = async ([command]: [RecordPulls]) => {
    await thawed
    recorded.push(...command.pulls)
    return []
  }
  const metadata = { commit } as unknown as MetadataStore
  const pulls = new PullLog({ metadata, clock: () => 0 })
  const pulled = 100_000
  for (let index = 0; index < pulled; index++)
    pulls.add('app' as RepositoryName, digestOf(`${index}`) as Digest)
  const saved = pulls.save()
  thaw()
  await saved
  assert.ok(recorded.length <= 20_000, `${recorded.length} of ${pulled} pulls were kept`)
  assert.equal(recorded.at(-1)?.digest, digestOf(`${pulled - 1}`), 'the newest are kept')
})
