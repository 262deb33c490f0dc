import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { descriptorOf, digestOf, manifestOf, OCI_CONFIG, type TestManifest } from '../content.ts'
import { type Conversation, converseOften, eachBelow } from './conversation.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 600_000 }
const LANES = 8
const RACES = 240

interface Image extends TestManifest {
  blobs: readonly Buffer[]
}

/** An image whose config lies in a row, and whose layer lies in a row or in a file. */
function newImage(layerSize: number): Image {
  const config = Buffer.from(JSON.stringify({ id: randomBytes(8).toString('hex') }))
  const layer = randomBytes(layerSize)
  const body = { config: descriptorOf(config, OCI_CONFIG), layers: [descriptorOf(layer)] }
  return { ...manifestOf(body), blobs: [config, layer] }
}

/** One of many repositories in which the same race happens, and the connections of its two sides. */
interface Race {
  name: string
  image: Image
  one: Conversation
  other: Conversation
}

async function pushBlobs({ one, name, image }: Race): Promise<void> {
  for (const body of image.blobs) {
    const pushed = await one.ask(`POST /v2/${name}/blobs/uploads/?digest=${digestOf(body)}`, { body })
    assert.equal(pushed.status, 201)
  }
}

/** Pushes the manifest. @returns whether it was taken; if not, it must be said what it lacks */
async function pushManifest({ one, name, image }: Race): Promise<boolean> {
  const headers = [`Content-Type: ${image.mediaType}`]
  const pushed = await one.ask(`PUT /v2/${name}/manifests/v1`, { headers, body: image.bytes })
  if (pushed.status === 201) return true
  assert.equal(pushed.status, 400)
  assert.deepEqual([...new Set(pushed.codes())], ['MANIFEST_BLOB_UNKNOWN'])
  return false
}

async function assertComplete({ other, name, image }: Race): Promise<void> {
  const pulled = await other.ask(`GET /v2/${name}/manifests/v1`)
  assert.deepEqual(pulled.body, image.bytes)
  for (const bytes of image.blobs) {
    const blob = await other.ask(`GET /v2/${name}/blobs/${digestOf(bytes)}`)
    assert.ok(blob.status === 200 && blob.body.equals(bytes), `a blob of ${name} is answered ${blob.status}`)
  }
}

async function assertAbsent({ other, name, image }: Race): Promise<void> {
  for (const reference of ['v1', image.digest]) {
    assert.equal((await other.ask(`GET /v2/${name}/manifests/${reference}`)).status, 404)
  }
}

/** Plays a race often. @returns those in which the manifest was taken */
async function raceOften(
  clients: readonly Conversation[],
  play: (race: Race, index: number) => Promise<boolean>,
): Promise<Race[]> {
  const taken: Race[] = []
  await eachBelow(RACES, LANES, async (index, lane) => {
    const [one, other] = clients.slice(2 * lane)
    assert.ok(one && other)
    const image = newImage(index % 2 === 0 ? 1_000 : 70_000)
    const race = { name: `race${index}`, image, one, other }
    if (await play(race, index)) taken.push(race)
    else await assertAbsent(race)
  })
  for (const race of taken) await assertComplete(race)
  assert.ok(taken.length > 0 && taken.length < RACES, `${taken.length} of ${RACES} manifests were taken`)
  return taken
}

test('fault 17: a manifest whose layers are being collected is refused, or complete', PATIENCE, async (t) => {
  const args = ['--unused-blob-expiry', '1s']
  const server = await startServer(t, { workers: 4, args, preloads: ['frequent-sweeps'] })
  const clients = await converseOften(t, server.url, 2 * LANES)
  const taken = await raceOften(clients, async (race, index) => {
    await pushBlobs(race)
    // They are collected from now on in a second, which is the shortest time that can be set. Some are early or late on any machine.
    const pauses = [0, 3_000]
    await sleep(pauses[index % 20] ?? 900 + 200 * Math.random())
    return await pushManifest(race)
  })
  t.diagnostic(`${taken.length} of ${RACES} manifests were taken`)
  await server.close()
})

test('fault 17: a manifest whose blob is being deleted is refused, or complete', PATIENCE, async (t) => {
  const server = await startServer(t, { workers: 4 })
  const clients = await converseOften(t, server.url, 2 * LANES)
  const taken = await raceOften(clients, async (race) => {
    await pushBlobs(race)
    const deleted = digestOf(race.image.blobs[Math.floor(Math.random() * 2)] ?? '')
    // Whoever sends last is hardly ever first.
    const deleteBlob = () => race.other.ask(`DELETE /v2/${race.name}/blobs/${deleted}`)
    const early = Math.random() < 0.5 ? deleteBlob() : undefined
    const pushing = pushManifest(race)
    const { status } = await (early ?? deleteBlob())
    const isTaken = await pushing
    assert.equal(status, isTaken ? 405 : 202)
    return isTaken
  })
  t.diagnostic(`${taken.length} of ${RACES} manifests were taken`)
  await server.close()
})

const CYCLES = 2_000
const READERS = 8

test(
  'fault 18: a manifest that is deleted and pushed again 2,000 times is there for every reader after each 201, and gone after each 202',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 4, watched: false })
    const writers = await converseOften(t, server.url, LANES)
    const readers = await converseOften(t, server.url, LANES * READERS)
    await eachBelow(LANES, LANES, async (_, lane) => {
      const [one, other] = [writers[lane], readers[lane * READERS]]
      assert.ok(one && other)
      const race = { name: `cycle${lane}`, image: newImage(1_000), one, other }
      await pushBlobs(race)
      const paths = [race.image.digest, 'v1'].map((reference) => `/v2/${race.name}/manifests/${reference}`)
      const own = readers.slice(lane * READERS, (lane + 1) * READERS)
      for (let cycle = 0; cycle < CYCLES / LANES; cycle++) {
        assert.ok(await pushManifest(race))
        await assertAll(own, paths, 200)
        assert.equal((await one.ask(`DELETE ${paths[0]}`)).status, 202)
        await assertAll(own, paths, 404)
      }
      assert.ok(await pushManifest(race))
      await assertComplete(race)
    })
    await server.close()
  },
)

/** Each reader asks at the same time, in one of the four ways. */
async function assertAll(
  readers: readonly Conversation[],
  paths: readonly string[],
  status: number,
): Promise<void> {
  const answers = readers.map(async (reader, index) => {
    const line = `${index % 4 < 2 ? 'GET' : 'HEAD'} ${paths[index % 2]}`
    assert.equal((await reader.ask(line)).status, status, line)
  })
  await Promise.all(answers)
}
