import { setImmediate } from 'node:timers/promises'
import type { Row } from './statements.ts'

/** The limits of a page: the number of items, and the approximate number of bytes of JSON. */
export interface PageLimits {
  limit: number
  maxBytes: number
}

/** Rows of the list itself. */
const MAX_ROWS_LOOKED_AT = 10_000
/** Rows of other tables that are also read: tags, and parents of a manifest. */
const MAX_STEPS = 100_000
/** Bytes of texts whose length was chosen by the client that pushed them. */
const MAX_BYTES_READ = 16 * 1024 * 1024

/** Reading is synchronous, so this determines how long other work on the same thread waits: about ten milliseconds. */
const STEPS_OF_A_SLICE = 2_000
const BYTES_OF_A_SLICE = 1024 * 1024

/**
 * What one page of a list may cost: bytes that are sent, and rows and bytes that are read. All lists whose rows contain text from clients
 * use one of these. A search reads in slices, and other work has its turn between them. A page that has spent its budget ends, and the next
 * one continues there.
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

  /** Counts a row of the list that was read, whether or not it is included. @param texts those of its columns that may be long */
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

  /** Whether an item of a number of bytes of JSON fits. The first one always does. */
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

  /** Whether the page must end before it reads another row. */
  get isSpent(): boolean {
    return (
      this.#items >= this.#limits.limit ||
      this.#rows >= MAX_ROWS_LOOKED_AT ||
      this.#steps >= MAX_STEPS ||
      this.#bytesRead >= MAX_BYTES_READ
    )
  }

  /** Whether other work should have its turn before it reads another row. */
  get isSliceOver(): boolean {
    return this.#sliceSteps >= STEPS_OF_A_SLICE || this.#sliceBytes >= BYTES_OF_A_SLICE
  }

  /** Gives other work its turn. Nothing may be open on the connection in the meantime. */
  async nextSlice(): Promise<void> {
    await setImmediate()
    this.#sliceSteps = 0
    this.#sliceBytes = 0
  }
}

function textLength(value: unknown): number {
  return typeof value === 'string' ? value.length : 0
}
