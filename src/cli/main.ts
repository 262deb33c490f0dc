#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { join } from 'node:path'
import { keepCompiledCode } from '../server/compiled-code.ts'
import { sizeThreadPool } from '../server/thread-pool.ts'
import { catchSignals } from './signals.ts'

// This must come first: everything else is loaded below.
catchSignals()
sizeThreadPool()
keepCompiledCode(join(import.meta.dirname, '../../.cache/code'))
await import('./program.ts')
