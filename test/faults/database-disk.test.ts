import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSandbox, type Sandbox, type ServingProgram } from '../cli/program.ts'
import { bytesOf, manifestOf, type TestManifest } from '../content.ts'
import { assertSoundDatabase, assertSoundFolder } from '../crash/stopped-folder.ts'
import { smallDisk } from '../suites/small-disk.ts'
import { thinDisk } from './thin-disk.ts'

/** So long that only a server that never answers again can exceed it. */
const PATIENCE = { timeout: 120_000 }

/** A server, and all that it said to have stored, by tag. */
interface Story {
  sandbox: Sandbox
  data: string
  server: ServingProgram
  stored: Map<string, TestManifest>
  count: number
}

async function begin(t: TestContext, folder?: string): Promise<Story> {
  const sandbox = await openSandbox(t)
  const data = join(folder ?? sandbox.folder, 'data')
  const story = { sandbox, data, server: await sandbox.serve(data), stored: new Map(), count: 0 }
  for (let turn = 0; turn < 3; turn++) assert.equal(await push(story), 201)
  return story
}

/** Pushes a manifest of several pages under a tag of its own, and moves one that all share. @returns the status */
async function push(story: Story): Promise<number> {
  const { server, stored } = story
  const name = `v${++story.count}`
  const manifest = manifestOf({ annotations: { name, padding: 'x'.repeat(10_000) } })
  const path = `/v2/app/manifests/${manifest.digest}?tag=${name}&tag=latest`
  const headers = { 'Content-Type': manifest.mediaType }
  const answer = await fetch(server.url + path, {
    method: 'PUT',
    headers,
    body: new Uint8Array(manifest.bytes),
  })
  const text = await answer.text()
  if (answer.status === 201) {
    for (const tag of [name, 'latest']) stored.set(tag, manifest)
  } else {
    assert.ok((JSON.parse(text) as { errors: unknown[] }).errors.length === 1, text)
  }
  return answer.status
}

/** Fails unless exactly what was answered with 201 is there. */
async function assertKept({ server, stored }: Story): Promise<void> {
  const list = (await (await fetch(`${server.url}/v2/app/tags/list`)).json()) as { tags: string[] }
  assert.deepEqual(list.tags, [...stored.keys()].sort())
  for (const [tag, manifest] of stored) {
    const pulled = await fetch(`${server.url}/v2/app/manifests/${tag}`)
    assert.equal(pulled.headers.get('docker-content-digest'), manifest.digest, tag)
    assert.ok(manifest.bytes.equals(await bytesOf(pulled)))
  }
}

/** Kills the server and starts it again. */
async function crash(story: Story, between: () => void = () => {}): Promise<void> {
  story.server.signal('SIGKILL')
  await story.server.ended
  between()
  await assertSoundFolder(story.data)
  assertSoundDatabase(story.data)
  story.server = await story.sandbox.serve(story.data)
}

/** Limits how long any file may become that the server writes; a write beyond fails with EFBIG. */
function limitFiles({ server }: Story, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', `${server.pid}`, `--fsize=${bytes}:unlimited`])
}

async function logSize({ data }: Story): Promise<number> {
  return (await stat(join(data, 'metadata.sqlite-wal'))).size
}

test(
  'fault 3: a full disk refuses pushes and keeps its content; pushes continue once it has space',
  PATIENCE,
  async (t) => {
    const disk = await smallDisk(t)
    const ballast = join(disk, 'ballast')
    await writeFile(ballast, Buffer.alloc(100_000))
    const story = await begin(t, disk)
    while ((await push(story)) === 201) assert.ok(story.count < 200, 'the disk is never full')
    for (let turn = 0; turn < 3; turn++) assert.equal(await push(story), 507)
    await assertKept(story)
    await rm(ballast)
    assert.equal(await push(story), 201)
    await assertKept(story)
    await crash(story)
    await assertKept(story)
  },
)

test(
  'fault 4: while syncs fail, no push succeeds; afterwards the store continues, and nothing is lost',
  PATIENCE,
  async (t) => {
    const disk = await thinDisk(t)
    const story = await begin(t, disk.folder)
    let failed = 0
    for (let turn = 0; turn < 3; turn++) {
      disk.exhaust()
      for (let more = 0; failed < 4 * (turn + 1); more++) {
        if ((await push(story)) !== 201) failed++
        assert.ok(more < 500, 'the disk never fails')
      }
      await assertKept(story)
      await disk.relieve()
      for (let more = 0; more < 3; more++) assert.equal(await push(story), 201)
      await assertKept(story)
      await crash(story, disk.remount)
      await assertKept(story)
    }
    t.diagnostic(`${failed} pushes failed, ${story.stored.size - 1} were stored`)
  },
)

test(
  'fault 4: a transaction whose write fails anywhere in its middle leaves nothing, and the next one is stored',
  PATIENCE,
  async (t) => {
    const story = await begin(t)
    let failed = 0
    for (let room = 0; ; room += 7000) {
      limitFiles(story, (await logSize(story)) + room)
      const status = await push(story)
      limitFiles(story, 'unlimited')
      await assertKept(story)
      if (status === 201) break
      assert.equal(status, 500)
      failed++
      if (failed % 4 === 0) await crash(story)
      // It is longer than what is left of the one that failed, so that the log ends where it ends.
      assert.equal(await push(story), 201)
    }
    assert.ok(failed > 5, `${failed}`)
    await crash(story)
    await assertKept(story)
    t.diagnostic(`${failed} transactions failed, ${story.stored.size - 1} were stored`)
  },
)

test(
  'fault 4: a server whose folder vanished makes no new database in its place, and continues when it is back',
  PATIENCE,
  async (t) => {
    const story = await begin(t)
    const away = `${story.data}-away`
    await rename(story.data, away)
    await mkdir(story.data)
    limitFiles(story, 0)
    for (let turn = 0; turn < 3; turn++) assert.equal(await push(story), 500)
    limitFiles(story, 'unlimited')
    for (let turn = 0; turn < 3; turn++) assert.equal(await push(story), 500)
    assert.deepEqual(await readdir(story.data), [])
    await rmdir(story.data)
    await rename(away, story.data)
    assert.equal(await push(story), 201)
    await assertKept(story)
    await crash(story)
    await assertKept(story)
  },
)
