import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSandbox, type Sandbox } from '../cli/program.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
const PROJECT = join(import.meta.dirname, '../..')
const SERVE = ['--listen', '127.0.0.1:0', '--data']

/** The command of the package is the built one. */
execFileSync('npm', ['run', '-s', 'build'], { cwd: PROJECT })

const LAUNCHERS: Readonly<Record<string, (data: string) => string[]>> = {
  'npm start': (data) => ['npm', 'start', '--', ...SERVE, data],
  'npm run stowage -- serve': (data) => ['npm', 'run', 'stowage', '--', 'serve', ...SERVE, data],
  'npx stowage serve': (data) => ['npx', '--no-install', 'stowage', 'serve', ...SERVE, data],
}

interface Launched {
  child: ChildProcess
  url: string
}

/** Starts a command of the project and waits until it serves. */
async function launch(t: TestContext, command: string[]): Promise<Launched> {
  const [program = '', ...args] = command
  // A group of its own, so that all of it can be ended, whatever became of the test.
  const child = spawn(program, args, { cwd: PROJECT, detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  t.after(() => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    } catch {
      // Nothing of it is left, as it should be.
    }
  })
  let text = ''
  child.stdout.setEncoding('utf8')
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    text += chunk.replaceAll('\r', '')
    const url = /listens on (\S+)\n(?:.*\n)*.*push \S+\n/.exec(text)?.[1]
    if (url !== undefined) return { child, url }
  }
  throw new Error(`it ended: ${text}`)
}

async function untilRefused(url: string): Promise<void> {
  for (;;) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    const accepted = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (!accepted) return
    await sleep(20)
  }
}

/** Fails unless nothing uses a data folder. */
async function assertFree(sandbox: Sandbox, data: string): Promise<void> {
  for (;;) {
    const server = await sandbox.serve(data).catch((error: Error) => error)
    if (!(server instanceof Error)) return
    assert.match(server.message, /another server is using it/)
    await sleep(50)
  }
}

/** How commands are ended: by a signal to the one that was started, as a shell script does, or to all, as Ctrl-C in a terminal does. */
const ENDS: Readonly<Record<string, (child: ChildProcess) => void>> = {
  SIGTERM: (child) => void child.kill('SIGTERM'),
  'Ctrl-C': ({ pid = 0 }) => void process.kill(-pid, 'SIGINT'),
}

for (const [name, commandOf] of Object.entries(LAUNCHERS)) {
  for (const [way, end] of Object.entries(ENDS)) {
    test(`fault 50: after ${way} of ${name} port and folder are free`, HANG, async (t) => {
      const sandbox = await openSandbox(t)
      const data = join(sandbox.folder, 'data')
      const { child, url } = await launch(t, commandOf(data))
      end(child)
      await untilRefused(url)
      await assertFree(sandbox, data)
    })
  }

  test(`fault 50: after the terminal of ${name} was closed port and folder are free`, HANG, async (t) => {
    const sandbox = await openSandbox(t)
    const data = join(sandbox.folder, 'data')
    const words = commandOf(data).join(' ')
    // It holds the terminal; when it is killed the terminal is gone, and its session hears of that.
    const { child, url } = await launch(t, ['script', '--quiet', '--flush', '--command', words, '/dev/null'])
    child.kill('SIGKILL')
    await untilRefused(url)
    await assertFree(sandbox, data)
  })
}
