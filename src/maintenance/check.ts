import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { secretOf } from '../metadata/sqlite/database-copy.ts'
import { readQuietly } from '../metadata/sqlite/quiet-reading.ts'
import { problemOfJournal, stepsOfFullCheck } from '../metadata/sqlite/soundness.ts'
import { primaryCode, SQLITE_CORRUPT, SQLITE_NOTADB } from '../metadata/sqlite/sqlite-error.ts'
import { isMarked } from '../storage/blob-folder.ts'
import { blobsOf, databaseOf, identityOf } from '../stores/data-folder.ts'
import { checkBlobs } from './blob-check.ts'
import type { LostBlob } from './lost-blob.ts'
import { findOrphans, type Orphans } from './orphans.ts'

/** What to check, and how thoroughly. */
export interface CheckRequest {
  /** A data folder or a backup. A server may run on it. */
  data: string
  /** Whether all bytes are hashed, and not only the sizes compared. */
  isFull: boolean
  /** Whether files that nothing names are deleted; never while the database has a problem. */
  deletesOrphans: boolean
  onDatabaseProblem(problem: string): void
  onLost(lost: LostBlob): void
  /** Told after each blob. */
  onProgress(checked: CheckedBlobs): void
}

/** The blobs that were looked at. */
export interface CheckedBlobs {
  /** Those that are as they should be. */
  blobs: number
  bytes: number
  lost: number
}

/** What a check found. */
export interface CheckReport extends CheckedBlobs {
  isSound: boolean
  databaseProblems: number
  /** Absent if they were not looked for, since nobody knows what the database should name. */
  orphans?: Orphans
}

/** A problem of a log that a running server changes is one only if it is found so often. */
const LOOKS = 3
const PAUSE_MS = 300

/**
 * Checks a data folder: the database, that every blob is there, and what lies beside them. Nothing is changed, unless orphans are to be deleted.
 * How much memory it takes does not depend on how much there is.
 *
 * @throws NewerDataError, UnreadableDatabaseError, or the error of the file system
 */
export async function checkFolder(request: CheckRequest): Promise<CheckReport> {
  const path = databaseOf(request.data)
  let databaseProblems = 0
  const onProblem = (problem: string) => {
    databaseProblems++
    request.onDatabaseProblem(problem)
  }
  const checked = { blobs: 0, bytes: 0, lost: 0 }
  const orphans = await problemsTold(onProblem, async () => {
    await checkDatabase(path, onProblem)
    const identity = identityOf(await readQuietly(path, secretOf))
    const folder = { root: blobsOf(request.data), identity }
    if (!(await isMarked(folder))) {
      onProblem(`${folder.root} is not the blob folder of this database; is its disk mounted?`)
      return undefined
    }
    await checkBlobs({ ...request, database: path, folder }, checked)
    if (databaseProblems > 0) return undefined
    return await findOrphans({ database: path, root: folder.root, isToDelete: request.deletesOrphans })
  })
  return {
    ...checked,
    databaseProblems,
    isSound: databaseProblems === 0 && checked.lost === 0,
    ...(orphans && { orphans }),
  }
}

/** A database that cannot be read on is a problem like any other. */
async function problemsTold<T>(
  onProblem: (problem: string) => void,
  step: () => Promise<T | undefined>,
): Promise<T | undefined> {
  try {
    return await step()
  } catch (error) {
    if (![SQLITE_CORRUPT, SQLITE_NOTADB].includes(primaryCode(error) ?? 0)) throw error
    onProblem((error as Error).message)
    return undefined
  }
}

async function checkDatabase(path: string, onProblem: (problem: string) => void): Promise<void> {
  const ofJournal = await steadyProblem(() =>
    readQuietly(path, (database) => problemOfJournal(path, database)),
  )
  if (ofJournal !== undefined) onProblem(ofJournal)
  const found = await readQuietly(path, gatherProblems)
  for (const problem of found) onProblem(problem)
}

async function steadyProblem(look: () => Promise<string | undefined>): Promise<string | undefined> {
  for (let turn = 1; ; turn++) {
    const found = await look()
    if (found === undefined || turn === LOOKS) return found
    await sleep(PAUSE_MS)
  }
}

const MAX_PROBLEMS = 1000

/** Enough to see what it is; a database that is damaged in its middle may have as many problems as rows. */
function gatherProblems(database: DatabaseSync): string[] {
  const found: string[] = []
  for (const problems of stepsOfFullCheck(database)) {
    found.push(...problems)
    if (found.length >= MAX_PROBLEMS) break
  }
  return found
}
