import { randomBytes } from 'node:crypto'
import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

const MIB = 1024 * 1024
const SIZE = 8 * MIB
/** Of a very small file system it takes no more than this part. */
const MAX_PART = 1 / 32
/** While less than so many times its size is free, it is not made: what is free then is for those who write. */
const ROOM = 4

/**
 * A file that only takes space, beside the database. On a full disk it is given up, so that what frees space has what it needs to be
 * written down, and made again of what is left at once, so that nobody else takes it.
 */
export class Reserve {
  readonly #path: string

  /** @param database the path of the database, beside which it lies */
  constructor(database: string) {
    this.#path = `${database}-reserve`
  }

  /** Makes it, or makes it whole again, if there is ample space. */
  make(): void {
    const wanted = this.#wanted()
    if (this.#size() >= wanted) return
    const { bavail, bsize } = statfsSync(dirname(this.#path))
    if (bavail * bsize >= ROOM * wanted) this.#fill(wanted)
  }

  /** Gives its space up for the time of a step, and takes back what the step has left of it. */
  lend<T>(step: () => T): T {
    rmSync(this.#path, { force: true })
    try {
      return step()
    } finally {
      this.#fill(this.#wanted())
    }
  }

  #wanted(): number {
    const { blocks, bsize } = statfsSync(dirname(this.#path))
    return Math.min(SIZE, Math.floor(blocks * bsize * MAX_PART))
  }

  #size(): number {
    return statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0
  }

  /** With random bytes, since a file system may keep zeros in less space. */
  #fill(size: number): void {
    const bytes = randomBytes(Math.min(MIB, size))
    const file = openSync(this.#path, 'w', 0o600)
    try {
      for (let at = 0; at < size; ) at += writeSync(file, bytes.subarray(0, size - at), 0, undefined, at)
    } catch (error) {
      if (!isFull(error)) throw error
    } finally {
      closeSync(file)
    }
  }
}

function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}
