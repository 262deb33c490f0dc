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
  /** Whether files that the database does not reference are deleted; never while the database has a problem. */
  deletesOrphans: boolean
  onDatabaseProblem(problem: string): void
  onLost(lost: LostBlob): void
  /** Called after each blob. */
  onProgress(checked: CheckedBlobs): void
}

/** The blobs that were checked. */
export interface CheckedBlobs {
  /** Those without a problem. */
  blobs: number
  bytes: number
  lost: number
}

/** The result of a check. */
export interface CheckReport extends CheckedBlobs {
  isSound: boolean
  databaseProblems: number
  /** Absent if orphans were not looked for, since it is unknown what the database should reference. */
  orphans?: Orphans
}

/** A running server changes the log, so a problem of the log counts only if it is found this many times. */
const LOOKS = 3
const PAUSE_MS = 300

/**
 * Checks a data folder: the database, that every blob exists, and that there are no other files. Nothing is changed, unless orphans are to
 * be deleted. The memory that it needs does not depend on the size of the folder.
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

/** If the rest of a database cannot be read, that is a problem like any other. */
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

/** Enough to recognize the cause. A database that is damaged in its middle may have as many problems as rows. */
function gatherProblems(database: DatabaseSync): string[] {
  const found: string[] = []
  for (const problems of stepsOfFullCheck(database)) {
    found.push(...problems)
    if (found.length >= MAX_PROBLEMS) break
  }
  return found
}
