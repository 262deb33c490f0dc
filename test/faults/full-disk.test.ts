import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { appendFileSync, statfsSync } from 'node:fs'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSandbox, type Sandbox, type ServingProgram } from '../cli/program.ts'
import { bytesOf, descriptorOf, digestOf, manifestOf, pushManifest } from '../content.ts'
import { beginUpload, closeUpload, patchUpload } from '../protocol/upload-requests.ts'
import { loopDisk } from '../suites/small-disk.ts'

const PATIENCE = { timeout: 180_000 }
const MIB = 1024 * 1024
const DISK = 64
const HOUR = 3_600_000

interface FullServer {
  sandbox: Sandbox
  disk: string
  data: string
  server: ServingProgram
  /** The digests of the images that were pushed, oldest first. */
  images: string[]
}

/** Runs a server whose clock is two hours slow, so that what is pushed to it is old when it was restarted. */
async function begin(t: TestContext): Promise<FullServer> {
  const sandbox = await openSandbox(t)
  const disk = await loopDisk(t, DISK)
  const data = join(disk, 'data')
  const clock = join(sandbox.folder, 'clock')
  await writeFile(clock, String(-2 * HOUR))
  const preload = new URL('./jumping-clock.ts', import.meta.url)
  const env = {
    STOWAGE_CLOCK_FILE: clock,
    NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${preload}`,
  }
  return { sandbox, disk, data, server: await sandbox.serve(data, [], { env }), images: [] }
}

/** Pushes an image with a layer of its own. @returns the status of the first answer that is not a success, or 201 */
async function pushImage({ server, images }: FullServer): Promise<number> {
  const layer = randomBytes(MIB)
  const upload = await fetch(`${server.url}/v2/app/blobs/uploads/?digest=${digestOf(layer)}`, {
    method: 'POST',
    body: layer,
  })
  await upload.arrayBuffer()
  if (upload.status !== 201) return upload.status
  const manifest = manifestOf({ layers: [descriptorOf(layer)] })
  const { status } = await pushManifest(server.url, 'app', manifest, `v${images.length}`)
  if (status === 201) images.push(manifest.digest)
  return status
}

/** Pushes until there is no space, and takes what is left then, to the last byte. */
async function fill(story: FullServer): Promise<void> {
  let status = await pushImage(story)
  for (; status === 201; status = await pushImage(story)) assert.ok(story.images.length < DISK)
  assert.equal(status, 507)
  takeAll(story.disk)
  assert.equal(await pushImage(story), 507)
}

function takeAll(disk: string): void {
  for (const size of [MIB, 4096, 1]) {
    try {
      for (;;) appendFileSync(join(disk, 'ballast'), Buffer.alloc(size))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
  assert.equal(statfsSync(disk).bavail, 0)
}

function freeBytes(disk: string): number {
  const { bavail, bsize } = statfsSync(disk)
  return bavail * bsize
}

/** Fails unless all images that are there can be pulled whole. */
async function assertWhole({ server, images }: FullServer): Promise<void> {
  for (const image of images) {
    const { layers } = (await (await fetch(`${server.url}/v2/app/manifests/${image}`)).json()) as {
      layers: { digest: string }[]
    }
    for (const { digest } of layers) {
      const pulled = await bytesOf(await fetch(`${server.url}/v2/app/blobs/${digest}`))
      assert.equal(digestOf(pulled), digest)
    }
  }
}

async function remove({ server }: FullServer, digest: string): Promise<number> {
  return (await fetch(`${server.url}/v2/app/manifests/${digest}`, { method: 'DELETE' })).status
}

async function collect(
  { sandbox, data }: FullServer,
  ...flags: string[]
): Promise<{ freed: number; blobs: number; manifests: number }> {
  const exit = await sandbox.run(['collect', '--now', '--json', '--data', data, ...flags])
  assert.equal(exit.code, 0, exit.stderr)
  return JSON.parse(exit.stdout)
}

async function restart(story: FullServer, signal: NodeJS.Signals): Promise<void> {
  story.server.signal(signal)
  await story.server.ended
  story.server = await story.sandbox.serve(story.data)
}

for (const end of ['SIGTERM', 'SIGKILL'] as const) {
  test(
    `fault 57: on a full disk, after ${end} and another start, images are deleted and a collection makes space for the next push`,
    PATIENCE,
    async (t) => {
      const story = await begin(t)
      await fill(story)
      await restart(story, end)
      for (const image of story.images.splice(0, 10)) {
        assert.equal(await remove(story, image), 202)
        takeAll(story.disk)
      }
      assert.equal(await pushImage(story), 507)
      const { freed, manifests } = await collect(story, '--tombstones', '--unused', '1h')
      assert.deepEqual([freed >= 10 * MIB, manifests], [true, 10], `${freed} bytes`)
      assert.ok(freeBytes(story.disk) >= 9 * MIB)
      for (let turn = 0; turn < 3; turn++) assert.equal(await pushImage(story), 201)
      await assertWhole(story)
    },
  )
}

test(
  'fault 57: a collection keeps content that is younger than an hour, and the bytes of open uploads',
  PATIENCE,
  async (t) => {
    const story = await begin(t)
    assert.equal(await pushImage(story), 201)
    await restart(story, 'SIGTERM')
    assert.equal(await pushImage(story), 201)
    const upload = await beginUpload(story.server.url, 'app')
    const bytes = randomBytes(2 * MIB)
    assert.equal((await patchUpload(upload, bytes.subarray(0, MIB))).status, 202)
    const [old = '', young = ''] = story.images
    for (const image of [old, young]) assert.equal(await remove(story, image), 202)
    const { freed, blobs } = await collect(story, '--tombstones', '--unused', '1h')
    assert.deepEqual([blobs, Math.round(freed / MIB)], [1, 1])
    assert.equal((await patchUpload(upload, bytes.subarray(MIB))).status, 202)
    assert.equal((await closeUpload(upload, digestOf(bytes))).status, 201)
    const refused = await story.sandbox.run(['collect', '--now', '--unused', '59m', '--data', story.data])
    assert.match(refused.stderr, /^stowage: --unused must be at least 1h/)
  },
)

test(
  'fault 57: on a full disk deleted images can be purged and tags deleted, and a failed upload leaves only its acknowledged bytes',
  PATIENCE,
  async (t) => {
    const story = await begin(t)
    const upload = await beginUpload(story.server.url, 'app')
    const answered = randomBytes(MIB)
    assert.equal((await patchUpload(upload, answered)).status, 202)
    const refused = await patchUpload(upload, randomBytes(DISK * MIB))
    assert.equal(refused.status, 507)
    assert.match(await refused.text(), /stowage collect --now/)
    assert.ok(freeBytes(story.disk) > (DISK / 2) * MIB, 'the rest of the upload stays on the disk')
    await fill(story)
    const [first = '', second = ''] = story.images
    const { url } = story.server
    assert.equal((await fetch(`${url}/v2/app/manifests/v1`, { method: 'DELETE' })).status, 202)
    takeAll(story.disk)
    const purge = await fetch(`${url}/v2/app/_stowage/manifests/purge?digest=${first}`, { method: 'DELETE' })
    assert.ok(purge.ok, await purge.text())
    takeAll(story.disk)
    assert.equal(await remove(story, second), 202)
  },
)

test(
  'fault 57: what small blobs took of the database is given back to the file system',
  PATIENCE,
  async (t) => {
    const story = await begin(t)
    const blobs = Array.from({ length: 400 }, () => randomBytes(60 * 1024))
    for (let at = 0; at < blobs.length; at += 20) {
      const pushes = blobs.slice(at, at + 20).map(async (bytes) => {
        const path = `/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`
        const pushed = await fetch(story.server.url + path, { method: 'POST', body: bytes })
        assert.equal(pushed.status, 201)
      })
      await Promise.all(pushes)
    }
    await restart(story, 'SIGTERM')
    const size = async () => (await stat(join(story.data, 'metadata.sqlite'))).size
    assert.ok((await size()) > 20 * MIB)
    assert.equal((await collect(story, '--unused', '1h')).blobs, 400)
    await restart(story, 'SIGTERM')
    assert.ok((await size()) < 6 * MIB, `${await size()} bytes stay`)
  },
)

test(
  'fault 57: with --low-space a server lets deleted images go early, and says so; without, it keeps them',
  PATIENCE,
  async (t) => {
    const story = await begin(t)
    assert.equal(await pushImage(story), 201)
    const [image = ''] = story.images
    assert.equal(await remove(story, image), 202)
    story.server.signal('SIGTERM')
    await story.server.ended
    const env = {
      NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${new URL('./frequent-sweeps.ts', import.meta.url)}`,
    }
    const keeping = await story.sandbox.serve(story.data, ['--low-space', '1M', '--log-level', 'debug'], {
      env,
    })
    await keeping.wrote('stderr', /"manifests":0,.*"msg":"swept"/)
    keeping.signal('SIGTERM')
    assert.doesNotMatch((await keeping.ended).stderr, /--low-space/)
    const letting = await story.sandbox.serve(story.data, ['--low-space', '1G'], { env })
    await letting.wrote('stderr', /"manifests":1,"blobs":1,.*free space is below --low-space/)
  },
)
