import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertRefusedToStart } from '../cli/exit.ts'
import { type Exit, openSandbox, type Program, type Sandbox } from '../cli/program.ts'
import { freePort } from '../clients/free-port.ts'
import { pushImage } from '../content.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 60_000 }

/** Starts a server, and waits until it serves or ended. */
async function outcome(sandbox: Sandbox, args: string[]): Promise<{ program: Program; exit?: Exit }> {
  const program = sandbox.start(['serve', '--allow-anonymous', '--workers', '2', ...args])
  const greeting = program.wrote('stdout', /push \S+\n/).catch(() => undefined)
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
        assertRefusedToStart(refused[0], new RegExp(`:${port} is taken: another program`))
      await pushImage(`http://127.0.0.1:${port}`, 'app', 'v1')
    },
  )
}
