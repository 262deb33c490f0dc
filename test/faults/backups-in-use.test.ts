import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertRefusedToStart, assertToldProblem } from '../cli/exit.ts'
import { openSandbox, type Program, type Sandbox, type ServingProgram } from '../cli/program.ts'
import { assertSound } from '../cli/served-images.ts'
import { pushBlob } from '../content.ts'
import { assertAllWhole, assertPullsWhole, type PushedImage, pushRandomImage } from '../images.ts'
import { storedFiles } from '../protocol/refusal.ts'
import { loopDisk } from '../suites/small-disk.ts'
import { pushOn } from './push-load.ts'

const PATIENCE = { timeout: 300_000 }
/** What is deleted goes with the next collection: only a pin keeps its files. */
const FLAGS = ['--workers', '2', '--keep-deleted', '0', '--log-level', 'info']
const ROOT_ONLY = process.getuid?.() === 0 ? false : 'only root may mount a disk'

interface Story {
  sandbox: Sandbox
  server: ServingProgram
  data: string
}

async function begin(t: TestContext): Promise<Story> {
  const sandbox = await openSandbox(t)
  const data = join(sandbox.folder, 'data')
  return { sandbox, data, server: await serve(sandbox) }
}

async function serve(sandbox: Sandbox): Promise<ServingProgram> {
  return await sandbox.serve('data', FLAGS, { nodeFlags: [] })
}

async function stop(server: Program): Promise<void> {
  server.signal('SIGTERM')
  assert.equal((await server.ended).code, 0)
}

async function pushMany(url: string, repository: string, count: number): Promise<PushedImage[]> {
  const tags = Array.from({ length: count }, (_, index) => `v${index}`)
  const pushed: PushedImage[] = []
  for (const tag of tags) pushed.push(await pushRandomImage(url, repository, tag))
  return pushed
}

interface HeldBackup extends Program {
  /** Lets it copy the rest, and waits until it has ended without a complaint. */
  finish(): Promise<void>
}

/** Starts a backup that copies a few blobs and then waits. */
async function beginBackup({ sandbox }: Story): Promise<HeldBackup> {
  const preload = new URL('./held-copies.ts', import.meta.url)
  const gate = join(sandbox.folder, 'gate')
  const backup = sandbox.start(['backup', '--to', 'backup', '--data', 'data'], {
    env: {
      STOWAGE_TEST_GATE: gate,
      NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${preload}`,
    },
  })
  await isCopying(join(sandbox.folder, 'backup'), backup)
  return {
    ...backup,
    async finish() {
      await writeFile(gate, '')
      const { code, stderr } = await backup.ended
      assert.equal(`${code} ${stderr}`, '0 ')
    },
  }
}

async function isCopying(folder: string, backup: Program): Promise<void> {
  let hasEnded = false
  void backup.ended.then(() => {
    hasEnded = true
  })
  while ((await storedFiles(folder).catch(() => [])).length === 0) {
    assert.ok(!hasEnded, JSON.stringify(hasEnded && (await backup.ended)))
    await sleep(20)
  }
}

/** Deletes images with their layers, and has the server delete at once what it deletes later by itself. */
async function deleteAll({ sandbox, server }: Story, images: PushedImage[]): Promise<void> {
  for (const { repository, digest, layer } of images) {
    for (const path of [`manifests/${digest}`, `blobs/${layer}`]) {
      const deleted = await fetch(`${server.url}/v2/${repository}/${path}`, { method: 'DELETE' })
      assert.equal(deleted.status, 202, path)
    }
  }
  await collect(sandbox)
}

async function collect(sandbox: Sandbox): Promise<void> {
  const { code, stderr } = await sandbox.run(['collect', '--now', '--tombstones', '--data', 'data'])
  assert.equal(code, 0, stderr)
}

/** Serves a backup. @returns how many images it has, all of which are whole */
async function assertBackupHas(sandbox: Sandbox, folder: string, images: PushedImage[]): Promise<number> {
  await assertSound(sandbox, folder)
  const server = await sandbox.serve(folder, [], { nodeFlags: [] })
  for (const { repository, tag, digest } of images) {
    await assertPullsWhole(server.url, repository, digest)
    await assertPullsWhole(server.url, repository, tag)
  }
  const count = await assertAllWhole(server.url)
  await stop(server)
  return count
}

test(
  'fault 62: a backup under load has every image that was acknowledged before it began, also if it was deleted meanwhile',
  PATIENCE,
  async (t) => {
    const story = await begin(t)
    const { sandbox, server } = story
    const kept = await pushMany(server.url, 'kept', 20)
    const deleted = await pushMany(server.url, 'deleted', 40)
    const stopPushing = pushOn(server.url)
    const backup = await beginBackup(story)
    await deleteAll(story, deleted)
    await backup.finish()
    t.diagnostic(`${await stopPushing()} images were pushed meanwhile`)
    await collect(sandbox)
    const count = await assertBackupHas(sandbox, 'backup', [...kept, ...deleted])
    t.diagnostic(`the backup has ${count} images`)
    await assertSound(sandbox, 'data')
    await stop(server)
  },
)

test(
  'fault 62: what a backup kept goes when it has ended, or was killed, and a killed one is refused',
  PATIENCE,
  async (t) => {
    const story = await begin(t)
    const { sandbox, server, data } = story
    const kept = await pushMany(server.url, 'kept', 4)
    const deleted = await pushMany(server.url, 'deleted', 40)
    const backup = await beginBackup(story)
    await deleteAll(story, deleted)
    assert.equal((await storedFiles(data)).length, 44, 'the files of what was deleted are kept')
    backup.signal('SIGKILL')
    assert.equal((await backup.ended).signal, 'SIGKILL')
    await server.wrote('stderr', /the backup has ended/)
    await collect(sandbox)
    assert.equal((await storedFiles(data)).length, 4)

    const unfinished = /backup is an incomplete backup; delete it and make another one/
    assertRefusedToStart(
      await sandbox.run(['serve', '--listen', '127.0.0.1:0', '--data', 'backup']),
      unfinished,
    )
    assertToldProblem(await sandbox.run(['check', '--data', 'backup']), 1, unfinished)
    for (const { digest } of kept) await assertPullsWhole(server.url, 'kept', digest)
  },
)

test(
  'fault 62: a backup continues while its server is stopped and started, and keeps content that is deleted then',
  PATIENCE,
  async (t) => {
    const story = await begin(t)
    const { sandbox, server } = story
    const deleted = await pushMany(server.url, 'deleted', 20)
    const backup = await beginBackup(story)
    await stop(server)
    const next = await serve(sandbox)
    await next.wrote('stderr', /a backup has started/)
    await deleteAll({ ...story, server: next }, deleted)
    await backup.finish()
    assert.equal(await assertBackupHas(sandbox, 'backup', deleted), 20)
  },
)

test('fault 62: no server starts on a stopped folder while it is backed up', PATIENCE, async (t) => {
  const story = await begin(t)
  const { sandbox, server } = story
  const images = await pushMany(server.url, 'app', 10)
  await stop(server)
  const backup = await beginBackup(story)
  const refused = await sandbox.run(['serve', '--listen', '127.0.0.1:0', '--data', 'data'])
  assertRefusedToStart(refused, /another server is using it, or a backup of it is being made/)
  await backup.finish()
  await assertBackupHas(sandbox, 'backup', images)
  await stop(await serve(sandbox))
})

test('fault 62: a backup that fills its disk is reported in one line, and leaves nothing there', {
  ...PATIENCE,
  skip: ROOT_ONLY,
}, async (t) => {
  const { sandbox, server } = await begin(t)
  const disk = await loopDisk(t, 16)
  for (let turn = 0; turn < 20; turn++) await pushBlob(server.url, 'app', randomBytes(1_000_000))
  for (const to of [join(disk, 'backup'), join(disk, 'lost+found')]) {
    const exit = await sandbox.run(['backup', '--to', to, '--data', 'data'])
    assertToldProblem(exit, 1, /data cannot be backed up to \S+: there is no space left/)
    assert.deepEqual(await readdir(disk), ['lost+found'])
    assert.deepEqual(await readdir(join(disk, 'lost+found')), [])
  }
})
