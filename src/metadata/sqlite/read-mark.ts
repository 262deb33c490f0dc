import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { primaryCode } from './sqlite-error.ts'

/**
 * Keeps other threads from writing to the memory that all connections of a database share. SQLite notes there up to where the log is being
 * read; whoever reads first after a commit makes a new note, and that memory is a file: on a disk that stands still the reader would stand
 * still as well, before it has read anything. So the writer reads first.
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

  /** Notes that what is committed by now is read. Where that fails, whoever reads first finds out what is wrong. */
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
