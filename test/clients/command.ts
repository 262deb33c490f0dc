import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const goTools = fileURLToPath(new URL('../../.cache/clients/bin', import.meta.url))

export type CommandOptions = {
  cwd?: string
  env?: Record<string, string>
  input?: string | Uint8Array
  seconds?: number
}

export type Outcome = { code: number | null; bytes: Buffer; stdout: string; stderr: string }

export type Client = {
  /** Runs a program that must succeed. */
  run(program: string, args: readonly string[], options?: CommandOptions): Promise<Outcome>
  /** Runs a program that must refuse: one that succeeds fails the test. */
  refuse(program: string, args: readonly string[], options?: CommandOptions): Promise<Outcome>
  env: Readonly<Record<string, string>>
}

/**
 * Programs that see nothing of this machine's user: no credentials, no settings, no proxy. What they write goes
 * below `home`, so two runs can't meet.
 */
export function clientAt(home: string): Client {
  const env = {
    PATH: `${goTools}:${process.env.PATH ?? ''}`,
    HOME: home,
    TMPDIR: home,
    LANG: 'C.UTF-8',
    XDG_CONFIG_HOME: `${home}/.config`,
    XDG_CACHE_HOME: `${home}/.cache`,
    XDG_DATA_HOME: `${home}/.local/share`,
    XDG_RUNTIME_DIR: home,
  }
  return {
    env,
    async run(program, args, options = {}) {
      const outcome = await execute(program, args, { ...options, env: { ...env, ...options.env } })
      assert.equal(outcome.code, 0, story(program, args, outcome))
      return outcome
    },
    async refuse(program, args, options = {}) {
      const outcome = await execute(program, args, { ...options, env: { ...env, ...options.env } })
      assert.ok(outcome.code !== 0 && outcome.code !== null, story(program, args, outcome))
      return outcome
    },
  }
}

function execute(program: string, args: readonly string[], options: CommandOptions): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
  const { cwd, env, input = '', seconds = 120 } = options
  const child = spawn(program, args, { cwd, env, timeout: seconds * 1000, killSignal: 'SIGKILL' })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.on('error', (cause) =>
    reject(new Error(`${program} does not start: run .ci/clients-setup`, { cause })),
  )
  child.on('close', (code) => {
    const bytes = Buffer.concat(stdout)
    resolve({ code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(stderr).toString() })
  })
  // A program that ends without reading its input is judged by its exit code, not by the broken pipe.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return promise
}

function story(program: string, args: readonly string[], outcome: Outcome): string {
  const ended = outcome.code === null ? 'was killed (time limit?)' : `ended with ${outcome.code}`
  return [`${program} ${args.join(' ')} ${ended}`, outcome.stderr.slice(-4000), outcome.stdout.slice(-2000)]
    .filter((part) => part !== '')
    .join('\n')
}
