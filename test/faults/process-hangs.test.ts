import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type NotifySocket, openNotifySocket } from '../cli/notify-socket.ts'
import { serveWatched, type Watched } from '../cli/threads.ts'
import { temporaryFolder } from '../stowage.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
const WATCHDOG_MS = 400
const WORKER = 'worker-thread.ts'
const WRITER = 'writer-thread.ts'

async function serveFed(t: TestContext): Promise<Watched & { socket: NotifySocket }> {
  const address = join(await temporaryFolder(t), 'notify')
  const socket = await openNotifySocket(t, address)
  const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: String(WATCHDOG_MS * 1000) }
  return { ...(await serveWatched(t, [], env)), socket }
}

test(
  'fault 66: a watchdog gets no signal while any one thread hangs, and gets one again once the thread continues',
  HANG,
  async (t) => {
    const { server, threads, socket, endDebugging } = await serveFed(t)
    for (const thread of [...(await threads.living(WORKER, 2)), ...(await threads.living(WRITER, 1))]) {
      await socket.until(/^WATCHDOG=1$/, socket.datagrams.length)
      await thread.pause()
      // What was sent before may still arrive.
      await sleep(WATCHDOG_MS)
      const heard = socket.datagrams.length
      await sleep(3 * WATCHDOG_MS)
      assert.equal(socket.datagrams.length, heard)
      thread.resume()
      await socket.until(/^WATCHDOG=1$/, heard)
    }
    endDebugging()
    server.signal('SIGTERM')
    assert.equal((await server.ended).code, 0)
  },
)

test(
  'fault 66: a thread that dies is waited for until another has taken its place, and the watchdog hears on',
  HANG,
  async (t) => {
    const { threads, socket } = await serveFed(t)
    for (const [file, count] of [
      [WORKER, 2],
      [WRITER, 1],
    ] as const) {
      const [thread] = await threads.living(file, count)
      await thread?.kill()
      await threads.living(file, count)
      await socket.until(/^WATCHDOG=1$/, socket.datagrams.length)
    }
  },
)
