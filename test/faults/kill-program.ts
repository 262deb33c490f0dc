import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, join } from 'node:path'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import type { KillPlan } from './kill-plan.ts'

/**
 * For `--import` in NODE_OPTIONS, which reaches every thread of a program: writes down each step of writing, in a file that all
 * threads share, and kills the program as a crash would at the one that a plan names.
 */

const folder = process.env.STOWAGE_KILL_PLAN ?? ''
const { appendFileSync, readFileSync, writeSync } = fs

/** Passes a point of a step; does something first if this is where the program dies. */
function pass(point: string, last: () => void = () => {}): void {
  const plan = readPlan()
  if (plan === undefined) return
  const points = join(folder, 'points')
  appendFileSync(points, `${point}\n`)
  const pattern = new RegExp(plan.pattern)
  const passed = readFileSync(points, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && pattern.test(line))
  if (passed.length < plan.count) return
  last()
  process.kill(process.pid, 'SIGKILL')
  // Nothing more may happen on this thread until the signal is there.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

function readPlan(): KillPlan | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'plan'), 'utf8')) as KillPlan
  } catch {
    return undefined
  }
}

type AsyncMethod = (this: unknown, ...values: never[]) => Promise<unknown>

/** Puts points around a method that returns a promise; `nameOf` says what it does, or undefined where that is no step. */
function watch(
  owner: object,
  method: string,
  nameOf: (...values: never[]) => string | undefined,
  midway?: (self: unknown, values: never[]) => void,
): void {
  const methods = owner as Record<string, AsyncMethod>
  const original = methods[method] as AsyncMethod
  methods[method] = async function (...values) {
    const step = nameOf(...values)
    if (step === undefined) return await original.apply(this, values)
    pass(`before ${step}`)
    if (midway !== undefined) pass(`amid ${step}`, () => midway(this, values))
    const result = await original.apply(this, values)
    pass(`after ${step}`)
    return result
  }
}

/** Writes what a crash in the middle of a write leaves: its first half. */
function writeHalf(self: unknown, [chunks, position]: [Uint8Array[], number]): void {
  const all = Buffer.concat(chunks)
  writeSync((self as fs.promises.FileHandle).fd, all, 0, Math.ceil(all.length / 2), position)
}

async function watchFiles(): Promise<void> {
  const file = await fs.promises.open(process.execPath)
  const handles = Object.getPrototypeOf(file) as object
  await file.close()
  watch(handles, 'writev', () => 'write', writeHalf as never)
  for (const [method, step] of [
    ['write', 'write'],
    ['truncate', 'truncate'],
    ['datasync', 'sync of a file'],
    ['sync', 'sync of a folder'],
  ] as const) {
    watch(handles, method, () => step)
  }
  watch(fs.promises, 'open', (_path, flags: unknown) =>
    typeof flags === 'number' && (flags & fs.constants.O_CREAT) !== 0 ? 'create' : undefined,
  )
  watch(fs.promises, 'unlink', () => 'unlink')
  watch(fs.promises, 'mkdir', (path: string) =>
    /^[0-9a-f]{2}$/.test(basename(path)) ? 'making a folder of keys' : 'making a folder',
  )
  syncBuiltinESMExports()
}

/** What a statement does for durability, or undefined. */
function stepOf(sql: string): string | undefined {
  if (/^\s*COMMIT/.test(sql)) return 'commit'
  if (/^\s*BEGIN(?!.*COMMIT)/s.test(sql)) return 'transaction'
  return /^\s*(?:BEGIN|UPDATE|PRAGMA journal_mode = WAL)/.test(sql) ? 'preparing the database' : undefined
}

function watchDatabase(): void {
  const { exec, close } = DatabaseSync.prototype
  DatabaseSync.prototype.exec = function (sql) {
    const step = stepOf(sql)
    if (step !== undefined) pass(`before ${step}`)
    exec.call(this, sql)
    if (step !== undefined) pass(`after ${step}`)
  }
  DatabaseSync.prototype.close = function () {
    pass('before closing the database')
    close.call(this)
    pass('after closing the database')
  }
  StatementSync.prototype.run = new Proxy(StatementSync.prototype.run, {
    apply(run, statement: StatementSync, values) {
      const step = /^(?:COMMIT|BEGIN)/.test(statement.sourceSQL) ? stepOf(statement.sourceSQL) : undefined
      if (step !== undefined) pass(`before ${step}`)
      const result = Reflect.apply(run, statement, values)
      if (step !== undefined) pass(`after ${step}`)
      return result
    },
  })
}

await watchFiles()
watchDatabase()
