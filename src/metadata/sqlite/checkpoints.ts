import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { isStoreFailure, primaryCode, SQLITE_FULL } from './sqlite-error.ts'
import type { Statements } from './statements.ts'

/** So many frames of the log are 16 MiB: a checkpoint costs syncs of its own, and what a crash leaves must be read at the next start. */
const MAX_FRAMES = 4096
/** How long the log is need not be asked after each batch of a few commands. */
const COMMANDS_BETWEEN_LOOKS = 16

/**
 * What a database says of the log that belongs to it. `number` rises with each checkpoint, before it and after it; `base` is the number
 * that the database file has at least, as far as the log can tell. In a file and a log of one moment the number in the file alone is between
 * the two that the log has.
 */
export interface JournalMarks {
  number: number
  base: number
  /** Whether a server has it, or had it when it died. */
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

/** The marks in a database file, whatever its log says; undefined if it has none or cannot be read without its log. */
export function readMarksOfFile(path: string): JournalMarks | undefined {
  const url = pathToFileURL(path)
  url.searchParams.set('immutable', '1')
  const database = new DatabaseSync(url, { readOnly: true })
  try {
    return readJournalMarks(database)
  } catch {
    // A crash in the middle of a checkpoint leaves a file that only its log makes whole.
    return undefined
  } finally {
    database.close()
  }
}

const SET = 'INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value'

/**
 * Takes the log into the database from time to time, and keeps the marks by which a copy of both that was not made at one moment is
 * known: the number is raised in the last transaction before a checkpoint, and again in the first one after it, with which the log may
 * begin anew.
 */
export class Checkpoints {
  readonly #database: DatabaseSync
  readonly #statements: Statements
  #number: number
  #base: number
  /** Whether all of the log is in the database, so that the next transaction may be the first of a new one. */
  #mayBegin = false
  #commandsSinceLook = 0

  constructor(database: DatabaseSync, statements: Statements) {
    this.#database = database
    this.#statements = statements
    database.exec('PRAGMA wal_autocheckpoint = 0')
    const marks = readJournalMarks(database)
    this.#number = marks?.number ?? 0
    this.#base = marks?.base ?? 0
    const { frames, takenIn } = this.#log()
    this.#mayBegin = frames === takenIn
    this.#commitMarks(true)
    this.#takeInIfPossible()
  }

  /** For the transaction that is open. {@link Checkpoints.committed} must follow once it was committed. */
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

  /** Takes the log in if it is long. @returns whether that was so */
  takeIfDue(): boolean {
    if (this.#commandsSinceLook < COMMANDS_BETWEEN_LOOKS) return false
    this.#commandsSinceLook = 0
    const isDue = Number(this.#log().frames) >= MAX_FRAMES
    if (isDue) this.take()
    return isDue
  }

  /** Takes in as much of the log as no reader still needs. */
  take(): void {
    this.#commitMarks(true)
    this.#takeIn()
  }

  /** For the end of the server: the log is taken in when the last connection is closed. */
  end(): void {
    try {
      this.#commitMarks(false)
    } catch (error) {
      // The next start looks through the database then, as after a crash.
      if (!isStoreFailure(error)) throw error
    }
  }

  /** The file itself says from the start on that a server has it, so that a copy of it without its log is known for what it is. */
  #takeInIfPossible(): void {
    try {
      this.#takeIn()
    } catch (error) {
      // On a full disk the log stays as it is.
      if (!isStoreFailure(error)) throw error
    }
  }

  #takeIn(): void {
    const { busy, log, checkpointed } = this.#database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() ?? {}
    this.#mayBegin = busy === 0 && log === checkpointed
  }

  /** On a full disk it may fail: then a checkpoint may make space all the same, and the marks are only for copies. */
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
   * How many frames the log has, and how many of them are in the database. Only SQLite may be asked: to open and close a file of the
   * database by other means would let go of the locks that this process has on it.
   */
  #log(): { frames: unknown; takenIn: unknown } {
    const { log, checkpointed } = this.#statements.get('PRAGMA wal_checkpoint(NOOP)') ?? {}
    return { frames: log, takenIn: checkpointed }
  }
}

/** Older ones take the log in where they are only asked about it. Checkpoints are left to them, and copies are known by their content alone. */
const FIRST_WITH_NOOP = [3, 51]

/** Whether the SQLite of this Node.js can be asked how long the log is. */
export function offersCheckpoints(version = process.versions.sqlite ?? '0'): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = FIRST_WITH_NOOP
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}
