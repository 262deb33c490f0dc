import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { assertRefusedToStart } from '../cli/exit.ts'
import { type Exit, openSandbox, type Program, type Sandbox } from '../cli/program.ts'
import { askSocket } from '../cli/socket-client.ts'
import { freePort } from '../clients/free-port.ts'
import { pushImage } from '../content.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }

/** Starts a server, and waits until it serves or ended. */
async function outcome(sandbox: Sandbox, args: string[]): Promise<{ program: Program; exit?: Exit }> {
  const program = sandbox.start(['serve', '--allow-anonymous', '--workers', '2', ...args])
  const greeting = program.wrote('stdout', /^(?:Push an image|Ask it): .*\n/m).catch(() => undefined)
  const first = await Promise.race([program.ended, greeting])
  return first !== undefined && 'code' in first ? { program, exit: first } : { program }
}

for (const [one, other] of [
  ['127.0.0.1', '127.0.0.1'],
  ['0.0.0.0', '127.0.0.1'],
  ['', '127.0.0.1'],
  ['localhost', '127.0.0.1'],
] as const) {
  test(
    `fault 51: of two servers that start at once on port P of "${one}" and of "${other}" one is refused`,
    HANG,
    async (t) => {
      const sandbox = await openSandbox(t)
      const port = await freePort()
      const started = await Promise.all([
        outcome(sandbox, ['--listen', `${one}:${port}`, '--data', 'one']),
        outcome(sandbox, ['--listen', `${other}:${port}`, '--data', 'other']),
      ])
      const refused = started.flatMap(({ exit }) => (exit === undefined ? [] : [exit]))
      assert.equal(refused.length, 1)
      if (refused[0] !== undefined)
        assertRefusedToStart(refused[0], new RegExp(`:${port} is already in use: another program`))
      await pushImage(`http://127.0.0.1:${port}`, 'app', 'v1')
    },
  )
}

test(
  'fault 51: of two servers that start at once on one Unix socket, which a dead server left, one is refused',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const path = join(sandbox.folder, 'stowage.sock')
    const listen = ['--listen', `unix:${path}`]
    const dead = await sandbox.serve('dead', listen)
    dead.signal('SIGKILL')
    await dead.ended
    for (let round = 0; round < 3; round++) {
      const started = await Promise.all([
        outcome(sandbox, [...listen, '--data', 'one']),
        outcome(sandbox, [...listen, '--data', 'other']),
      ])
      const refused = started.flatMap(({ exit }) => (exit === undefined ? [] : [exit]))
      assert.equal(refused.length, 1)
      if (refused[0] !== undefined)
        assertRefusedToStart(refused[0], /stowage\.sock is already in use: another/)
      assert.equal((await askSocket(path, '/v2/')).status, 200)
      for (const { program } of started) program.signal('SIGKILL')
      await Promise.all(started.map(({ program }) => program.ended))
    }
  },
)
