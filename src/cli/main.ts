#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
// An older Node.js must get as far as nodeProblem(): nothing that it lacks may be imported here.
import { join } from 'node:path'
import { nodeProblem } from '../node-version.ts'
import { keepCompiledCode } from '../server/compiled-code.ts'
import { sizeThreadPool } from '../server/thread-pool.ts'
import { catchSignals } from './signals.ts'

const problem = nodeProblem()
if (problem !== undefined) {
  process.stderr.write(`stowage: ${problem}\n`)
  process.exit(1)
}
// This must come first: everything else is loaded below.
catchSignals()
sizeThreadPool()
keepCompiledCode(join(import.meta.dirname, '../../.cache/code'))
await import('./program.ts')
