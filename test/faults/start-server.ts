import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openSandbox, type Sandbox, type ServingProgram } from '../cli/program.ts'
import { sweep } from '../crash/sweeper.ts'
import type { TestServer } from '../stowage.ts'

/** What changes the ground that a server stands on, from outside: files of this folder that its program loads first. */
export type Preload = 'frequent-sweeps' | 'fast-watch' | 'slow-disk' | 'sql-log' | 'commit-log'

/** How a server is started. */
export interface ServerSettings {
  /** How many threads answer requests; one for each core if absent. */
  workers?: number
  args?: readonly string[]
  env?: Record<string, string>
  preloads?: readonly Preload[]
  /** Whether each answer is held against docs/api; not where memory or time are looked at, since that keeps bodies. */
  watched?: boolean
}

/** A server in a process of its own. */
export interface FaultServer extends TestServer {
  readonly pid: number
  /** The folder that its data folder lies in. */
  readonly folder: string
  /** Starts it again on the same data, once it was closed. */
  restart(settings?: ServerSettings): Promise<FaultServer>
  /** Deletes what is queued for deletion, once the server was closed. */
  sweep(): Promise<void>
}

/** Starts a server on a free port and a data folder of its own; all of it goes when the test ends. Close it to see that it ends well. */
export async function startServer(
  test: Pick<TestContext, 'after'>,
  settings: ServerSettings = {},
): Promise<FaultServer> {
  return await startIn(await openSandbox(test), settings)
}

async function startIn(sandbox: Sandbox, settings: ServerSettings): Promise<FaultServer> {
  const data = join(sandbox.folder, 'data')
  const { args = [], workers = 'auto' } = settings
  const flags = ['--workers', String(workers), ...args]
  const program = await sandbox.serve('data', flags, programOptions(settings))
  // It greets a moment before it listens for signals.
  await fetch(`${program.url}/livez`)
  return {
    url: program.url,
    pid: program.pid,
    data,
    folder: sandbox.folder,
    close: () => end(program),
    restart: (other = settings) => startIn(sandbox, other),
    sweep: async () => assert.deepEqual(await sweep(data), { killed: false }),
  }
}

/** By the environment, since that reaches threads that are started without the flags of the program. */
function programOptions({ env = {}, preloads = [], watched = true }: ServerSettings) {
  const options = preloads.map(
    (name) => `--import=${fileURLToPath(new URL(`./${name}.ts`, import.meta.url))}`,
  )
  return {
    env: { ...env, NODE_OPTIONS: ['--disable-warning=ExperimentalWarning', ...options].join(' ') },
    ...(!watched && { nodeFlags: [] }),
  }
}

async function end(program: ServingProgram): Promise<void> {
  program.signal('SIGTERM')
  const { code, stderr } = await program.ended
  assert.equal(`${code} ${stderr}`, '0 ')
}
