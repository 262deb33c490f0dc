import type { Page } from '../page.ts'
import type { Row } from './statements.ts'

/** A page of rows of which one more was read than fits, to know whether there is more. */
export function pageOf<T>(rows: Row[], limit: number, read: (row: Row) => T): Page<T> {
  return { items: rows.slice(0, limit).map(read), more: rows.length > limit }
}
