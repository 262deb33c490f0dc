import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { primaryCode } from './sqlite-error.ts'

/**
 * Keeps other threads from writing to the memory that all connections of a database share. SQLite records there up to where the log is
 * being read. The first reader after a commit makes a new record, and that memory is a file: on a stalled disk the reader would stall as
 * well, before it has read anything. So the writer reads first.
 */
export class ReadMark {
  readonly #database: DatabaseSync
  readonly #read: StatementSync

  /** @param path of a database that a connection of this process has open for writing */
  constructor(path: string) {
    this.#database = new DatabaseSync(path, { readOnly: true })
    this.#read = this.#database.prepare('SELECT 1 FROM settings LIMIT 1')
    this.move()
  }

  /** Records that all commits so far are being read. If this fails, the first reader will get the error. */
  move(): void {
    try {
      this.#read.get()
    } catch (error) {
      if (primaryCode(error) === undefined) throw error
    }
  }

  close(): void {
    this.#database.close()
  }
}
