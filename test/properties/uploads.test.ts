import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { PeerGoneError } from '../../src/http/message.ts'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import { fileSystemBlobStore } from '../../src/storage/file-system.ts'
import { bytesOf, digestOf } from '../content.ts'
import { type BlobRegistry, blobRegistry, type Carried } from '../faults/blob-registry.ts'
import { chunkRange } from '../protocol/upload-requests.ts'
import { stoppedClock } from '../stopped-clock.ts'
import { temporaryFolder } from '../stowage.ts'
import { holdsAsync } from './property.ts'

/** What a client may do with an upload. Where a chunk begins is told as a distance from what is held; absent is without Content-Range. */
type Step =
  | { do: 'patch'; size: number; ends: 'whole' | 'cut' | 'short'; distance?: number | undefined }
  | {
      do: 'close'
      size: number
      as: 'all' | 'alone' | 'other'
      ends: 'whole' | 'cut'
      distance?: number | undefined
    }
  | { do: 'status' }

const distance = fc.option(fc.constantFrom(0, 0, 0, -1, 1), { nil: undefined })
/** Below and above what is kept in the database, and checkpoints. */
const size = fc.constantFrom(1, 100, 40_000, 70_000, 150_000)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('patch'), size, ends: fc.constantFrom('whole', 'cut', 'short'), distance }),
  fc.record({
    do: fc.constant('close'),
    size: fc.oneof(size, fc.constant(0)),
    as: fc.constantFrom('all', 'alone', 'other', 'other'),
    ends: fc.constantFrom('whole', 'whole', 'cut'),
    distance,
  }),
  fc.record({ do: fc.constant('status') }),
)

/** What an upload must be, by the rules alone. */
class Model {
  held: Buffer = Buffer.alloc(0)
  told = 0
  closedAs: string | undefined

  /** What a body is put after, and whether it may be put there. */
  start(distance: number | undefined): { offset: number; isInOrder: boolean } {
    if (distance === undefined) return { offset: this.told, isInOrder: true }
    const offset = Math.max(0, this.held.length + distance)
    return { offset, isInOrder: offset === this.held.length }
  }

  hold(bytes: Buffer): void {
    this.held = bytes
  }

  revert(): void {
    this.held = this.held.subarray(0, this.told)
  }

  tell(): void {
    this.told = this.held.length
  }
}

let made = 0

/** Bytes that no other chunk has. */
function freshBytes(length: number): Buffer {
  return Buffer.alloc(length, `${made++} `)
}

function carried(bytes: Buffer, ends: 'whole' | 'cut' | 'short', range: number | undefined): Carried {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 30_000) yield bytes.subarray(at, at + 30_000)
    if (ends === 'cut') throw new PeerGoneError('the client closed the connection')
  }
  const length = bytes.length + (ends === 'whole' ? 0 : 10)
  const headers = range === undefined ? {} : chunkRange(range, Math.max(1, length))
  return { body: ReadableStream.from(pieces()), headers }
}

async function patch(registry: BlobRegistry, location: string, model: Model, step: Step & { do: 'patch' }) {
  const bytes = freshBytes(step.size)
  const { offset, isInOrder } = model.start(step.distance)
  const range = step.distance === undefined ? undefined : offset
  const answer = await registry.request('PATCH', location, carried(bytes, step.ends, range))
  if (model.closedAs !== undefined) return assert.equal(answer.status, 404)
  if (!isInOrder) {
    model.tell()
    return assertTold(answer, 416, model)
  }
  if (step.ends === 'short' && range !== undefined) {
    model.revert()
    return assert.equal(answer.status, 400)
  }
  model.hold(Buffer.concat([model.held.subarray(0, offset), bytes]))
  if (step.ends === 'cut') return assert.equal(answer.status, 408)
  model.tell()
  assertTold(answer, 202, model)
}

async function close(registry: BlobRegistry, location: string, model: Model, step: Step & { do: 'close' }) {
  const bytes = freshBytes(step.size)
  const { offset, isInOrder } = model.start(step.distance)
  const range = step.distance === undefined || step.size === 0 ? undefined : offset
  const all = Buffer.concat([model.held.subarray(0, range === undefined ? model.told : offset), bytes])
  const wanted = { all, alone: bytes, other: Buffer.from('something else') }[step.as]
  const path = `${location}?digest=${digestOf(wanted)}`
  const answer = await registry.request('PUT', path, carried(bytes, step.ends, range))
  if (model.closedAs !== undefined) {
    const isRepeated = model.closedAs === digestOf(wanted)
    // Its body is heard out first, unless that is longer than the blob.
    const isHeardOut = isRepeated && step.ends === 'cut' && answer.status === 408
    return assert.equal(answer.status, isHeardOut ? 408 : isRepeated ? 201 : 404)
  }
  if (range !== undefined && !isInOrder) {
    model.tell()
    return assertTold(answer, 416, model)
  }
  if (step.ends === 'cut') {
    model.hold(all)
    return assert.equal(answer.status, 408)
  }
  const fits = wanted.equals(all) || (range === undefined && step.size > 0 && wanted.equals(bytes))
  assert.equal(answer.status, fits ? 201 : 400, await answer.text())
  if (!fits) return model.revert()
  model.closedAs = digestOf(wanted)
  const pulled = await registry.request('GET', `/v2/app/blobs/${digestOf(wanted)}`)
  assert.ok((await bytesOf(pulled)).equals(wanted), 'a blob has other bytes than its digest says')
}

function assertTold(answer: Response, status: number, { held }: Model): void {
  assert.equal(answer.status, status)
  assert.equal(answer.headers.get('range'), `0-${Math.max(0, held.length - 1)}`)
}

async function status(registry: BlobRegistry, location: string, model: Model): Promise<void> {
  const answer = await registry.request('GET', location)
  if (model.closedAs !== undefined) return assert.equal(answer.status, 404)
  model.tell()
  assertTold(answer, 204, model)
}

test('an upload is what its rules say, whatever a client does with it', async (t) => {
  const clock = stoppedClock()
  const metadata = memoryMetadata(clock)
  t.after(() => metadata.close())
  const blobs = await fileSystemBlobStore({ root: join(await temporaryFolder(t), 'blobs') })
  const registry = blobRegistry({ blobs, metadata, clock })
  const steps = fc.array(step, { minLength: 2, maxLength: 12 })
  await holdsAsync(
    steps,
    async (sequence) => {
      const begun = await registry.request('POST', '/v2/app/blobs/uploads/')
      const location = begun.headers.get('location') ?? ''
      const model = new Model()
      for (const each of sequence) {
        if (each.do === 'patch') await patch(registry, location, model, each)
        if (each.do === 'close') await close(registry, location, model, each)
        if (each.do === 'status') await status(registry, location, model)
      }
      await status(registry, location, model)
    },
    0.1,
  )
})
