import type { Outcome } from '../command.ts'
import type { ShrinkStore } from '../contents.ts'
import type { Statements } from './statements.ts'

/** This many free pages are kept for the next writes. Returning them and allocating them again would cost more. */
const KEPT_PAGES = 1024

/** @see ShrinkStore */
export function shrinkStore(statements: Statements, { limit }: ShrinkStore): Outcome<ShrinkStore> {
  const free = freePages(statements)
  const wanted = Math.min(limit, free - KEPT_PAGES)
  if (wanted <= 0) return { result: 'done', count: 0, more: false }
  statements.all(`PRAGMA incremental_vacuum(${wanted})`)
  const count = free - freePages(statements)
  return { result: 'done', count, more: count > 0 && free - count > KEPT_PAGES }
}

function freePages(statements: Statements): number {
  return Number(statements.get('PRAGMA freelist_count')?.freelist_count)
}
