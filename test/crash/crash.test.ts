import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSandbox, type Sandbox, type ServingProgram } from '../cli/program.ts'
import { garbageKeys } from '../protocol/refusal.ts'
import { clientOf } from './client.ts'
import { type ImageEntry, Ledger } from './ledger.ts'
import { type Random, seededRandom } from './random.ts'
import { assertSoundDatabase, assertSoundFolder } from './stopped-folder.ts'
import { isOneGone, sweep } from './sweeper.ts'
import { type Extent, verify } from './verify.ts'
import { writeUntilBroken } from './writer.ts'

const ROUNDS = Number(process.env.STOWAGE_CRASH_ROUNDS ?? 100)
const SEED = process.env.STOWAGE_CRASH_SEED ?? randomBytes(4).toString('hex')
const WRITERS = ['a', 'b', 'c', 'd', 'e', 'f']
const SAMPLE = 40
const FIRST_STARTS = 4
/** So long that only a server that never answers again can exceed it. */
const PATIENCE = { timeout: 120_000 + ROUNDS * 10_000 }

/** A registry that is killed again and again, and what it promised. */
interface Story {
  sandbox: Sandbox
  data: string
  random: Random
  ledger: Ledger
  /** The images of each writer. */
  images: Map<string, ImageEntry[]>
  kills: number
}

test(
  `acknowledged content survives ${ROUNDS} rounds of kill -9, and nothing is partial`,
  PATIENCE,
  async (t) => {
    t.diagnostic(`STOWAGE_CRASH_SEED=${SEED}`)
    const sandbox = await openSandbox(t)
    const random = seededRandom(SEED)
    const data = join(sandbox.folder, 'data')
    const images = new Map(WRITERS.map((name) => [name, []]))
    const story: Story = { sandbox, data, random, ledger: new Ledger(), images, kills: 0 }
    for (let start = 0; start < FIRST_STARTS; start++) await killWhileStarting(story)
    for (let round = 1; round <= ROUNDS; round++) {
      await playRound(story, round).catch((error: unknown) => {
        throw new Error(`round ${round} of seed ${SEED}`, { cause: error })
      })
    }
    await verifyAll(story)
    report(t, story)
  },
)

async function playRound(story: Story, round: number): Promise<void> {
  const { sandbox, data, random } = story
  const server = await sandbox.serve(data)
  await verifyOver(server, story, { sample: SAMPLE })
  await writeUntilKilled(server, story, round)
  await assertSoundFolder(data)
  if (random.chance(0.25)) await killWhileStarting(story)
  if (random.chance(0.1)) await killWhileSweeping(story)
  if (round % 20 === 0) assertSoundDatabase(data)
}

async function verifyOver({ url }: ServingProgram, { ledger, random }: Story, extent: Extent): Promise<void> {
  await verify({ client: clientOf(url), ledger, random }, extent)
}

async function writeUntilKilled(server: ServingProgram, story: Story, round: number): Promise<void> {
  const { ledger, images, random } = story
  let killed = false
  const client = clientOf(server.url)
  const writing = [...images].map(([name, own]) => {
    const writer = { name, images: own, client, ledger, random: random.fork(`${round}/${name}`) }
    return writeUntilBroken(writer, () => killed)
  })
  const all = Promise.all(writing)
  await Promise.race([all, sleep(random.between(20, 300))])
  killed = true
  await kill(server, story)
  await all
}

async function kill(server: Pick<ServingProgram, 'signal' | 'ended'>, story: Story): Promise<void> {
  server.signal('SIGKILL')
  assert.equal((await server.ended).signal, 'SIGKILL')
  story.kills++
}

async function killWhileStarting(story: Story): Promise<void> {
  const { sandbox, data, random } = story
  const starting = sandbox.start(['serve', '--listen', '127.0.0.1:0', '--data', data])
  await sleep(random.between(50, 400))
  await kill(starting, story)
  await assertSoundFolder(data)
}

/** The kill comes while files are being deleted: a little after the first of them went. */
async function killWhileSweeping(story: Story): Promise<void> {
  const { data, random } = story
  const keys = garbageKeys(data)
  let turns = random.between(0, 20)
  const { killed } = await sweep(data, { isTime: () => isOneGone(data, keys) && turns-- === 0 })
  if (killed) story.kills++
  await assertSoundFolder(data)
}

async function verifyAll(story: Story): Promise<void> {
  const { sandbox, data } = story
  assert.equal((await sweep(data)).killed, false)
  await assertSoundFolder(data)
  const server = await sandbox.serve(data)
  await verifyOver(server, story, 'all')
  server.signal('SIGTERM')
  assert.equal((await server.ended).code, 0)
  await assertSoundFolder(data)
  assertSoundDatabase(data)
}

function report(t: TestContext, { ledger, kills }: Story): void {
  const kept = (entries: Iterable<{ fate: string }>) =>
    [...entries].filter(({ fate }) => fate === 'kept').length
  const blobs = `${kept(ledger.blobs.values())} of ${ledger.blobs.size} blobs`
  const images = `${kept(ledger.images.values())} of ${ledger.images.size} manifests`
  t.diagnostic(`${kills} kills, ${ledger.promises} promises, ${ledger.resumed} resumed uploads`)
  t.diagnostic(`${blobs} and ${images} are kept`)
}
