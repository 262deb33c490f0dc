import type { Statements } from './statements.ts'

/** How far the change log was processed, as a sequence number: for pruning and for counting. */
export type Mark = 'pruned-changes' | 'counted-changes'

/** Reads a mark; 0 before anything was done. */
export function readMark(statements: Statements, name: Mark): number {
  return (statements.get('SELECT value FROM marks WHERE name = ?', name)?.value as number | undefined) ?? 0
}

/** Moves a mark forward; it never goes back. */
export function setMark(statements: Statements, name: Mark, value: number): void {
  statements.run('UPDATE marks SET value = max(value, ?) WHERE name = ?', value, name)
}
