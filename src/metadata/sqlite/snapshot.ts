import type { Statements } from './statements.ts'

/** Reads several times from one state of the database. */
export function inSnapshot<T>(statements: Statements, read: () => T): T {
  statements.run('BEGIN')
  try {
    return read()
  } finally {
    statements.run('COMMIT')
  }
}
