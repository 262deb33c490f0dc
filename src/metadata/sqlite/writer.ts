import { existsSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Command, Outcome, Outcomes } from '../command.ts'
import { collectBlobs, deleteBlob, keepBlob, mountBlob, putBlob } from './blobs.ts'
import { forgetGarbage } from './contents.ts'
import { saveCounts } from './counts.ts'
import { deleteRepository, dropDeletedRepositories } from './deletions.ts'
import { expireDeleted, undeleteManifest } from './graves.ts'
import { refuseDamagedJournal } from './journal.ts'
import { deleteManifest, describeManifests, purgeManifest, putManifest, recordPulls } from './manifests.ts'
import { migrate, schemaVersion } from './migrations.ts'
import { pruneChanges } from './pruning.ts'
import { prepareStatements, type Statements } from './statements.ts'
import { deleteTag, dropDoomedTags, setTag } from './tags.ts'
import { discardUploadKey, endUpload, expireUploads } from './upload-ends.ts'
import {
  acknowledgeUpload,
  moveUpload,
  openUpload,
  releaseLeases,
  releaseUpload,
  reserveKey,
  revertUpload,
  saveUpload,
  seizeUpload,
} from './uploads.ts'
import type { Versions } from './versions.ts'

/** What became of one call of `commit`: an outcome for each command, or why the store failed. */
export type CommitResult = { outcomes: Outcome[] } | { error: { message: string; code: string } }

/** The only writer of a database. Everything it does is synchronous, so it lives on a thread that answers no requests. */
export interface Writer {
  /** Does the commands of several callers in one transaction with one sync. */
  apply(batch: readonly (readonly Command[])[]): CommitResult[]
  close(): void
}

const SQLITE_IOERR = 10
const SQLITE_FULL = 13
const BUSY_TIMEOUT_MS = 10_000
/** A checkpoint costs syncs of its own, so that there is one for each 16 MiB of log; what a crash leaves must be read at the next start. */
const WRITING = `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;
  PRAGMA wal_autocheckpoint = 4096; PRAGMA cache_size = -32768`

/**
 * Opens a database for writing and brings it to the newest schema; `:memory:` makes one that is gone on close.
 *
 * @throws NewerDataError, JournalDamagedError; nothing is touched then
 */
export function openForWriting(path: string): DatabaseSync {
  if (path !== ':memory:' && existsSync(path)) {
    refuseDamagedJournal(path)
    refuseNewer(path)
  }
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  try {
    database.exec(WRITING)
    migrate(database)
  } catch (error) {
    database.close()
    throw error
  }
  return database
}

/** Opening for writing changes a file already: it would take in the journal of a crashed server. */
function refuseNewer(path: string): void {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    schemaVersion(database)
  } finally {
    database.close()
  }
}

/**
 * Makes the writer of a database that {@link openForWriting} opened.
 *
 * @param versions are raised by all that it changes
 */
export function sqliteWriter(path: string, opened: DatabaseSync, versions: Versions): Writer {
  let database = opened
  let statements = prepareStatements(database)

  const file = fileAt(path)

  /** A new file in its place would take writes that nobody finds again when the old one is back. */
  function reopen(): void {
    if (fileAt(path) !== file) throw new Error(`${path} is gone, or is another file than at the start`)
    database = openForWriting(path)
    statements = prepareStatements(database)
  }

  return {
    apply(batch) {
      try {
        if (!database.isOpen) reopen()
        return applyBatch(database, statements, batch, versions)
      } catch (error) {
        // What this connection believes of its files may be wrong from now on.
        if (primaryCode(error) === SQLITE_IOERR && path !== ':memory:') database.close()
        return batch.map(() => ({ error: describe(error) }))
      }
    },
    close() {
      if (database.isOpen) database.close()
    },
  }
}

/** Which file lies under a path; undefined if none does. */
function fileAt(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found && `${found.dev}/${found.ino}`
}

function applyBatch(
  database: DatabaseSync,
  statements: Statements,
  batch: readonly (readonly Command[])[],
  versions: Versions,
): CommitResult[] {
  database.exec('BEGIN IMMEDIATE')
  try {
    const results = batch.map((commands) => applyCommands(statements, commands))
    versions.whileChanging(batch, () => database.exec('COMMIT'))
    return results
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** One savepoint for each caller: what goes wrong with its commands harms no other's. */
function applyCommands(statements: Statements, commands: readonly Command[]): CommitResult {
  statements.run('SAVEPOINT commands')
  try {
    const outcomes = commands.map((command) => applyCommand(statements, command))
    statements.run('RELEASE commands')
    return { outcomes }
  } catch (error) {
    if (isStoreFailure(error)) throw error
    statements.run('ROLLBACK TO commands')
    statements.run('RELEASE commands')
    return { error: describe(error) }
  }
}

type Handlers = {
  readonly [Type in Command['type']]: (
    statements: Statements,
    command: Extract<Command, { type: Type }>,
  ) => Outcomes[Type]
}

const HANDLERS: Handlers = {
  putBlob,
  mountBlob,
  deleteBlob,
  keepBlob,
  putManifest,
  deleteManifest,
  undeleteManifest,
  purgeManifest,
  expireDeleted,
  describeManifests,
  recordPulls,
  dropDoomedTags,
  setTag,
  deleteTag,
  openUpload,
  saveUpload,
  revertUpload,
  acknowledgeUpload,
  seizeUpload,
  reserveKey,
  moveUpload,
  releaseUpload,
  releaseLeases,
  endUpload,
  discardKey: discardUploadKey,
  expireUploads,
  collectBlobs,
  pruneChanges,
  deleteRepository,
  dropDeletedRepositories,
  saveCounts,
  forgetGarbage,
}

function applyCommand(statements: Statements, command: Command): Outcome {
  const handle = HANDLERS[command.type] as (statements: Statements, command: Command) => Outcome
  return handle(statements, command)
}

/** The result code without its extension; undefined if the error isn't SQLite's. */
function primaryCode(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: number }
  return errcode === undefined ? undefined : errcode & 0xff
}

function isStoreFailure(error: unknown): boolean {
  const code = primaryCode(error)
  return code === SQLITE_IOERR || code === SQLITE_FULL
}

/** An error as it can be sent to another thread; a full disk is ENOSPC, as everywhere. */
export function describe(error: unknown): { message: string; code: string } {
  const { message, code = 'ERR_METADATA' } = error as NodeJS.ErrnoException
  return { message, code: primaryCode(error) === SQLITE_FULL ? 'ENOSPC' : code }
}
