import type { Page } from '../page.ts'
import type { Row } from './statements.ts'

/** Makes a page from rows. One row more than fits was read, to know whether there are more. */
export function pageOf<T>(rows: Row[], limit: number, read: (row: Row) => T): Page<T> {
  return { items: rows.slice(0, limit).map(read), more: rows.length > limit }
}
