import { appendFileSync } from 'node:fs'
import { DatabaseSync, StatementSync } from 'node:sqlite'

/** For a program under test: writes how many statements and rows each transaction had to a file, a line of JSON each. */
const path = process.env.STOWAGE_TEST_COMMIT_LOG ?? ''

interface Transaction {
  statements: number
  /** What was changed on the connection before it. */
  changed: number
}

let current: Transaction | undefined
const databases = new WeakMap<DatabaseSync, StatementSync>()

const { exec, prepare } = DatabaseSync.prototype

function rowsChanged(database: DatabaseSync): number {
  const statement =
    databases.get(database) ?? Reflect.apply(prepare, database, ['SELECT total_changes() AS rows'])
  databases.set(database, statement)
  return Number(Reflect.apply(getRow, statement, [])?.rows)
}

const { get: getRow } = StatementSync.prototype

DatabaseSync.prototype.exec = function (sql) {
  if (sql === 'BEGIN IMMEDIATE') current = { statements: 0, changed: rowsChanged(this) }
  Reflect.apply(exec, this, [sql])
  if (sql !== 'COMMIT' || current === undefined) return
  const { statements, changed } = current
  current = undefined
  appendFileSync(path, `${JSON.stringify({ statements, rows: rowsChanged(this) - changed })}\n`)
}

for (const method of ['get', 'all', 'iterate', 'run'] as const) {
  const run = StatementSync.prototype[method] as (...values: unknown[]) => unknown
  Object.defineProperty(StatementSync.prototype, method, {
    value(this: StatementSync, ...values: unknown[]) {
      if (current !== undefined) current.statements++
      return Reflect.apply(run, this, values)
    },
  })
}
