import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { Command } from '../../src/metadata/command.ts'
import { sqliteMetadata } from '../../src/metadata/sqlite/store.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import { assertSoundDatabase, assertSoundFolder } from '../crash/stopped-folder.ts'
import { temporaryFolder } from '../stowage.ts'
import { blobCommand, edge, manifestCommand, newToken, tags } from '../suites/metadata-place.ts'
import { saveCommand } from '../suites/metadata-upload.ts'

const HEADER = 32
const FRAME_HEADER = 24
const FRAME = FRAME_HEADER + 4096
/** So long that only a store that never opens can exceed it. */
const PATIENCE = { timeout: 300_000 }
const TABLES = [
  'repositories',
  'contents',
  'links',
  'manifests',
  'edges',
  'tags',
  'changes',
  'uploads',
  'ended_uploads',
]

/** The files of a store as a crash would leave them, with all that was answered until then. */
interface Crashed {
  database: Buffer
  log: Buffer
  /** What the tables said after each commit that was answered, by how many frames the log had. */
  answered: Map<number, string>
  /** How many frames the log has since the last checkpoint; others lie behind them. */
  frames: number
}

/** How many frames from the beginning on have the salts of the header: those since the last checkpoint. */
function liveFrames(log: Buffer): number {
  const salts = log.subarray(16, 24)
  for (let frame = 0; ; frame++) {
    const at = HEADER + frame * FRAME
    if (at + FRAME > log.length || !log.subarray(at + 8, at + 16).equals(salts)) return frame
  }
}

/** All that the database says, as text. */
function tablesOf(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return JSON.stringify(TABLES.map((table) => database.prepare(`SELECT * FROM ${table}`).all()))
  } finally {
    database.close()
  }
}

/** Commits of each kind, each of one transaction. */
function story(): Command[][] {
  const repository = 'app' as RepositoryName
  const blobs = Array.from({ length: 4 }, () => blobCommand(repository))
  const images = blobs.map((blob, index) =>
    manifestCommand(repository, { edges: [edge('layer', blob.digest)], tags: tags('latest', `v${index}`) }),
  )
  const [first, second, third, last] = images.map((image, index) => [blobs[index] as Command, image])
  const digest = images[0]?.digest ?? assert.fail()
  const upload = { id: newToken(), repository }
  return [
    first ?? [],
    [blobs[1] as Command],
    second ?? [],
    [saveCommand(upload, { version: 0 }, { offset: 20_000, content: { bytes: randomBytes(20_000) } })],
    [{ type: 'deleteManifest', actor: ANONYMOUS, repository, digest }, ...(third ?? [])],
    [{ type: 'deleteTag', actor: ANONYMOUS, repository, tag: tags('v1')[0] ?? assert.fail(), condition: {} }],
    [{ type: 'endUpload', ...upload }],
    last ?? [],
  ]
}

async function crash(t: TestContext): Promise<Crashed> {
  const path = join(await temporaryFolder(t), 'metadata.sqlite')
  const store = await sqliteMetadata({ path })
  t.after(() => store.close())
  await beginLogAgain(path, (commands) => store.commit(commands))
  const answered = new Map<number, string>()
  for (const commands of story()) {
    await store.commit(commands)
    answered.set(liveFrames(await readFile(`${path}-wal`)), tablesOf(path))
  }
  const log = await readFile(`${path}-wal`)
  return { database: await readFile(path), log, answered, frames: liveFrames(log) }
}

/** Writes until the log was checkpointed and begins again in front of what it had: its first frame is another one. */
async function beginLogAgain(path: string, commit: (commands: Command[]) => Promise<unknown>): Promise<void> {
  const upload = { id: newToken(), repository: 'app' as RepositoryName }
  const offset = 60_000
  await commit([saveCommand(upload, { version: 0 }, { offset })])
  const salts = async () => (await readFile(`${path}-wal`)).subarray(16, 24)
  const first = await salts()
  for (let version = 1; first.equals(await salts()); version++) {
    await commit([saveCommand(upload, { version }, { offset, content: { bytes: randomBytes(offset) } })])
  }
  await commit([{ type: 'endUpload', ...upload }])
}

/** Opens what a crash left. @returns what its tables say then, or why it was refused */
async function reopen(folder: string, { database, log }: { database: Buffer; log: Buffer }): Promise<string> {
  await mkdir(folder)
  const path = join(folder, 'metadata.sqlite')
  await writeFile(path, database)
  await writeFile(`${path}-wal`, log)
  try {
    const store = await sqliteMetadata({ path }).catch((error: Error) => error.message)
    if (typeof store === 'string') {
      assert.deepEqual([await readFile(path), await readFile(`${path}-wal`)], [database, log])
      return store
    }
    await store.close()
    await assertSoundFolder(folder)
    assertSoundDatabase(folder)
    return tablesOf(path)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What was answered last when the log had this many frames. */
function lastAnswer({ answered }: Crashed, frames: number): string {
  const [, tables] = [...answered].findLast(([after]) => after <= frames) ?? []
  return tables ?? assert.fail(`nothing was answered at frame ${frames}`)
}

test(
  'fault 5: a log that is cut at and in each frame gives all that was answered before, and no half',
  PATIENCE,
  async (t) => {
    const crashed = await crash(t)
    const { log, frames, answered } = crashed
    const folder = join(await temporaryFolder(t), 'data')
    const first = [...answered.keys()][0] ?? 0
    let cuts = 0
    assert.ok(log.length > HEADER + frames * FRAME, 'frames from before the checkpoint lie behind')
    for (let frame = first; frame <= frames; frame++) {
      for (const inside of [0, 12, FRAME_HEADER, FRAME_HEADER + 2000, FRAME - 1]) {
        const end = HEADER + frame * FRAME + inside
        const found = await reopen(folder, { ...crashed, log: log.subarray(0, end) })
        assert.equal(found, lastAnswer(crashed, frame), `cut in frame ${frame} at ${inside}`)
        cuts++
      }
    }
    t.diagnostic(`${cuts} cuts of ${frames} frames, ${answered.size} transactions`)
  },
)

/** What a disk may make of a frame. */
const DAMAGES: ((frame: Buffer) => void)[] = [
  (frame) => void frame.writeUInt8(frame.readUInt8(FRAME_HEADER + 100) ^ 1, FRAME_HEADER + 100),
  (frame) => void randomBytes(4096).copy(frame, FRAME_HEADER),
  (frame) => {
    for (let at = FRAME / 2; at < FRAME; at++) frame.writeUInt8(frame.readUInt8(at) ^ 255, at)
  },
]

test(
  'fault 5: a log that is damaged before its last transaction is refused, and stays as it is',
  PATIENCE,
  async (t) => {
    const crashed = await crash(t)
    const { log, frames, answered } = crashed
    const folder = join(await temporaryFolder(t), 'data')
    const ends = [...answered.keys()]
    const lastBegins = ends.at(-2) ?? 0
    let refused = 0
    for (let frame = ends[0] ?? 0; frame < frames; frame++) {
      const damaged = Buffer.from(log)
      DAMAGES[frame % DAMAGES.length]?.(damaged.subarray(HEADER + frame * FRAME))
      const found = await reopen(folder, { ...crashed, log: damaged })
      if (frame < lastBegins) {
        assert.match(found, /write-ahead log is damaged in frame \d+ of \d+/, `damage in frame ${frame}`)
        refused++
      } else {
        // Nobody can tell it from what a crash leaves of a transaction that was not answered.
        assert.equal(found, lastAnswer(crashed, lastBegins), `damage in frame ${frame}`)
      }
    }
    for (const at of [0, 4, 8, 10, 16, 20, 24, 28]) {
      const damaged = Buffer.from(log)
      damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at)
      const found = await reopen(folder, { ...crashed, log: damaged })
      assert.match(found, /header of its write-ahead log is damaged/, `damage at ${at}`)
    }
    assert.ok(refused > 20, `${refused}`)
    t.diagnostic(`${refused} refused, ${frames - lastBegins} taken for a torn transaction`)
  },
)
