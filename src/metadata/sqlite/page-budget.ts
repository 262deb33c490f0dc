import { setImmediate } from 'node:timers/promises'
import type { Row } from './statements.ts'

/** What a page may send: so many items, and about so many bytes of JSON. */
export interface PageLimits {
  limit: number
  maxBytes: number
}

/** Rows of the list itself. */
const MAX_ROWS_LOOKED_AT = 10_000
/** Rows of other tables that are looked at on the way: tags, and what names a manifest. */
const MAX_STEPS = 100_000
/** Of texts whose length whoever pushed them has chosen. */
const MAX_BYTES_READ = 16 * 1024 * 1024

/** Reading is synchronous, so this is for how long others on the same thread wait: about ten milliseconds. */
const STEPS_OF_A_SLICE = 2_000
const BYTES_OF_A_SLICE = 1024 * 1024

/**
 * What one page of a list may cost, in the units in which it is spent: bytes that are sent, rows and bytes that are read. All lists whose
 * rows hold text that a client has chosen count with one of these. What is looked for is read in slices, between which others have
 * their turn; a page that has spent its budget ends, and the next one goes on there.
 */
export class PageBudget {
  readonly #limits: PageLimits
  #items = 0
  #bytes = 0
  #rows = 0
  #steps = 0
  #bytesRead = 0
  #sliceSteps = 0
  #sliceBytes = 0

  constructor(limits: PageLimits) {
    this.#limits = limits
  }

  /** Counts a row of the list that was read, whether or not it is wanted. @param texts those of its columns that may be long */
  countRow(row: Row, texts: readonly string[]): void {
    let bytes = 0
    for (const column of texts) bytes += textLength(row[column])
    this.#rows++
    this.#bytesRead += bytes
    this.#sliceBytes += bytes
    this.#sliceSteps++
  }

  /** Counts rows of other tables. */
  countSteps(steps: number): void {
    this.#steps += steps
    this.#sliceSteps += steps
  }

  /** Whether an item of so many bytes of JSON fits. The first one always does. */
  fits(bytes: number): boolean {
    return this.#items === 0 || (this.#items < this.#limits.limit && bytes <= this.bytesLeft)
  }

  /** Counts an item that is sent. */
  countItem(bytes: number): void {
    this.#items++
    this.#bytes += bytes
  }

  /** How many bytes may still be sent. */
  get bytesLeft(): number {
    return Math.max(0, this.#limits.maxBytes - this.#bytes)
  }

  /** Whether the page must end before it looks at another row. */
  get isSpent(): boolean {
    return (
      this.#items >= this.#limits.limit ||
      this.#rows >= MAX_ROWS_LOOKED_AT ||
      this.#steps >= MAX_STEPS ||
      this.#bytesRead >= MAX_BYTES_READ
    )
  }

  /** Whether others should have their turn before it looks at another row. */
  get isSliceOver(): boolean {
    return this.#sliceSteps >= STEPS_OF_A_SLICE || this.#sliceBytes >= BYTES_OF_A_SLICE
  }

  /** Gives others their turn. Nothing may be open on the connection meanwhile. */
  async nextSlice(): Promise<void> {
    await setImmediate()
    this.#sliceSteps = 0
    this.#sliceBytes = 0
  }
}

function textLength(value: unknown): number {
  return typeof value === 'string' ? value.length : 0
}
