import { existsSync, promises } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

/** For a program under test: after the first copies of files, the others wait until a file is there. */
const gate = process.env.STOWAGE_TEST_GATE ?? ''
const FREE = 4

let count = 0
const { copyFile } = promises
promises.copyFile = async (...parameters) => {
  count++
  for (const isHeld = count > FREE; isHeld && !existsSync(gate); ) await sleep(20)
  await copyFile(...parameters)
}
syncBuiltinESMExports()
