import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import { fileSystemBlobStore } from '../../src/storage/file-system.ts'
import { digestOf } from '../content.ts'
import { stoppedClock } from '../stopped-clock.ts'
import { temporaryFolder } from '../stowage.ts'
import { assertBlob, bodyOf, newKey } from '../suites/blob-bytes.ts'
import { type BlobRegistry, blobRegistry, CHECKPOINT, LARGE } from './blob-registry.ts'
import { CarefulClient } from './careful-client.ts'
import {
  type Operation,
  type OperationKind,
  type RecordedDisk,
  recordedDisk,
  systemError,
} from './recorded-disk.ts'

const KIB = 1024
const CHUNK = 40 * KIB

type Disk = RecordedDisk<never>

interface Served {
  disk: Disk
  registry: BlobRegistry
  /** How many files of blobs and uploads there are. */
  files(): number
  /** How many of them are open; 0 where the system doesn't tell. */
  openFiles(): number
}

async function serve(t: TestContext): Promise<Served> {
  const disk: Disk = recordedDisk()
  const root = join(await temporaryFolder(t), 'blobs')
  const clock = stoppedClock()
  const metadata = memoryMetadata(clock)
  t.after(() => metadata.close())
  const registry = blobRegistry({ blobs: await fileSystemBlobStore({ root, files: disk }), metadata, clock })
  const files = () =>
    readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
  return { disk, registry, files, openFiles: () => openFilesIn(root) }
}

function openFilesIn(folder: string): number {
  if (process.platform !== 'linux') return 0
  const targets = readdirSync('/proc/self/fd').map(targetOf)
  return targets.filter((target) => target.startsWith(folder)).length
}

function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    // The one by which the list was read is closed already.
    return ''
  }
}

/** A client for whom the fault is gone once it was told of it. */
function clientOf({ disk, registry }: Served): CarefulClient {
  return new CarefulClient(registry, { onRefused: () => delete disk.settings.fail })
}

interface Fault {
  code: string
  /** What a client is answered. */
  status: number
  /** Whether all operations fail from then on, until the client was told; or just one. */
  lasts: boolean
  hits(kind: OperationKind): boolean
}

const ALL = () => true
/** What a full disk still does. */
const NEEDS_NO_SPACE: readonly OperationKind[] = ['stat', 'close', 'unlink']

const FAULTS: readonly Fault[] = [
  { code: 'ENOSPC', status: 507, lasts: true, hits: (kind) => !NEEDS_NO_SPACE.includes(kind) },
  { code: 'EDQUOT', status: 507, lasts: false, hits: (kind) => kind === 'write' },
  { code: 'EIO', status: 500, lasts: false, hits: ALL },
  { code: 'EMFILE', status: 503, lasts: false, hits: (kind) => kind === 'open' },
]

/** Makes the nth operation of those that a fault hits fail. @returns what tells which that was, if it came to it */
function failAt(disk: Disk, n: number, { code, lasts, hits }: Fault): () => Operation | undefined {
  let count = 0
  let failed: Operation | undefined
  disk.settings.fail = (operation) => {
    if (!hits(operation.kind)) return undefined
    count++
    if (count < n || (count > n && !lasts)) return undefined
    failed ??= operation
    return systemError(code)
  }
  return () => failed
}

/** Pushes in all ways, deletes and sweeps. @returns what must be there then, and whether sweeping failed */
async function useAll(
  client: CarefulClient,
  registry: BlobRegistry,
): Promise<{ kept: Uint8Array[]; sweepFailed: boolean }> {
  const [whole, chunked, cut, deleted] = [1, 2, 3, 4].map(() => randomBytes(LARGE)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ]
  await client.pushWhole(whole)
  await client.pushInChunks(chunked, CHUNK)
  const location = await client.begin(cut)
  await client.patch(location, cut, { from: 0, to: 90 * KIB, cut: true })
  if (!(await client.finish(location, cut, CHUNK))) await client.pushInChunks(cut, CHUNK)
  await client.pushWrong(deleted)
  await client.pushWhole(deleted)
  await client.delete(deleted)
  const sweepFailed = await registry.sweep().then(
    () => false,
    () => true,
  )
  return { kept: [whole, chunked, cut], sweepFailed }
}

for (const fault of FAULTS) {
  const { code, status } = fault
  test(`faults 3 and 4: ${code} at each step of writing is answered with ${status}, harms nothing, and the same succeeds once it is gone`, async (t) => {
    const served = await serve(t)
    const { disk, registry, files, openFiles } = served
    const older = randomBytes(LARGE)
    await clientOf(served).pushWhole(older)
    let n = 1
    for (; ; n++) {
      const failed = failAt(disk, n, fault)
      const client = clientOf(served)
      const { kept, sweepFailed } = await useAll(client, registry)
      delete disk.settings.fail
      const operation = failed()
      if (operation === undefined) break
      const where = `operation ${n}, ${operation.kind}`
      assert.deepEqual(client.refusals, sweepFailed ? [] : [status], where)
      for (const bytes of [older, ...kept]) assert.ok(await client.pulls(bytes), where)
      await registry.sweepOut()
      assert.equal(openFiles(), 0, where)
      assert.equal(files(), 1 + kept.length, `files that nothing leads to stay after ${where}`)
      for (const bytes of kept) await client.delete(bytes)
      disk.log.length = 0
    }
    assert.ok(n > 10, `it came to ${n} operations only`)
  })
}

/** Leaves an upload behind whose end lie bytes of a write that failed. */
async function uploadWithRest(client: CarefulClient, disk: Disk, bytes: Uint8Array): Promise<string> {
  const location = await client.begin(bytes)
  await client.patch(location, bytes, { from: 0, to: LARGE })
  failAt(disk, 1, { code: 'ENOSPC', status: 507, lasts: false, hits: (kind) => kind === 'write' })
  const longer = Buffer.concat([bytes, randomBytes(CHUNK)])
  await client.patch(location, longer, { from: LARGE, to: longer.length })
  assert.deepEqual(client.refusals, [507])
  return location
}

/** What the failed write left was dropped at once, so that later nothing is cut off, and a close finds nothing to sync. */
function isReached(hit: string, goal: 'closed' | 'continued'): boolean {
  return hit !== 'truncate' && !(hit === 'sync of a file' && goal === 'closed')
}

for (const hit of ['open', 'stat', 'truncate', 'sync of a file', 'close'] as const) {
  for (const goal of ['closed', 'continued'] as const) {
    test(`faults 3 and 4: an upload with bytes of a failed write after its end can be ${goal}, even if "${hit}" fails then`, async (t) => {
      const served = await serve(t)
      const { disk, registry, files } = served
      const client = clientOf(served)
      const bytes = randomBytes(goal === 'closed' ? LARGE : LARGE + CHUNK)
      const location = await uploadWithRest(client, disk, bytes)
      failAt(disk, 1, { code: 'EIO', status: 500, lasts: false, hits: (kind) => kind === hit })
      if (!(await client.finish(location, bytes, CHUNK))) await client.pushInChunks(bytes, CHUNK)
      assert.deepEqual(client.refusals, isReached(hit, goal) ? [507, 500] : [507])
      assert.ok(await client.pulls(bytes))
      await registry.sweepOut()
      assert.equal(files(), 1)
    })
  }
}

test('fault 3: an upload that failed on a full disk keeps its acknowledged bytes, and continues from there once there is space', async (t) => {
  const served = await serve(t)
  const client = clientOf(served)
  const bytes = randomBytes(2 * LARGE)
  const location = await client.begin(bytes)
  await client.patch(location, bytes, { from: 0, to: LARGE })
  const full = FAULTS[0] as Fault
  failAt(served.disk, 1, full)
  await client.patch(location, bytes, { from: LARGE, to: 2 * LARGE })
  assert.deepEqual(client.refusals, [507])
  assert.equal(await client.offsetOf(location, bytes), LARGE)
  assert.ok(await client.finish(location, bytes, LARGE))
  assert.ok(await client.pulls(bytes))
})

test('fault 3: a long chunk that meets a full disk keeps what came before its last checkpoint', async (t) => {
  const served = await serve(t)
  const client = clientOf(served)
  const bytes = randomBytes(2 * LARGE)
  const location = await client.begin(bytes)
  await client.patch(location, bytes, { from: 0, to: LARGE })
  failAt(served.disk, 4, { code: 'ENOSPC', status: 507, lasts: true, hits: (kind) => kind === 'write' })
  await client.patch(location, bytes, { from: LARGE, to: 2 * LARGE })
  assert.deepEqual(client.refusals, [507])
  assert.equal(await client.offsetOf(location, bytes), LARGE + 3 * CHECKPOINT)
  assert.ok(await client.finish(location, bytes, LARGE))
  assert.ok(await client.pulls(bytes))
})

test('fault 3: what a push in one request left on a full disk goes with the next sweep, without waiting for uploads to expire', async (t) => {
  const { disk, registry, files } = await serve(t)
  const bytes = randomBytes(LARGE)
  for (const n of [1, 2, 3, 4]) {
    const failed = failAt(disk, n, FAULTS[0] as Fault)
    const path = `/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`
    assert.equal((await registry.request('POST', path, { body: bytes })).status, 507)
    assert.ok(failed())
    delete disk.settings.fail
    await registry.sweep()
    assert.equal(files(), 0)
  }
})

test('faults 3 and 4: a store that can not be opened rejects, and can be opened once the fault is gone', async (t) => {
  const root = join(await temporaryFolder(t), 'data', 'blobs')
  for (const { code } of FAULTS) {
    for (const n of [1, 2, 3, 4, 5, 6, 7]) {
      const disk: Disk = recordedDisk()
      failAt(disk, n, { code, status: 500, lasts: true, hits: ALL })
      await assert.rejects(fileSystemBlobStore({ root, files: disk }), { code })
    }
  }
  const store = await fileSystemBlobStore({ root, files: recordedDisk() })
  const key = newKey()
  const bytes = randomBytes(9)
  const { state } = await store.append(key, '', 0, bodyOf(bytes))
  await store.publish(key, state)
  await assertBlob(store, key, bytes)
})

test('a disk that takes less of each write than it is given gets the rest again', async (t) => {
  for (const maxWrite of [1, 1000, 4096]) {
    const disk: Disk = recordedDisk({ maxWrite })
    const store = await fileSystemBlobStore({ root: join(await temporaryFolder(t), 'blobs'), files: disk })
    const key = newKey()
    const chunks = [0, 1, 999, 0, 1000, 1001, 1].map((size) => randomBytes(size))
    const { offset, state } = await store.append(key, '', 0, bodyOf(...chunks))
    assert.equal(offset, 3002)
    await store.publish(key, state)
    await assertBlob(store, key, Buffer.concat(chunks))
  }
})
