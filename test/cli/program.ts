import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

/** As the scripts of the package and the first line of the main file have it. */
const QUIET = '--disable-warning=ExperimentalWarning'
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
/** Holds a server's answers against their description, and ends it with 70 if one differs. */
const WATCH = ['--import', new URL('../api/watch-program.ts', import.meta.url).href]
/** Node keeps here what it compiled, so that programs start in half the time. */
const CODE_CACHE = join(tmpdir(), 'stowage-test-code')

/** It ends with a command to try. */
const GREETING = /^Stowage listens on (\S+)\n(?:.*\n)*(?:Push an image|Ask it): .*\n/

/** How a program ended, and all that it wrote. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** The program as its users run it: a process of its own. */
export interface Program {
  readonly pid: number
  /** What it wrote so far on one of its streams, once that matches. Rejects if the program ends before. */
  wrote(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray>
  signal(name: NodeJS.Signals): void
  /** Resolves when the process is gone. */
  readonly ended: Promise<Exit>
}

/** A program that serves, from its greeting on. */
export interface ServingProgram extends Program {
  readonly url: string
}

/** What a program is started with beside its arguments. */
export interface ProgramOptions {
  /** Variables of its environment beside PATH: it sees none of ours. */
  env?: Record<string, string>
  uid?: number
  gid?: number
  /** A descriptor that it writes its standard error to; nothing of that is seen here then. */
  stderr?: number
  /** Whether its standard error is read, where that is no descriptor; true if absent. */
  readsStderr?: boolean
  /** Flags of Node itself. */
  nodeFlags?: readonly string[]
  /** The command that starts it, with its arguments. */
  launcher?: readonly string[]
}

/** A folder and the programs that run in it. When the test ends they are killed, and it goes. */
export interface Sandbox {
  readonly folder: string
  /** Starts the program with these arguments. */
  start(args: readonly string[], programOptions?: ProgramOptions): Program
  /** Starts the program and waits for its end. Rejects if it serves instead. */
  run(args: readonly string[], programOptions?: ProgramOptions): Promise<Exit>
  /** Starts a server on any free port and waits for its greeting. */
  serve(data: string, args?: readonly string[], programOptions?: ProgramOptions): Promise<ServingProgram>
}

/** Makes a sandbox that every user may look into. */
export async function openSandbox(test: Pick<TestContext, 'after'>): Promise<Sandbox> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-cli-'))
  await chmod(folder, 0o755)
  const programs: Program[] = []
  test.after(async () => {
    for (const program of programs) program.signal('SIGKILL')
    await Promise.all(programs.map((program) => program.ended))
    await rm(folder, { recursive: true, force: true })
  })
  const start: Sandbox['start'] = (args, programOptions = {}) => {
    const program = startProgram(folder, args, programOptions)
    programs.push(program)
    return program
  }
  return {
    folder,
    start,
    async run(args, programOptions) {
      const program = start(args, programOptions)
      const greeting = program.wrote('stdout', /^Stowage listens/).catch(() => undefined)
      const first = await Promise.race([program.ended, greeting])
      if (first !== undefined && 'input' in first) throw new Error(`it serves: ${args.join(' ')}`)
      return await program.ended
    },
    async serve(data, args = [], programOptions = {}) {
      const command = ['serve', '--listen', '127.0.0.1:0', '--data', data, ...args]
      const program = start(command, {
        nodeFlags: WATCH,
        ...programOptions,
        // So that a test can ask that nothing went wrong: then it wrote nothing.
        env: { STOWAGE_LOG_LEVEL: 'warn', ...programOptions.env },
      })
      const greeting = await program.wrote('stdout', GREETING)
      return { ...program, url: greeting[1] ?? '' }
    },
  }
}

function startProgram(
  cwd: string,
  args: readonly string[],
  { env, nodeFlags = [], launcher = [], stderr, readsStderr = true, ...user }: ProgramOptions,
): Program {
  const [command = '', ...rest] = [...launcher, process.execPath, QUIET, ...nodeFlags, MAIN, ...args]
  const child = spawn(command, rest, {
    cwd,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: CODE_CACHE, ...env },
    stdio: ['ignore', 'pipe', stderr ?? 'pipe'],
    ...user,
  })
  const text = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk
      child.emit('wrote')
    })
  }
  if (!readsStderr) child.stderr?.pause()
  const ended = endOf(child, readsStderr ? 'close' : 'exit').then(
    ({ code, signal }): Exit => ({ code, signal, ...text }),
  )
  return {
    pid: child.pid ?? 0,
    ended,
    signal: (name) => void child.kill(name),
    async wrote(stream, pattern) {
      for (;;) {
        const match = pattern.exec(text[stream])
        if (match !== null) return match
        const exit = await Promise.race([once(child, 'wrote').then(() => undefined), ended])
        if (exit !== undefined) throw new Error(`the program ended: ${JSON.stringify(exit)}`)
      }
    },
  }
}

/** @param event `exit` where output is left unread: then the streams never close */
async function endOf(
  child: ChildProcess,
  event: 'close' | 'exit',
): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const [code, signal] = await once(child, event)
  return { code, signal }
}
