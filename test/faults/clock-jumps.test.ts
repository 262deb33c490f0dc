import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSandbox, type Program } from '../cli/program.ts'
import { descriptorOf, digestOf, manifestOf, pushBlob } from '../content.ts'
import { assertSoundFolder } from '../crash/stopped-folder.ts'
import { type ClockedRegistry, clockedRegistry, RETENTION } from '../protocol/clocked-registry.ts'
import { beginUpload, closeUpload, patchUpload, statusRange } from '../protocol/upload-requests.ts'

const DAY_MS = 86_400_000
/** What is kept in the database, and what is kept in a file. */
const SIZES = [1000, 200_000]
/** So long that only a server that never sweeps can exceed it. */
const PATIENCE = { timeout: 120_000 }

/** Uploads in their middle, and blobs that no manifest names yet. */
interface Fresh {
  uploads: { location: string; bytes: Buffer }[]
  blobs: Buffer[]
}

async function begin(registry: ClockedRegistry): Promise<Fresh> {
  const uploads = []
  for (const size of SIZES) {
    const bytes = randomBytes(size)
    const begun = await registry.request('POST', '/v2/app/blobs/uploads/')
    const location = begun.headers.get('location') ?? ''
    const patched = await registry.request('PATCH', location, bytes.subarray(0, size - 100))
    assert.equal(patched.status, 202)
    uploads.push({ location, bytes })
  }
  const blobs = SIZES.map((size) => randomBytes(size))
  for (const blob of blobs) {
    const path = `/v2/app/blobs/uploads/?digest=${digestOf(blob)}`
    assert.equal((await registry.request('POST', path, blob)).status, 201)
  }
  return { uploads, blobs }
}

/** Goes on where the uploads are, and names all of it in a manifest. */
async function finish(registry: ClockedRegistry, { uploads, blobs }: Fresh, tag: string): Promise<void> {
  for (const { location, bytes } of uploads) {
    const path = `${location}?digest=${digestOf(bytes)}`
    const closed = await registry.request('PUT', path, bytes.subarray(-100))
    assert.equal(closed.status, 201, await closed.text())
  }
  const all = [...blobs, ...uploads.map(({ bytes }) => bytes)].map((bytes) => descriptorOf(bytes))
  const manifest = manifestOf({ config: all[0], layers: all.slice(1) })
  const put = await registry.request('PUT', `/v2/app/manifests/${tag}`, manifest.bytes)
  assert.equal(put.status, 201, await put.text())
}

const JUMPS: readonly (readonly [string, readonly number[]])[] = [
  ['forward by a day', [DAY_MS]],
  ['back by a day', [-DAY_MS]],
  ['forward and back by a day', [DAY_MS, -DAY_MS]],
  ['back and forward by a day', [-DAY_MS, DAY_MS]],
  ['forward by a day in steps of an hour', Array.from({ length: 24 }, () => DAY_MS / 24)],
]

for (const [name, jumps] of JUMPS) {
  test(`fault 10: a clock that jumps ${name} ends no fresh upload and takes no fresh blob`, async (t) => {
    const registry = await clockedRegistry(t)
    await finish(registry, await begin(registry), 'v1')
    const fresh = await begin(registry)
    for (const jump of jumps) {
      registry.jump(jump)
      await registry.sweep()
    }
    registry.pass(RETENTION.garbage)
    await registry.sweep()
    await finish(registry, fresh, 'v2')
    // The revisions of the repository never go back in time.
    await assertSoundFolder(registry.data)
  })
}

for (const [name, jumps] of JUMPS) {
  test(`fault 10: after the clock jumped ${name}, unused content expires on time`, async (t) => {
    const registry = await clockedRegistry(t)
    await begin(registry)
    for (const jump of jumps) {
      registry.jump(jump)
      await registry.sweep()
    }
    await begin(registry)
    assert.equal(await registry.files(), 4)
    // Where the clock goes behind, all that is from before stays longer by as much.
    const behind = Math.max(0, -jumps.reduce((sum, jump) => sum + jump, 0))
    registry.pass(behind + RETENTION.unusedBlobs + 1)
    await registry.sweepOut()
    if (jumps.length > 1) {
      // What came before a jump that was taken back, too.
      registry.pass(DAY_MS)
      await registry.sweepOut()
    }
    assert.equal(await registry.files(), 0)
  })
}

/** Waits until the program has swept some more times. */
async function sweeps(program: Pick<Program, 'wrote'>, before: number): Promise<number> {
  await program.wrote('stderr', new RegExp(`(?:"swept"[^]*){${before + 3}}`))
  return before + 3
}

async function jumpingServer(t: TestContext) {
  const { folder, serve } = await openSandbox(t)
  const file = join(folder, 'clock')
  await writeFile(file, '0')
  const preloads = ['frequent-sweeps', 'jumping-clock'].map(
    (name) => `--import=${new URL(`./${name}.ts`, import.meta.url).href}`,
  )
  const env = { STOWAGE_CLOCK_FILE: file, NODE_OPTIONS: preloads.join(' ') }
  const server = await serve('data', ['--log-level', 'debug'], { env })
  return { server, jump: (milliseconds: number) => writeFile(file, `${milliseconds}`) }
}

test(
  'fault 10: a server whose clock jumps by two days sweeps, and keeps fresh content',
  PATIENCE,
  async (t) => {
    const { server, jump } = await jumpingServer(t)
    const bytes = randomBytes(200_000)
    const upload = await beginUpload(server.url, 'app')
    assert.equal((await patchUpload(upload, bytes.subarray(0, 100_000))).status, 202)
    const unused = await pushBlob(server.url, 'app', randomBytes(1000))
    let swept = 0
    for (const milliseconds of [2 * DAY_MS, 0, 2 * DAY_MS]) {
      await jump(milliseconds)
      swept = await sweeps(server, swept + 1)
      assert.equal(await statusRange(upload), '0-99999')
      assert.equal((await fetch(`${server.url}/v2/app/blobs/${unused}`, { method: 'HEAD' })).status, 200)
    }
    assert.equal((await closeUpload(upload, digestOf(bytes), { body: bytes.subarray(100_000) })).status, 201)
    server.signal('SIGTERM')
    assert.equal((await server.ended).code, 0)
  },
)
