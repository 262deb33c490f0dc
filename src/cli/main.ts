#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { join } from 'node:path'
import { keepCompiledCode } from '../compiled-code.ts'

keepCompiledCode(join(import.meta.dirname, '../../.cache/code'))
await import('./program.ts')
