import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSandbox, type Sandbox } from '../cli/program.ts'
import { pushImage, type TestManifest } from '../content.ts'
import { assertSoundDatabase, assertSoundFolder } from '../crash/stopped-folder.ts'
import { startStowage } from '../stowage.ts'
import { type Killer, type KillPlan, makeKiller } from './kill-plan.ts'

/** So long that only a program that never ends can exceed it. */
const PATIENCE = { timeout: 600_000 }
/** Nobody is told anything during a start, so each step begins as the last ended. All 256 of the folders of keys are the same. */
const POINTS = '^after (?!.*folder of keys)'
/** Making and syncing folders changes nothing where they are there. */
const POINTS_OF_DATABASE = '^after (?!.*folder)'

/** Starts a server that dies at a point of its start. @returns the points; undefined if it served before it came to that */
async function killStart(
  { sandbox, killer }: { sandbox: Sandbox; killer: Killer },
  data: string,
  plan: KillPlan,
): Promise<string[] | undefined> {
  await killer.arm(plan)
  const server = sandbox.start(['serve', '--listen', '127.0.0.1:0', '--data', data], { env: killer.env })
  const greeting = server.wrote('stdout', /push \S+\n/).catch(() => undefined)
  const first = await Promise.race([server.ended, greeting])
  const points = await killer.disarm()
  server.signal('SIGKILL')
  await server.ended
  if (first === undefined || 'input' in first) return undefined
  assert.equal(first.signal, 'SIGKILL', first.stderr)
  return points
}

/** Fails unless a folder that a crash left has this image under this tag, if any, and takes another. */
async function assertWorks(t: TestContext, data: string, image?: TestManifest): Promise<void> {
  await assertSoundFolder(data)
  const server = await startStowage(t, { data })
  if (image !== undefined) {
    const pulled = await fetch(`${server.url}/v2/app/manifests/v1`)
    assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), image.bytes)
  }
  await pushImage(server.url, 'app', 'v2')
  await server.close()
  await assertSoundFolder(data)
  assertSoundDatabase(data)
}

test(
  'fault 1: a first start that is killed at each of its steps leaves a folder that works',
  PATIENCE,
  async (t) => {
    const sandbox = await openSandbox(t)
    const parts = { sandbox, killer: await makeKiller(sandbox.folder) }
    const last: string[] = []
    for (let count = 1; ; count++) {
      const data = join(sandbox.folder, 'data', `${count}`)
      const points = await killStart(parts, data, { pattern: POINTS, count })
      if (points === undefined) break
      last.push(points.at(-1) ?? '')
      await assertWorks(t, data)
    }
    assert.ok(
      last.includes('after preparing the database') && last.includes('after sync of a folder'),
      `${last}`,
    )
    const data = join(sandbox.folder, 'data', 'keys')
    assert.ok(await killStart(parts, data, { pattern: 'after making a folder of keys', count: 100 }))
    await assertWorks(t, data)
    t.diagnostic(`${last.length + 1} kills`)
  },
)

test(
  'fault 1: a start after a crash that is killed at each of its steps loses nothing',
  PATIENCE,
  async (t) => {
    const sandbox = await openSandbox(t)
    const parts = { sandbox, killer: await makeKiller(sandbox.folder) }
    const crashed = join(sandbox.folder, 'crashed')
    const server = await sandbox.serve(crashed)
    const image = await pushImage(server.url, 'app', 'v1')
    server.signal('SIGKILL')
    await server.ended
    let kills = 0
    for (let count = 1; ; count++) {
      const data = join(sandbox.folder, `data-${count}`)
      // A crash leaves the socket of the server, which is no file.
      await cp(crashed, data, { recursive: true, filter: (path) => !path.endsWith('.sock') })
      if ((await killStart(parts, data, { pattern: POINTS_OF_DATABASE, count })) === undefined) break
      await assertWorks(t, data, image)
      kills++
    }
    assert.ok(kills >= 4, `${kills} kills`)
    t.diagnostic(`${kills} kills`)
  },
)
