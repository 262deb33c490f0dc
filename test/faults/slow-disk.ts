import { appendFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** For a program under test: writes to files wait for one another and then a while, as on a slow disk; each is counted by a byte. */
const WAIT_MS = Number(process.env.STOWAGE_TEST_WRITE_MS)
const counter = process.env.STOWAGE_TEST_WRITES ?? ''

let turn: Promise<unknown> = Promise.resolve()

const file = await open('/dev/null', 'r')
const methods = Object.getPrototypeOf(file) as FileHandle
await file.close()

for (const name of ['write', 'writev', 'appendFile', 'writeFile'] as const) {
  const run = methods[name] as (...parameters: unknown[]) => Promise<unknown>
  Object.defineProperty(methods, name, {
    async value(this: FileHandle, ...parameters: unknown[]) {
      turn = turn.then(() => sleep(WAIT_MS))
      await turn
      appendFileSync(counter, '.')
      return await Reflect.apply(run, this, parameters)
    },
  })
}
