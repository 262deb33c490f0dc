import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Command, Outcome, Outcomes } from '../command.ts'
import { collectBlobs, deleteBlob, keepBlob, mountBlob, putBlob } from './blobs.ts'
import { forgetGarbage } from './contents.ts'
import { saveCounts } from './counts.ts'
import { deleteRepository, dropDeletedRepositories } from './deletions.ts'
import { expireDeleted, undeleteManifest } from './graves.ts'
import { deleteManifest, describeManifests, purgeManifest, putManifest, recordPulls } from './manifests.ts'
import { openForWriting } from './opening.ts'
import { pruneChanges } from './pruning.ts'
import type { Reserve } from './reserve.ts'
import { shrinkStore } from './shrinking.ts'
import { isStoreFailure, primaryCode, SQLITE_FULL, SQLITE_IOERR } from './sqlite-error.ts'
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

/** What a writer needs beside its database. */
export interface WriterSurroundings {
  path: string
  /** They are raised by all that it changes. */
  versions: Versions
  /** For what frees space on a full disk; without it that fails there as all else does. */
  reserve?: Reserve
}

/** Makes the writer of a database that {@link openForWriting} opened. */
export function sqliteWriter(opened: DatabaseSync, { path, versions, reserve }: WriterSurroundings): Writer {
  let database = opened
  let statements = prepareStatements(database)

  const file = fileAt(path)

  /** A new file in its place would take writes that nobody finds again when the old one is back. */
  function reopen(): void {
    if (fileAt(path) !== file) throw new Error(`${path} is gone, or is another file than at the start`)
    database = openForWriting(path)
    try {
      renewLog(database)
    } catch (error) {
      database.close()
      throw error
    }
    statements = prepareStatements(database)
  }

  /** Does those of a batch that free space, in the space that the reserve gives; the others have failed. */
  function freeOnly(
    batch: readonly (readonly Command[])[],
    failed: readonly CommitResult[],
    lender: Reserve,
  ): CommitResult[] {
    const freeing = batch.filter((commands) => commands.every(({ type }) => FREES_SPACE.has(type)))
    if (freeing.length === 0) return [...failed]
    try {
      const results = lender.lend(() => {
        // The log begins anew where that succeeds, and needs no space then.
        database.exec('PRAGMA wal_checkpoint(PASSIVE)')
        return applyBatch(database, statements, freeing, versions)
      })
      const resultOf = new Map(freeing.map((commands, index) => [commands, results[index]]))
      return batch.map((commands, index) => resultOf.get(commands) ?? (failed[index] as CommitResult))
    } catch {
      return [...failed]
    }
  }

  return {
    apply(batch) {
      try {
        if (!database.isOpen) reopen()
        return applyBatch(database, statements, batch, versions)
      } catch (error) {
        // What this connection believes of its files may be wrong from now on.
        if (primaryCode(error) === SQLITE_IOERR && path !== ':memory:' && database.isOpen) database.close()
        const failed = batch.map(() => ({ error: describe(error) }))
        const isFull = primaryCode(error) === SQLITE_FULL
        return isFull && reserve !== undefined ? freeOnly(batch, failed, reserve) : failed
      }
    },
    close() {
      if (database.isOpen) database.close()
    },
  }
}

/**
 * Takes the log into the database and begins it anew. After a sync that failed, the system may have forgotten parts of the log that it
 * still shows, and no later sync would write them.
 */
function renewLog(database: DatabaseSync): void {
  const { busy } = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() ?? {}
  if (busy !== 0)
    throw new Error('the log of the database could not be begun anew, since it is still being read')
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

/** What may use the last space that there is, since it leads to more. */
const FREES_SPACE: ReadonlySet<Command['type']> = new Set([
  'deleteBlob',
  'deleteManifest',
  'purgeManifest',
  'expireDeleted',
  'deleteTag',
  'releaseUpload',
  'releaseLeases',
  'endUpload',
  'expireUploads',
  'collectBlobs',
  'pruneChanges',
  'deleteRepository',
  'dropDeletedRepositories',
  'dropDoomedTags',
  'forgetGarbage',
  'shrinkStore',
])

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
  shrinkStore,
}

function applyCommand(statements: Statements, command: Command): Outcome {
  const handle = HANDLERS[command.type] as (statements: Statements, command: Command) => Outcome
  return handle(statements, command)
}

/** An error as it can be sent to another thread; a full disk is ENOSPC, as everywhere. */
export function describe(error: unknown): { message: string; code: string } {
  const { message, code = 'ERR_METADATA' } = error as NodeJS.ErrnoException
  return { message, code: primaryCode(error) === SQLITE_FULL ? 'ENOSPC' : code }
}
