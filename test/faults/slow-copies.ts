import { promises } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

/** For a program under test: each copy of a file takes a while, as on a slow disk. */
const WAIT_MS = Number(process.env.STOWAGE_TEST_COPY_MS)

const { copyFile } = promises
promises.copyFile = async (...parameters) => {
  await sleep(WAIT_MS)
  await copyFile(...parameters)
}
syncBuiltinESMExports()
