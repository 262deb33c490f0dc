import { randomBytes } from 'node:crypto'
import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

const MIB = 1024 * 1024
const SIZE = 8 * MIB
/** On a very small file system it takes at most this fraction. */
const MAX_PART = 1 / 32
/** It is not created while less than this many times its size is free, which is then left for writes. */
const ROOM = 4

/**
 * A file next to the database that only occupies space. On a full disk it is given up, so that commands that free space have the space to
 * be recorded. It is then recreated at once from the remaining space, so that nothing else takes it.
 */
export class Reserve {
  readonly #path: string

  /** @param database the path of the database, next to which it is stored */
  constructor(database: string) {
    this.#path = `${database}-reserve`
  }

  /** Creates it, or restores its full size, if there is ample space. */
  make(): void {
    const wanted = this.#wanted()
    if (this.#size() >= wanted) return
    const { bavail, bsize } = statfsSync(dirname(this.#path))
    if (bavail * bsize >= ROOM * wanted) this.#fill(wanted)
  }

  /** Gives up its space for the duration of a step, and takes back the rest afterwards. */
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

  /** Writes random bytes, since a file system may store zeros in less space. */
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
