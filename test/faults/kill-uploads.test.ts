import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSandbox, type Sandbox, type ServingProgram } from '../cli/program.ts'
import {
  bytesOf,
  descriptorOf,
  digestOf,
  errorCodes,
  manifestOf,
  pushImage,
  pushManifest,
} from '../content.ts'
import { assertSoundFolder } from '../crash/stopped-folder.ts'
import { sweep } from '../crash/sweeper.ts'
import { storedFiles } from '../protocol/refusal.ts'
import {
  beginUpload,
  chunkRange,
  closeUpload,
  locationOf,
  patchUpload,
  statusRange,
} from '../protocol/upload-requests.ts'
import { type Killer, type KillPlan, makeKiller } from './kill-plan.ts'

const MIB = 1024 * 1024
/** So long that only a server that never answers again can exceed it. */
const PATIENCE = { timeout: 300_000 }

interface Place {
  sandbox: Sandbox
  killer: Killer
  data: string
}

async function openPlace(t: TestContext): Promise<Place> {
  const sandbox = await openSandbox(t)
  return { sandbox, killer: await makeKiller(sandbox.folder), data: join(sandbox.folder, 'data') }
}

async function kill(server: ServingProgram): Promise<void> {
  server.signal('SIGKILL')
  assert.equal((await server.ended).signal, 'SIGKILL')
}

/** Runs a request that kills the server at a point of it. */
async function killDuring(
  { killer }: Place,
  server: ServingProgram,
  plan: KillPlan,
  request: () => Promise<Response>,
): Promise<void> {
  await killer.arm(plan)
  await assert.rejects(request())
  assert.equal((await server.ended).signal, 'SIGKILL')
  await killer.disarm()
}

test(
  'fault 6: an upload of three large chunks continues after the last acknowledged one, after kill -9 between them',
  PATIENCE,
  async (t) => {
    const place = await openPlace(t)
    const { sandbox, data, killer } = place
    const bytes = randomBytes(6 * MIB)
    let server = await sandbox.serve(data, [], { env: killer.env })
    const { pathname } = await beginUpload(server.url, 'app')
    for (const start of [0, 2 * MIB, 4 * MIB]) {
      const chunk = bytes.subarray(start, start + 2 * MIB)
      const send = () => patchUpload(new URL(pathname, server.url), chunk, chunkRange(start, chunk.length))
      // First a kill when the chunk's first megabyte is in the file already: nothing of it was answered.
      await killDuring(place, server, { pattern: 'after write', count: 1 }, send)
      server = await sandbox.serve(data, [], { env: killer.env })
      // One byte can't be told from none.
      const before = start === 0 ? '0-0' : `0-${start - 1}`
      assert.equal(await statusRange(new URL(pathname, server.url)), before)
      assert.equal((await send()).status, 202)
      await kill(server)
      server = await sandbox.serve(data, [], { env: killer.env })
      assert.equal(await statusRange(new URL(pathname, server.url)), `0-${start + chunk.length - 1}`)
      assert.equal((await send()).status, 416)
    }
    const closed = await closeUpload(new URL(pathname, server.url), digestOf(bytes))
    assert.equal(closed.status, 201, await closed.text())
    assert.ok(bytes.equals(await bytesOf(await fetch(locationOf(closed)))))
  },
)

/** Each is a moment between the blob's file and its row, by the points of a push that is one request. */
const MOMENTS = [
  { moment: 'the key is recorded, and there is no file yet', plan: { pattern: '^after commit', count: 1 } },
  {
    moment: 'the file is complete, and the blob is not recorded',
    plan: { pattern: '^before commit', count: 2 },
  },
  { moment: 'the blob is recorded, and nobody was told', plan: { pattern: '^after commit', count: 2 } },
]

for (const { moment, plan } of MOMENTS) {
  test(
    `fault 7: after a crash when ${moment}, no tag dangles and the orphan is collected`,
    PATIENCE,
    async (t) => {
      const place = await openPlace(t)
      const { sandbox, data, killer } = place
      const first = await sandbox.serve(data, [], { env: killer.env })
      const image = await pushImage(first.url, 'app', 'v1')
      const layer = randomBytes(2 * MIB)
      const { config } = JSON.parse(image.bytes.toString())
      const next = manifestOf({ config, layers: [descriptorOf(layer)] })
      await killDuring(place, first, plan, () =>
        fetch(`${first.url}/v2/app/blobs/uploads/?digest=${digestOf(layer)}`, {
          method: 'POST',
          body: layer,
        }),
      )
      await assertSoundFolder(data)

      const second = await sandbox.serve(data)
      await assertNamesOnlyWhatIsThere(second.url, layer, next, plan)
      const pulled = await fetch(`${second.url}/v2/app/manifests/v1`)
      assert.deepEqual(await bytesOf(pulled), image.bytes)
      await kill(second)

      const rounds = [1, 2].map((turn) => Date.now() + turn)
      await sweep(data, {
        times: {
          retention: {
            uploads: 0,
            unusedBlobs: 0,
            deletedManifests: 0,
            history: 365 * 86_400_000,
            garbage: 0,
          },
          rounds,
        },
      })
      await assertSoundFolder(data)
      assert.deepEqual(await storedFiles(data), [])
      const third = await sandbox.serve(data)
      const again = await fetch(`${third.url}/v2/app/manifests/v1`)
      assert.deepEqual(await bytesOf(again), image.bytes)
      await kill(third)
    },
  )
}

/** Fails unless the blob is either whole, or absent and can't be named. */
async function assertNamesOnlyWhatIsThere(
  url: string,
  layer: Buffer,
  manifest: ReturnType<typeof manifestOf>,
  { pattern, count }: KillPlan,
): Promise<void> {
  const isThere = pattern === '^after commit' && count === 2
  const pulled = await fetch(`${url}/v2/app/blobs/${digestOf(layer)}`)
  assert.equal(pulled.status, isThere ? 200 : 404)
  if (isThere) return assert.ok(layer.equals(await bytesOf(pulled)))
  const refused = await pushManifest(url, 'app', manifest, 'v1')
  assert.equal(refused.status, 400)
  assert.deepEqual([...new Set(await errorCodes(refused))], ['MANIFEST_BLOB_UNKNOWN'])
}
