import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSandbox, type Sandbox, type ServingProgram } from './program.ts'

/** A thread of a program. */
export interface Thread {
  /** Ends the thread by an expression that throws in it, or takes all of its memory. Resolves when it has ended. */
  kill(expression?: string): Promise<void>
  /** Stops the thread in the middle of whatever it does. Resolves when it stands still. */
  pause(): Promise<void>
  /** Lets it go on. */
  resume(): void
  ended: boolean
}

const THROW = `setImmediate(() => { throw new Error('provoked') })`

interface WatchedThread extends Thread {
  file: string
  session: string
  /** Called when it has been paused. */
  stands: () => void
}

interface ThreadNews {
  sessionId: string
  workerInfo: { url: string }
  message: string
}

/** The threads of a program, by the name of their main file, as its debugger sees them. */
export class Threads {
  readonly #socket: WebSocket
  readonly #threads: WatchedThread[] = []
  #next = 1

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data))))
    this.#send('NodeWorker.enable', { waitForDebuggerOnStart: false })
  }

  /** Those of a kind that live, once there are so many. */
  async living(file: string, count: number): Promise<Thread[]> {
    for (;;) {
      const found = this.#threads.filter((thread) => thread.file.endsWith(file) && !thread.ended)
      if (found.length === count) return found
      await sleep(20)
    }
  }

  #send(method: string, params: object): void {
    this.#socket.send(JSON.stringify({ id: this.#next++, method, params }))
  }

  #take({ method, params }: { method?: string; params: ThreadNews }): void {
    if (method === 'NodeWorker.receivedMessageFromWorker') {
      const isPaused = JSON.parse(params.message).method === 'Debugger.paused'
      if (isPaused) this.#threads.find(({ session }) => session === params.sessionId)?.stands()
    }
    if (method === 'NodeWorker.detachedFromWorker') {
      const thread = this.#threads.find(({ session }) => session === params.sessionId)
      if (thread !== undefined) thread.ended = true
    }
    if (method !== 'NodeWorker.attachedToWorker') return
    const session = params.sessionId
    const order = (method: string, params: object = {}) => {
      const message = JSON.stringify({ id: 1, method, params })
      this.#send('NodeWorker.sendMessageToWorker', { sessionId: session, message })
    }
    // Repeated, since a thread that has just begun cannot evaluate anything yet.
    const repeat = async (act: () => void, isDone: () => boolean) => {
      for (let turn = 0; !isDone(); turn++) {
        if (turn % 50 === 0) act()
        await sleep(20)
      }
    }
    const thread: WatchedThread = {
      file: params.workerInfo.url,
      session,
      async kill(expression = THROW) {
        await repeat(
          () => order('Runtime.evaluate', { expression }),
          () => thread.ended,
        )
      },
      stands: () => {},
      ended: false,
      async pause() {
        let isStanding = false
        thread.stands = () => {
          isStanding = true
        }
        const stop = () => {
          order('Debugger.enable')
          order('Runtime.evaluate', { expression: 'debugger' })
        }
        await repeat(stop, () => isStanding)
      },
      resume: () => order('Debugger.disable'),
    }
    this.#threads.push(thread)
  }
}

/** A program that serves, and its threads. */
export interface Watched {
  sandbox: Sandbox
  server: ServingProgram
  threads: Threads
  /** A program that is being debugged waits for that to end before it ends itself. */
  endDebugging(): void
}

/** Starts a server with two workers under a debugger. */
export async function serveWatched(
  t: TestContext,
  nodeFlags: string[] = [],
  env: Record<string, string> = {},
): Promise<Watched> {
  const sandbox = await openSandbox(t)
  const flags = ['--inspect=127.0.0.1:0', ...nodeFlags]
  const server = await sandbox.serve('data', ['--workers', '2'], { nodeFlags: flags, env })
  const [, address = ''] = await server.wrote('stderr', /listening on (ws:\S+)/)
  const socket = new WebSocket(address)
  t.after(() => socket.close())
  await once(socket, 'open')
  return { sandbox, server, threads: new Threads(socket), endDebugging: () => socket.close() }
}
