import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSandbox, type Sandbox } from '../cli/program.ts'
import { clientOf } from '../crash/client.ts'
import { Ledger } from '../crash/ledger.ts'
import { seededRandom } from '../crash/random.ts'
import { assertSoundDatabase, assertSoundFolder } from '../crash/stopped-folder.ts'
import { verify } from '../crash/verify.ts'
import { type Killer, makeKiller } from './kill-plan.ts'
import { pushAll } from './push-scenario.ts'

/** The ways to run the server: flags of `serve`, and at how many of the points it is killed. */
const SERVERS = [
  { name: 'one HTTP thread', args: ['--workers', '1'], every: 1 },
  { name: 'two HTTP threads', args: ['--workers', '2'], every: 2 },
]

const SAMPLE = 4
/** So long that only a server that never answers again can exceed it. */
const PATIENCE = { timeout: 600_000 }
/** All that a push does to a disk; if the program does it in another way, these must follow. Other steps begin as the last ended. */
const STEPS = [
  'after commit',
  'after create',
  'after sync of a file',
  'after sync of a folder',
  'after write',
  'amid write',
  'before commit',
  // Behind an answer.
  'before transaction',
]
const POINTS = `^(?:${STEPS.join('|')})$`

interface Story {
  sandbox: Sandbox
  data: string
  killer: Killer
  ledger: Ledger
}

async function beginStory(t: TestContext): Promise<Story> {
  const sandbox = await openSandbox(t)
  const killer = await makeKiller(sandbox.folder)
  return { sandbox, data: join(sandbox.folder, 'data'), killer, ledger: new Ledger() }
}

for (const { name, args, every } of SERVERS) {
  test(
    `fault 1: a push that is killed at each of its steps leaves no half, over ${name}`,
    PATIENCE,
    async (t) => {
      const story = await beginStory(t)
      const killedAt: string[] = []
      for (let count = 1; ; count += every) {
        const point = await pushUntilKilled(story, { count, args })
        if (point === undefined) break
        killedAt.push(point)
      }
      if (every === 1) assert.deepEqual([...new Set(killedAt)].sort(), STEPS)
      const { promises, resumed } = story.ledger
      t.diagnostic(`${killedAt.length} kills, ${promises} promises, ${resumed} resumed uploads`)
    },
  )
}

/** Checks what the last kill left, then pushes until the next. @returns where that was; undefined if the push ended before */
async function pushUntilKilled(
  story: Story,
  { count, args }: { count: number; args: string[] },
): Promise<string | undefined> {
  const { sandbox, data, killer, ledger } = story
  const server = await sandbox.serve(data, args, { env: killer.env, nodeFlags: [] })
  const pushing = { client: clientOf(server.url), ledger, random: seededRandom(`push ${count}`) }
  await verify(pushing, { sample: SAMPLE })
  await killer.arm({ pattern: POINTS, count })
  const isDone = await pushAll(pushing)
  const points = await killer.disarm()
  if (!isDone) {
    assert.equal((await server.ended).signal, 'SIGKILL')
    await assertSoundFolder(data)
    return points.filter((point) => new RegExp(POINTS).test(point))[count - 1]
  }
  await verify(pushing, 'all')
  server.signal('SIGTERM')
  assert.equal((await server.ended).code, 0)
  await assertSoundFolder(data)
  assertSoundDatabase(data)
  return undefined
}
