import { readFileSync } from 'node:fs'

/** For a program under test: its clock is wrong by as many milliseconds as a file says, which the test may change. */
const file = process.env.STOWAGE_CLOCK_FILE ?? ''
const { now } = Date

Date.now = () => now() + Number(readFileSync(file, 'utf8'))
