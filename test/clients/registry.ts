import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const startSeconds = 30
const stopSeconds = 20

export type Registry = { host: string; stop(): Promise<void> }

/** The registry under test: one of our own on a free port, or the running one that STOWAGE_TEST_REGISTRY names. */
export async function startRegistry(data: string): Promise<Registry> {
  const running = process.env.STOWAGE_TEST_REGISTRY
  if (running) return { host: running, async stop() {} }
  const server = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      'src/cli/main.ts',
      'serve',
      '--listen',
      '127.0.0.1:0',
      '--data',
      data,
    ],
    { cwd: checkout, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const log = tailOf(server)
  const host = await listening(server, log)
  return { host, stop: () => stop(server, log) }
}

/** The end of what the server said, for the message of a failure. */
function tailOf(server: ChildProcess): () => string {
  let tail = ''
  for (const stream of [server.stdout, server.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-16_000)
    })
  }
  return () => tail
}

function listening(server: ChildProcess, log: () => string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const fail = (why: string) => reject(new Error(`the registry did not start: ${why}\n${log()}`))
  const timer = setTimeout(() => fail(`no address in ${startSeconds} s`), startSeconds * 1000)
  server.stdout?.on('data', () => {
    const address = /http:\/\/(127\.0\.0\.1:\d+)/.exec(log())?.[1]
    if (address) resolve(address)
  })
  server.on('error', (error) => fail(error.message))
  server.on('exit', (code) => fail(`it ended with ${code}`))
  return promise.finally(() => clearTimeout(timer))
}

async function stop(server: ChildProcess, log: () => string): Promise<void> {
  assert.equal(server.exitCode, null, `the registry ended before its clients did\n${log()}`)
  const timer = setTimeout(() => server.kill('SIGKILL'), stopSeconds * 1000)
  const exit = once(server, 'exit')
  server.kill('SIGINT')
  const [code] = await exit
  clearTimeout(timer)
  assert.equal(code, 0, `the registry did not stop cleanly within ${stopSeconds} s\n${log()}`)
}
