import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'

/** A row as SQLite returns it. */
export type Row = Record<string, SQLOutputValue>

/**
 * Statements of one connection, each prepared once. A parameter as a limit is written `LIMIT +?`: SQLite reads the value of a plain one when
 * it plans, and so plans the statement again at each execution, which may take longer than the statement itself.
 */
export interface Statements {
  get(sql: string, ...values: SQLInputValue[]): Row | undefined
  all(sql: string, ...values: SQLInputValue[]): Row[]
  iterate(sql: string, ...values: SQLInputValue[]): Iterable<Row>
  /** @returns how many rows were changed */
  run(sql: string, ...values: SQLInputValue[]): number
}

/** Makes the statements of a connection. */
export function prepareStatements(database: DatabaseSync): Statements {
  const prepared = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  const prepare = (sql: string) => {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare(sql)
    prepared.set(sql, statement)
    return statement
  }
  return {
    get: (sql, ...values) => prepare(sql).get(...checkValues(values)),
    all: (sql, ...values) => prepare(sql).all(...checkValues(values)),
    iterate: (sql, ...values) => prepare(sql).iterate(...checkValues(values)),
    run: (sql, ...values) => Number(prepare(sql).run(...checkValues(values)).changes),
  }
}

/** SQLite would treat an object in first place as named parameters, and bind nothing. */
function checkValues(values: SQLInputValue[]): SQLInputValue[] {
  const [first] = values
  if (typeof first === 'object' && first !== null && !ArrayBuffer.isView(first)) {
    throw new TypeError('a statement takes values, not an object of them')
  }
  return values
}
