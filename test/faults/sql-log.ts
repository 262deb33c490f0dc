import { appendFileSync } from 'node:fs'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { isMainThread } from 'node:worker_threads'

/**
 * For a program under test: writes each statement that it runs to a file, a line of JSON each. With STOWAGE_TEST_SQL_LOG_OF=workers it
 * leaves out those of the main thread, which counts and collects at times of its own.
 */
const path = process.env.STOWAGE_TEST_SQL_LOG ?? ''
const isSilent = isMainThread && process.env.STOWAGE_TEST_SQL_LOG_OF === 'workers'
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
