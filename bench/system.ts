import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from './load/connection.ts'

/** Something that can be measured: a registry, or a server of files. */
export interface System {
  name: string
  kind: 'stowage' | 'peer' | 'files'
  /** How its process is started; everything that it writes is below `folder`. */
  command(folder: string, port: number): Promise<Command> | Command
}

/** A program with its arguments. */
export interface Command {
  program: string
  args: readonly string[]
  env?: Record<string, string>
}

/** A system that answers requests. */
export interface RunningSystem {
  system: System
  address: Address
  pid: number
  folder: string
  /** From the start of the process to the first answer, in milliseconds. */
  startMilliseconds: number
  /** Ends it, by SIGTERM unless another signal is named, and waits until it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

const HOST = '127.0.0.1'
const START_SECONDS = 60
const STOP_SECONDS = 30
const LOG_CHARACTERS = 4000
const running = new Set<ChildProcess>()
const folders = new Set<string>()
// What the bench started and wrote must not outlive it.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** Makes a folder for what systems write, and removes it in the end, also if the bench is interrupted. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-bench-'))
  folders.add(folder)
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
    folders.delete(folder)
  }
}

/**
 * Starts a system on a folder and waits for its first answer.
 *
 * @throws Error with the end of its log if it doesn't start
 */
export async function startSystem(system: System, folder: string): Promise<RunningSystem> {
  const port = await findPort()
  const { program, args, env } = await system.command(folder, port)
  const began = performance.now()
  // A file, not a pipe: nobody has to read it while the clock runs.
  const logFile = join(folder, 'log')
  const log = openSync(logFile, 'a')
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, ...env },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  running.add(child)
  const ended = once(child, 'exit').finally(() => running.delete(child))
  const address = { host: HOST, port }
  const isUp = firstAnswer(address)
  const first = await Promise.race([
    isUp,
    ended.then(
      () => 'ended' as const,
      () => 'ended' as const,
    ),
  ])
  if (first !== 'up') {
    child.kill('SIGKILL')
    const said = readFileSync(logFile, 'utf8').slice(-LOG_CHARACTERS)
    throw new Error(`${system.name} does not start: ${said || first}`)
  }
  return {
    system,
    address,
    pid: child.pid ?? 0,
    folder,
    startMilliseconds: performance.now() - began,
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_SECONDS * 1000)
      await ended
      clearTimeout(late)
    },
  }
}

/** A port that was free a moment ago. */
async function findPort(): Promise<number> {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Asks every two milliseconds until anything at all is answered. */
async function firstAnswer(address: Address): Promise<'up' | 'late'> {
  const end = performance.now() + START_SECONDS * 1000
  while (performance.now() < end) {
    if (await answers(address)) return 'up'
    await sleep(2)
  }
  return 'late'
}

async function answers({ host, port }: Address): Promise<boolean> {
  const socket = connect({ host, port, noDelay: true })
  try {
    await once(socket, 'connect')
    socket.write(`GET /v2/ HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`)
    const [data] = (await Promise.race([once(socket, 'data'), once(socket, 'close')])) as [unknown]
    return Buffer.isBuffer(data)
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
