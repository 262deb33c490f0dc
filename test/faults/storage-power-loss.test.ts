import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import { fileSystemBlobStore } from '../../src/storage/file-system.ts'
import { stoppedClock } from '../stopped-clock.ts'
import { temporaryFolder } from '../stowage.ts'
import { assertSurvives, type Note, type Recording } from './aftermath.ts'
import { type BlobRegistry, blobRegistry, LARGE, notingCommits } from './blob-registry.ts'
import { CarefulClient } from './careful-client.ts'
import { KilledError, type Operation, type RecordedDisk, recordedDisk, systemError } from './recorded-disk.ts'

const KIB = 1024
const CHUNK = 40 * KIB

/** What takes part in a recording. */
interface Stage {
  disk: RecordedDisk<Note>
  registry: BlobRegistry
  client: CarefulClient
  /** Makes the content of a blob. */
  make(): Buffer
}

/**
 * Does something with a registry whose disk and clients keep a log.
 *
 * @param killedAt at which operation an earlier start of it was killed, if one was
 */
async function record(
  t: TestContext,
  play: (stage: Stage) => Promise<void>,
  killedAt?: number,
): Promise<Recording> {
  const disk = recordedDisk<Note>({ maxWrite: 30 * KIB })
  const root = join(await temporaryFolder(t), 'data', 'blobs')
  if (killedAt !== undefined) await startAndKill(disk, root, killedAt)
  const clock = stoppedClock()
  const metadata = memoryMetadata(clock)
  t.after(() => metadata.close())
  const blobs = await fileSystemBlobStore({ root, files: disk })
  const registry = blobRegistry({ blobs, metadata: notingCommits(metadata, clock, disk.note), clock })
  const client = new CarefulClient(registry, { onFact: disk.note })
  const contents: Buffer[] = []
  const make = () => {
    const bytes = randomBytes(LARGE)
    contents.push(bytes)
    return bytes
  }
  await play({ disk, registry, client, make })
  return { log: disk.log, root, secret: metadata.secret, contents }
}

/** Nothing reaches the disk from one operation on, and what was not synced stays so. */
async function startAndKill(disk: RecordedDisk<Note>, root: string, killedAt: number): Promise<void> {
  let count = 0
  disk.settings.fail = () => (++count >= killedAt ? new KilledError('killed') : undefined)
  await assert.rejects(fileSystemBlobStore({ root, files: disk }), /killed/)
  await disk.settled()
  delete disk.settings.fail
}

/** Makes the nth of some operations fail. @returns what tells whether it came to that */
function failOnce(
  disk: RecordedDisk<Note>,
  { code, n = 1, matches }: { code: string; n?: number; matches(operation: Operation): boolean },
): () => boolean {
  let count = 0
  disk.settings.fail = (operation) => (matches(operation) && ++count === n ? systemError(code) : undefined)
  return () => count >= n
}

/** The next write meets a full disk, and leaves a part of its bytes. */
function fillDisk(disk: RecordedDisk<Note>): void {
  failOnce(disk, { code: 'ENOSPC', matches: ({ kind }) => kind === 'write' })
}

async function pushCut({ client, make }: Stage): Promise<void> {
  const bytes = make()
  const location = await client.begin(bytes)
  await client.patch(location, bytes, { from: 0, to: 90 * KIB, cut: true })
  if (!(await client.finish(location, bytes, CHUNK))) await client.pushInChunks(bytes, CHUNK)
}

/** Leaves bytes behind the offset that are written anew when the upload goes on. */
async function pushAfterFullDisk({ disk, client, make }: Stage): Promise<void> {
  const bytes = make()
  const location = await client.begin(bytes)
  await client.patch(location, bytes, { from: 0, to: 70 * KIB })
  fillDisk(disk)
  await client.patch(location, bytes, { from: 70 * KIB, to: 90 * KIB })
  assert.ok(await client.finish(location, bytes, CHUNK))
}

/** Leaves bytes behind the offset that are cut off when the upload is closed. */
async function closeAfterFullDisk({ disk, client, make }: Stage): Promise<void> {
  const bytes = make()
  const location = await client.begin(bytes)
  await client.patch(location, bytes, { from: 0, to: LARGE })
  fillDisk(disk)
  const longer = Buffer.concat([bytes, randomBytes(20 * KIB)])
  await client.patch(location, longer, { from: LARGE, to: longer.length })
  assert.ok(await client.finish(location, bytes, CHUNK))
}

async function useAll(stage: Stage): Promise<void> {
  const { registry, client, make } = stage
  const [healed, deleted, left] = [make(), make(), make()]
  await client.pushWhole(healed)
  await client.pushInChunks(deleted, CHUNK)
  await pushCut(stage)
  await pushAfterFullDisk(stage)
  await closeAfterFullDisk(stage)
  assert.deepEqual(client.refusals, [507, 507])
  await client.pushWrong(make())
  await client.pushWhole(healed)
  await client.delete(deleted)
  await registry.sweepOut()
  await client.patch(await client.begin(left), left, { from: 0, to: 80 * KIB })
}

test('faults 2, 7 and 8: after a power loss at any moment all that was answered is there, and nothing else stays', async (t) => {
  const recording = await record(t, useAll)
  const count = await assertSurvives(recording, await temporaryFolder(t), 'any')
  assert.ok(count > 200, `only ${count} different states were looked at`)
})

for (const code of ['EIO', 'ENOSPC']) {
  test(`fault 4: ${code} from fsync is never followed by 201 for bytes that were written before it`, async (t) => {
    let reached = true
    for (let n = 1; reached; n++) {
      const recording = await record(t, async (stage) => {
        const failed = failOnce(stage.disk, { code, n, matches: ({ kind }) => kind.startsWith('sync') })
        await stage.client.pushWhole(stage.make())
        await pushCut(stage)
        reached = failed()
        assert.equal(stage.client.refusals.length, reached ? 1 : 0)
      })
      await assertSurvives(recording, await temporaryFolder(t), 'answers')
    }
  })
}

test('fault 2: a power loss after a start that was killed takes nothing that was answered since', async (t) => {
  for (const killedAt of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 100, 200, 260]) {
    const recording = await record(t, ({ client, make }) => client.pushWhole(make()), killedAt)
    await assertSurvives(recording, await temporaryFolder(t), 'answers')
  }
})
