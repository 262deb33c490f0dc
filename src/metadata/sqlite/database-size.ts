import type { DatabaseSync } from 'node:sqlite'

/** How many bytes the pages of a database take; 0 if nothing was written to it yet. */
export function databaseSize(database: DatabaseSync): number {
  const [pages, size] = ['page_count', 'page_size'].map((name) =>
    Number(database.prepare(`PRAGMA ${name}`).get()?.[name]),
  )
  return (pages ?? 0) * (size ?? 0)
}
