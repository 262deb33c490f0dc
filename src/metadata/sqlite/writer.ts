import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Command, Commands, Outcome, Stamped } from '../command.ts'
import { touchedParts } from '../touched-parts.ts'
import { collectBlobs, deleteBlob, keepBlob, mountBlob, putBlob } from './blobs.ts'
import { Checkpoints, offersCheckpoints } from './checkpoints.ts'
import { forgetGarbage, reserveProbe } from './contents.ts'
import { saveCounts } from './counts.ts'
import { deleteRepository, dropDeletedRepositories } from './deletions.ts'
import { settleEdges } from './edges.ts'
import { leaseJob, recordRun, releaseJob } from './jobs.ts'
import { deleteManifest, describeManifests, purgeManifest, putManifest, recordPulls } from './manifests.ts'
import { openForWriting } from './opening.ts'
import { pruneChanges } from './pruning.ts'
import { ReadMark } from './read-mark.ts'
import type { Reserve } from './reserve.ts'
import { shrinkStore } from './shrinking.ts'
import { isStoreFailure, primaryCode, SQLITE_FULL, SQLITE_IOERR, SQLITE_READONLY } from './sqlite-error.ts'
import { prepareStatements, type Statements } from './statements.ts'
import { ChangeTimes, type StoreClock } from './store-clock.ts'
import { deleteTag, dropHiddenTags, setTag } from './tags.ts'
import { expireDeleted, undeleteManifest } from './tombstones.ts'
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

/** The result of one call of `commit`: an outcome for each command, or the reason why the store failed. */
export type CommitResult = { outcomes: Outcome[] } | { error: { message: string; code: string } }

/** The only writer of a database. Everything it does is synchronous, so it runs on a thread that answers no requests. */
export interface Writer {
  /** Executes the commands of several callers in one transaction with one sync. */
  apply(batch: readonly (readonly Command[])[]): CommitResult[]
  /** For a moment in which no request waits: makes a checkpoint if the log has become long. */
  rest(): void
  close(): void
}

/** What a writer needs in addition to its database. */
export interface WriterEnvironment {
  path: string
  /** The versions that the writer raises with each change. */
  versions: Versions
  /** It gives the commands their times. */
  clock: StoreClock
  /** For commands that free space on a full disk; without it, they fail there like all others. */
  reserve?: Reserve
}

/** Makes the writer of a database that {@link openForWriting} opened. */
export function sqliteWriter(opened: DatabaseSync, environment: WriterEnvironment): Writer {
  return new SqliteWriter(opened, environment)
}

class SqliteWriter implements Writer {
  readonly #environment: WriterEnvironment
  readonly #file: string | undefined
  readonly #times: ChangeTimes
  #connection: Connection

  constructor(opened: DatabaseSync, environment: WriterEnvironment) {
    this.#environment = environment
    this.#file = fileAt(environment.path)
    this.#times = new ChangeTimes(environment.clock)
    this.#connection = this.#connect(opened)
  }

  apply(batch: readonly (readonly Command[])[]): CommitResult[] {
    const { path, reserve } = this.#environment
    try {
      if (!this.#connection.database.isOpen) this.#reopen()
      return applyBatch(this.#connection, batch, this.#times.next())
    } catch (error) {
      // The state that this connection has of its files may be wrong from now on.
      if (primaryCode(error) === SQLITE_IOERR && path !== ':memory:') this.#drop()
      const failed = batch.map(() => ({ error: describe(error) }))
      const isFull = primaryCode(error) === SQLITE_FULL
      return isFull && reserve !== undefined ? this.#freeOnly(batch, failed, reserve) : failed
    }
  }

  rest(): void {
    const { database, checkpoints, readMark } = this.#connection
    try {
      if (!database.isOpen) return
      if (checkpoints?.takeIfDue()) readMark?.move()
    } catch (error) {
      // No answer depends on it; the next batch will find the problem.
      if (!isStoreFailure(error)) throw error
      if (primaryCode(error) === SQLITE_IOERR) this.#drop()
    }
  }

  close(): void {
    const { database, checkpoints, readMark } = this.#connection
    if (!database.isOpen) return
    readMark?.close()
    checkpoints?.end()
    database.close()
  }

  #connect(database: DatabaseSync): Connection {
    const { path, versions } = this.#environment
    const statements = prepareStatements(database)
    const isOurs = path !== ':memory:' && offersCheckpoints()
    return {
      database,
      statements,
      versions,
      checkpoints: isOurs ? new Checkpoints(database, statements) : undefined,
      // It is made after the commits of the checkpoints themselves.
      readMark: path === ':memory:' ? undefined : new ReadMark(path),
    }
  }

  /** A new file in its place would receive writes that are lost when the old one is back. */
  #reopen(): void {
    const { path } = this.#environment
    if (fileAt(path) !== this.#file)
      throw new Error(`${path} was removed or replaced while the server was running`)
    const database = openForWriting(path)
    try {
      renewLog(database)
      this.#connection = this.#connect(database)
    } catch (error) {
      database.close()
      throw error
    }
  }

  #drop(): void {
    const { database, readMark } = this.#connection
    if (!database.isOpen) return
    readMark?.close()
    database.close()
  }

  /** Executes the commands of a batch that free space, in the space that the reserve provides. The others have failed. */
  #freeOnly(
    batch: readonly (readonly Command[])[],
    failed: readonly CommitResult[],
    reserve: Reserve,
  ): CommitResult[] {
    const freeing = batch.filter((commands) => commands.every(({ type }) => FREES_SPACE.has(type)))
    if (freeing.length === 0) return [...failed]
    try {
      const results = reserve.lend(() => {
        // If this succeeds, the log starts over and needs no space.
        this.#connection.checkpoints?.take()
        return applyBatch(this.#connection, freeing, this.#times.next())
      })
      const resultOf = new Map(freeing.map((commands, index) => [commands, results[index]]))
      return batch.map((commands, index) => resultOf.get(commands) ?? (failed[index] as CommitResult))
    } catch {
      return [...failed]
    }
  }
}

/**
 * Makes a checkpoint and starts the log over. After a failed sync the system may have lost parts of the log that it still shows, and no
 * later sync would write them.
 */
function renewLog(database: DatabaseSync): void {
  const { busy } = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() ?? {}
  if (busy !== 0)
    throw new Error(
      'the write-ahead log of the database could not be restarted because it is still being read',
    )
}

/** Identifies the file at a path; undefined if there is none. */
function fileAt(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found && `${found.dev}/${found.ino}`
}

interface Connection {
  database: DatabaseSync
  statements: Statements
  checkpoints: Checkpoints | undefined
  readMark: ReadMark | undefined
  versions: Versions
}

function applyBatch(
  { database, statements, checkpoints, readMark, versions }: Connection,
  batch: readonly (readonly Command[])[],
  at: number,
): CommitResult[] {
  database.exec('BEGIN IMMEDIATE')
  try {
    const results = batch.map((commands) => applyCommands(statements, commands, at))
    checkpoints?.mark()
    versions.whileChanging(touchedByBatch(batch, results), () => {
      database.exec('COMMIT')
      readMark?.move()
    })
    checkpoints?.committed(batch.reduce((sum, commands) => sum + commands.length, 0))
    return results
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** The parts of the store in which a batch has changed something that readers cache. */
function touchedByBatch(
  batch: readonly (readonly Command[])[],
  results: readonly CommitResult[],
): ReadonlySet<string> {
  const parts = new Set<string>()
  for (const [call, commands] of batch.entries()) {
    const result = results[call]
    if (result === undefined || 'error' in result) continue
    for (const [index, command] of commands.entries()) {
      for (const part of touchedParts(command, result.outcomes[index] as Outcome)) parts.add(part)
    }
  }
  return parts
}

/** Uses one savepoint for each caller, so that a failure of its commands does not affect those of others. */
function applyCommands(statements: Statements, commands: readonly Command[], at: number): CommitResult {
  statements.run('SAVEPOINT commands')
  try {
    const outcomes = commands.map((command) => applyCommand(statements, { ...command, at }))
    statements.run('RELEASE commands')
    return { outcomes }
  } catch (error) {
    if (isStoreFailure(error)) throw error
    statements.run('ROLLBACK TO commands')
    statements.run('RELEASE commands')
    return { error: describe(error) }
  }
}

/** Commands that may use the last free space, since they free more, or are needed for that and take none. */
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
  'dropHiddenTags',
  'settleEdges',
  'forgetGarbage',
  'leaseJob',
  'releaseJob',
  'shrinkStore',
])

type Handlers = {
  readonly [Type in keyof Commands]: (
    statements: Statements,
    command: Stamped<Commands[Type]['command']>,
  ) => Commands[Type]['outcome']
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
  dropHiddenTags,
  settleEdges,
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
  reserveProbe,
  leaseJob,
  releaseJob,
  recordRun,
  shrinkStore,
}

function applyCommand(statements: Statements, command: Stamped): Outcome {
  const handle = HANDLERS[command.type] as (statements: Statements, command: Stamped) => Outcome
  return handle(statements, command)
}

/** Converts an error so that it can be sent to another thread. A full disk is ENOSPC and one that became read-only is EROFS, as everywhere. */
export function describe(error: unknown): { message: string; code: string } {
  const { message, code = 'ERR_METADATA' } = error as NodeJS.ErrnoException
  return { message, code: SYSTEM_CODES.get(primaryCode(error) ?? 0) ?? code }
}

const SYSTEM_CODES: ReadonlyMap<number, string> = new Map([
  [SQLITE_FULL, 'ENOSPC'],
  [SQLITE_READONLY, 'EROFS'],
])
