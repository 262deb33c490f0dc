import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { descriptorOf, digestOf, manifestOf, type TestManifest } from '../content.ts'
import { assertSoundDatabase, assertSoundFolder } from '../crash/stopped-folder.ts'
import { type SweepTimes, sweepFolder } from '../crash/sweep-times.ts'
import { sweep } from '../crash/sweeper.ts'
import { type ClockedRegistry, clockedRegistry, RETENTION } from '../protocol/clocked-registry.ts'
import { storedFiles } from '../protocol/refusal.ts'
import { temporaryFolder } from '../stowage.ts'
import { makeKiller } from './kill-plan.ts'

/** Nobody is told anything during a sweep, so before a step is the same as after the last. */
const POINTS = '^(?:before commit|after commit|after unlink)'
const STEPS = POINTS.slice(4, -1).split('|')
/** So long that only a program that never ends can exceed it. */
const PATIENCE = { timeout: 300_000 }
const TABLES = [
  'repositories',
  'contents',
  'links',
  'manifests',
  'edges',
  'tags',
  'uploads',
  'ended_uploads',
  'garbage',
]

const large = () => randomBytes(100_000)

async function push(registry: ClockedRegistry, bytes: Buffer, name = 'app'): Promise<Buffer> {
  const path = `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`
  assert.equal((await registry.request('POST', path, bytes)).status, 201)
  return bytes
}

async function beginUpload(registry: ClockedRegistry, bytes: Buffer): Promise<string> {
  const begun = await registry.request('POST', '/v2/app/blobs/uploads/')
  const location = begun.headers.get('location') ?? ''
  assert.equal((await registry.request('PATCH', location, bytes)).status, 202)
  return location
}

async function pushImage(registry: ClockedRegistry, layers: Buffer[], tag: string): Promise<TestManifest> {
  const config = await push(registry, randomBytes(100))
  const manifest = manifestOf({
    config: descriptorOf(config),
    layers: layers.map((one) => descriptorOf(one)),
  })
  const put = await registry.request('PUT', `/v2/app/manifests/${tag}`, manifest.bytes)
  assert.equal(put.status, 201)
  return manifest
}

async function remove(registry: ClockedRegistry, path: string, status: number): Promise<void> {
  assert.equal((await registry.request('DELETE', path)).status, status)
}

/** A folder with all that a sweep takes, beside an image and what is fresh. */
interface Littered {
  registry: ClockedRegistry
  image: TestManifest
  /** All files that must stay, by the digest of their bytes. */
  kept: string[]
  times: SweepTimes
}

async function litter(t: TestContext): Promise<Littered> {
  const registry = await clockedRegistry(t)
  const layers = [await push(registry, large()), await push(registry, large())]
  const image = await pushImage(registry, layers, 'v1')
  // The same layer, unused elsewhere; unused blobs; uploads that nobody goes on with.
  await push(registry, layers[0] as Buffer, 'other')
  for (const bytes of [large(), large(), randomBytes(100)]) await push(registry, bytes)
  await beginUpload(registry, large())
  await beginUpload(registry, randomBytes(100))
  // Bytes that were pushed again, an upload that was cancelled, and an image that was deleted.
  await push(registry, layers[1] as Buffer)
  await remove(registry, await beginUpload(registry, large()), 204)
  const gone = await pushImage(registry, [await push(registry, large()), layers[0] as Buffer], 'v2')
  await remove(registry, `/v2/app/manifests/${gone.digest}`, 202)

  registry.pass(RETENTION.unusedBlobs + 1)
  const fresh = [await push(registry, large()), large()]
  await beginUpload(registry, fresh[1] as Buffer)
  const rounds = [registry.now(), registry.now() + RETENTION.garbage]
  const kept = [...layers, ...fresh].map((bytes) => digestOf(bytes)).sort()
  return { registry, image, kept, times: { retention: RETENTION, rounds } }
}

/** All that the database says, as text. */
function contentsOf(data: string): string {
  const database = new DatabaseSync(join(data, 'metadata.sqlite'), { readOnly: true })
  try {
    return JSON.stringify(TABLES.map((table) => database.prepare(`SELECT * FROM ${table}`).all()))
  } finally {
    database.close()
  }
}

async function digestsOfFiles(data: string): Promise<string[]> {
  const names = await storedFiles(data)
  const files = names.map((name) => readFile(join(data, 'blobs', name.slice(0, 2), name)))
  return (await Promise.all(files)).map((bytes) => digestOf(bytes)).sort()
}

async function assertCollected(data: string, { kept }: Littered, expected: string): Promise<void> {
  await assertSoundFolder(data)
  assertSoundDatabase(data)
  assert.equal(contentsOf(data), expected)
  assert.deepEqual(await digestsOfFiles(data), kept)
}

test(
  'fault 8: a sweep that is killed at each of its steps takes nothing that lives, and the next one finishes',
  PATIENCE,
  async (t) => {
    const littered = await litter(t)
    const { registry, kept, times } = littered
    const parent = await temporaryFolder(t)
    const killer = await makeKiller(parent)
    const whole = join(parent, 'whole')
    await cp(registry.data, whole, { recursive: true })
    const before = (await storedFiles(whole)).length
    await sweepFolder(whole, times)
    const expected = contentsOf(whole)
    await assertCollected(whole, littered, expected)

    const killedAt: string[] = []
    for (let count = 1; ; count++) {
      const data = join(parent, `${count}`)
      await cp(registry.data, data, { recursive: true })
      await killer.arm({ pattern: POINTS, count })
      const { killed } = await sweep(data, { times, env: killer.env })
      const points = await killer.disarm()
      if (!killed) break
      killedAt.push(points.at(-1) ?? '')
      await assertSoundFolder(data)
      const left = await digestsOfFiles(data)
      assert.deepEqual(
        kept.filter((digest) => !left.includes(digest)),
        [],
      )
      await sweepFolder(data, times)
      await assertCollected(data, littered, expected)
      await rm(data, { recursive: true })
    }
    for (const step of STEPS)
      assert.ok(
        killedAt.some((point) => point.endsWith(step)),
        `${step}: ${killedAt}`,
      )
    assert.equal(killedAt.filter((point) => point === 'after unlink').length, before - kept.length)
    t.diagnostic(`${killedAt.length} kills, ${before - kept.length} files collected, ${kept.length} kept`)
  },
)
