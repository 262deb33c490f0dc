import { appendFileSync } from 'node:fs'
import { basename } from 'node:path'
import { DatabaseSync, StatementSync } from 'node:sqlite'

/**
 * For a program under test: writes each statement that it runs to a file, a line of JSON each. With STOWAGE_TEST_SQL_LOG_OF=workers it
 * writes only those of threads that answer requests: others check, count and collect at times of their own.
 */
const path = process.env.STOWAGE_TEST_SQL_LOG ?? ''
const isWorker = basename(process.argv[1] ?? '') === 'worker-thread.ts'
const isSilent = !isWorker && process.env.STOWAGE_TEST_SQL_LOG_OF === 'workers'
const texts = new WeakMap<StatementSync, string>()

const { prepare } = DatabaseSync.prototype
DatabaseSync.prototype.prepare = new Proxy(prepare, {
  apply(target, self, parameters) {
    const statement = Reflect.apply(target, self, parameters) as StatementSync
    texts.set(statement, String(parameters[0]))
    return statement
  },
})

for (const method of ['get', 'all', 'iterate', 'run'] as const) {
  const run = StatementSync.prototype[method] as (...values: unknown[]) => unknown
  Object.defineProperty(StatementSync.prototype, method, {
    value(this: StatementSync, ...values: unknown[]) {
      if (!isSilent) appendFileSync(path, `${JSON.stringify(texts.get(this))}\n`)
      return Reflect.apply(run, this, values)
    },
  })
}
