import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { askServer } from '../../src/cli/admin-client.ts'
import { digestOf, pushBlob } from '../content.ts'
import { storedFiles } from '../protocol/refusal.ts'
import { serveWatched, type Thread, type Watched } from './threads.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
const COLLECT = ['collect', '--now', '--data', 'data']

interface Story extends Watched {
  /** The only living thread of housekeeping. */
  housekeeper(): Promise<Thread>
  fileCount(): Promise<number>
}

async function begin(t: TestContext): Promise<Story> {
  const watched = await serveWatched(t)
  return {
    ...watched,
    async housekeeper() {
      const [thread] = await watched.threads.living('housekeeping-thread.ts', 1)
      assert.ok(thread)
      return thread
    },
    fileCount: async () => (await storedFiles(join(watched.sandbox.folder, 'data'))).length,
  }
}

/** Pushes a blob that is stored in a file, and deletes it. The file remains. */
async function pushAndDelete({ server }: Story): Promise<void> {
  const blob = randomBytes(300_000)
  await pushBlob(server.url, 'app', blob)
  const deleted = await fetch(`${server.url}/v2/app/blobs/${digestOf(blob)}`, { method: 'DELETE' })
  assert.equal(deleted.status, 202)
}

test('a housekeeping thread that dies is replaced, and the next one collects', HANG, async (t) => {
  const story = await begin(t)
  await pushAndDelete(story)
  for (let round = 0; round < 2; round++) await (await story.housekeeper()).kill()
  const { code, stderr } = await story.sandbox.run(COLLECT)
  assert.equal(code, 0, stderr)
  assert.equal(await story.fileCount(), 0)
  await story.server.wrote('stderr', /the housekeeping thread (?:died|could not be started)/)
  story.endDebugging()
  story.server.signal('SIGTERM')
  assert.equal((await story.server.ended).code, 0)
})

test('what a backup has pinned stays pinned if the housekeeping thread dies', HANG, async (t) => {
  const story = await begin(t)
  const ending = new AbortController()
  const socket = join(story.sandbox.folder, 'data', 'admin.sock')
  const pin = askServer(socket, { route: 'POST /pin', body: {}, signal: ending.signal })
  await pin.next()
  await pushAndDelete(story)
  await (await story.housekeeper()).kill()
  assert.equal((await story.sandbox.run(COLLECT)).code, 0)
  assert.equal(await story.fileCount(), 1)
  ending.abort()
  while ((await story.fileCount()) > 0) assert.equal((await story.sandbox.run(COLLECT)).code, 0)
})

test(
  'while the housekeeping thread hangs, connections are accepted and answered, and the server is ready',
  HANG,
  async (t) => {
    const story = await begin(t)
    await pushAndDelete(story)
    const thread = await story.housekeeper()
    await thread.pause()
    const collecting = story.sandbox.run(COLLECT)
    for (let round = 0; round < 20; round++) {
      for (const path of ['/livez', '/readyz?for=write', '/v2/']) {
        const answer = await fetch(story.server.url + path, { headers: { Connection: 'close' } })
        assert.equal(answer.status, 200, path)
      }
    }
    await pushBlob(story.server.url, 'app', randomBytes(100_000))
    assert.equal(await story.fileCount(), 2)
    thread.resume()
    assert.equal((await collecting).code, 0)
    assert.equal(await story.fileCount(), 1)
  },
)
