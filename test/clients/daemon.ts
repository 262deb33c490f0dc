import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const startSeconds = 30
const stopSeconds = 20

export type DaemonOptions = {
  ready: RegExp
  signal: NodeJS.Signals
  cwd?: string
  env?: Record<string, string>
}

export type Daemon = { ready: RegExpExecArray; stop(): Promise<void> }

/** Starts a program that stays, and waits until what it says matches `ready`. */
export async function startDaemon(
  program: string,
  args: readonly string[],
  { ready, signal, cwd, env }: DaemonOptions,
): Promise<Daemon> {
  const child = spawn(program, args, { cwd, env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] })
  const started = Promise.withResolvers<RegExpExecArray>()
  const fail = (why: string) => started.reject(new Error(`${program} did not start: ${why}\n${log}`))
  // A test file that fails while it loads runs no `after`; its daemons must not outlive it.
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-16_000)
      const match = ready.exec(log)
      if (match) started.resolve(match)
    })
  }
  child.on('error', (error) => fail(error.message))
  child.on('exit', (code) => fail(`it ended with ${code}`))
  const timer = setTimeout(() => {
    fail(`not ready after ${startSeconds} s`)
    kill()
  }, startSeconds * 1000)
  const match = await started.promise.finally(() => clearTimeout(timer))
  return {
    ready: match,
    async stop() {
      assert.equal(child.exitCode, null, `${program} ended before its clients did\n${log}`)
      const late = setTimeout(kill, stopSeconds * 1000)
      child.kill(signal)
      const [code] = await once(child, 'exit')
      clearTimeout(late)
      process.off('exit', kill)
      assert.equal(code, 0, `${program} did not stop cleanly within ${stopSeconds} s\n${log}`)
    },
  }
}
