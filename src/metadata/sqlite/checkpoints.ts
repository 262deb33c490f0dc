import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { isStoreFailure, primaryCode, SQLITE_FULL } from './sqlite-error.ts'
import type { Statements } from './statements.ts'

/** This many frames of the log are 16 MiB. A checkpoint costs additional syncs, but a log that a crash leaves must be read at the next start. */
const MAX_FRAMES = 4096
/** The length of the log need not be checked after each batch of a few commands. */
const COMMANDS_BETWEEN_LOOKS = 16

/**
 * What a database records about its log. `number` rises before and after each checkpoint. `base` is the least number that the database file
 * can have according to the log. If the file and the log are from the same moment, the number in the file without its log is between the
 * two numbers of the log.
 */
export interface JournalMarks {
  number: number
  base: number
  /** Whether a server has the database open, or had it open when it died. */
  running: boolean
}

/** Reads the marks; undefined if no writer has made them yet. */
export function readJournalMarks(database: DatabaseSync): JournalMarks | undefined {
  const exists = database.prepare('PRAGMA table_info(marks)').get()
  if (exists === undefined) return undefined
  const rows = database
    .prepare(
      `SELECT name, value FROM marks WHERE name IN ('journal-number', 'journal-base', 'journal-running')`,
    )
    .all()
  const values = new Map(rows.map(({ name, value }) => [name, Number(value)]))
  const [number, base] = [values.get('journal-number'), values.get('journal-base')]
  if (number === undefined || base === undefined) return undefined
  return { number, base, running: values.get('journal-running') === 1 }
}

/** The marks in a database file, ignoring its log; undefined if it has none or cannot be read without its log. */
export function readMarksOfFile(path: string): JournalMarks | undefined {
  const url = pathToFileURL(path)
  url.searchParams.set('immutable', '1')
  const database = new DatabaseSync(url, { readOnly: true })
  try {
    return readJournalMarks(database)
  } catch {
    // A crash in the middle of a checkpoint leaves a file that is complete only with its log.
    return undefined
  } finally {
    database.close()
  }
}

const SET = 'INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value'

/**
 * Makes checkpoints from time to time, which copy the log into the database. It also maintains the marks that reveal a copy of both that
 * was not made at one moment: the number is raised in the last transaction before a checkpoint, and again in the first one after it, with
 * which the log may start over.
 */
export class Checkpoints {
  readonly #database: DatabaseSync
  readonly #statements: Statements
  #number: number
  #base: number
  /** Whether all of the log is in the database, so that the next transaction may be the first of a new log. */
  #mayBegin = false
  #commandsSinceLook = 0

  constructor(database: DatabaseSync, statements: Statements) {
    this.#database = database
    this.#statements = statements
    database.exec('PRAGMA wal_autocheckpoint = 0')
    const marks = readJournalMarks(database)
    this.#number = marks?.number ?? 0
    this.#base = marks?.base ?? 0
    const { frames, copied } = this.#log()
    this.#mayBegin = frames === copied
    this.#commitMarks(true)
    this.#copyLogIfPossible()
  }

  /** Marks the open transaction. {@link Checkpoints.committed} must be called once it was committed. */
  mark(): void {
    if (this.#mayBegin) this.#write({ number: this.#number + 1, base: this.#number, running: true })
  }

  /** The transaction that was marked, of so many commands, is durable. */
  committed(commands: number): void {
    this.#commandsSinceLook += commands
    if (!this.#mayBegin) return
    this.#base = this.#number
    this.#number++
    this.#mayBegin = false
  }

  /** Makes a checkpoint if the log is long. @returns whether it was long */
  takeIfDue(): boolean {
    if (this.#commandsSinceLook < COMMANDS_BETWEEN_LOOKS) return false
    this.#commandsSinceLook = 0
    const isDue = Number(this.#log().frames) >= MAX_FRAMES
    if (isDue) this.take()
    return isDue
  }

  /** Copies as much of the log into the database as no reader still needs. */
  take(): void {
    this.#commitMarks(true)
    this.#copyLog()
  }

  /** Prepares the end of the server. SQLite makes a checkpoint when the last connection is closed. */
  end(): void {
    try {
      this.#commitMarks(false)
    } catch (error) {
      // The next start then checks the database, as after a crash.
      if (!isStoreFailure(error)) throw error
    }
  }

  /** From the start on, the file itself records that a server has it open, so that a copy of it without its log is recognized. */
  #copyLogIfPossible(): void {
    try {
      this.#copyLog()
    } catch (error) {
      // If the disk is full, the log stays as it is.
      if (!isStoreFailure(error)) throw error
    }
  }

  #copyLog(): void {
    const { busy, log, checkpointed } = this.#database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() ?? {}
    this.#mayBegin = busy === 0 && log === checkpointed
  }

  /** On a full disk this may fail. A checkpoint may free space all the same, and the marks only matter for copies. */
  #commitMarks(running: boolean): void {
    const marks = {
      number: this.#number + 1,
      base: this.#mayBegin ? this.#number : this.#base,
      running,
    }
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      this.#write(marks)
      this.#database.exec('COMMIT')
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      if (primaryCode(error) !== SQLITE_FULL) throw error
      return
    }
    this.#number = marks.number
    this.#base = marks.base
    this.#mayBegin = false
  }

  #write({ number, base, running }: JournalMarks): void {
    this.#statements.run(SET, 'journal-number', number)
    this.#statements.run(SET, 'journal-base', base)
    this.#statements.run(SET, 'journal-running', running ? 1 : 0)
  }

  /**
   * How many frames the log has, and how many of them are in the database. Only SQLite may be asked: opening and closing a file of the
   * database by other means would release the locks that this process holds on it.
   */
  #log(): { frames: unknown; copied: unknown } {
    const { log, checkpointed } = this.#statements.get('PRAGMA wal_checkpoint(NOOP)') ?? {}
    return { frames: log, copied: checkpointed }
  }
}

/**
 * Older versions of SQLite make a checkpoint when they are only asked about the log. With them, SQLite decides when to make checkpoints,
 * and copies are recognized only by their content.
 */
const FIRST_WITH_NOOP = [3, 51]

/** Whether the SQLite of this Node.js can be asked how long the log is. */
export function offersCheckpoints(version = process.versions.sqlite ?? '0'): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = FIRST_WITH_NOOP
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}
