import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseManifest } from '../../oci/manifest.ts'
import { type JournalMarks, readJournalMarks, readMarksOfFile } from './checkpoints.ts'
import { databaseSize } from './database-size.ts'
import { JournalDamagedError, refuseDamagedJournal } from './journal.ts'
import { MIGRATIONS, schemaVersion } from './migrations.ts'
import { primaryCode, SQLITE_CORRUPT } from './sqlite-error.ts'
import { prepareStatements, type Row, type Statements } from './statements.ts'

/** The database is damaged, or consists of copies from different moments. */
export class DatabaseDamagedError extends Error {
  override readonly name = 'DatabaseDamagedError'
}

/** How far a database was checked: there was no reason to check it, it was checked completely, or there was no time for all of it. */
export type Soundness = 'trusted' | 'checked' | 'in part'

const LOG_MISSING = 'its write-ahead log metadata.sqlite-wal is missing'
const TORN = 'the database and its write-ahead log were copied at different times'
const BUSY_TIMEOUT_MS = 10_000
const PAGE = 1000
const MIB = 1024 * 1024
/** The size that SQLite can check in about a second: completely, or without comparing indexes with their tables. */
const MAX_INTEGRITY = 64 * MIB
const MAX_QUICK = 256 * MIB
/** A start must not take longer than five seconds in all. */
const PATIENCE_MS = 3_000
/** The pause between two steps of some milliseconds, since the thread also does other work. */
const PAUSE_MS = 20

/**
 * Refuses a database that cannot be as a server left it. It is only read: nothing is changed, not even the log is recovered.
 *
 * After an orderly end only the marks are checked. After a crash, or if it may be a copy of a database in use, SQLite checks it if it is
 * small. Then it is searched for references to missing rows, for some seconds at most.
 *
 * @returns how far it was checked: `trusted` if there was no need to check
 * @throws DatabaseDamagedError, NewerDataError
 */
export function refuseUnsound(path: string, patience = PATIENCE_MS): Soundness {
  if (!existsSync(path)) return 'trusted'
  const ofFile = readMarksOfFile(path)
  if (isLogMissing(path, ofFile)) throw new DatabaseDamagedError(LOG_MISSING)
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    schemaVersion(database)
    const marks = readJournalMarks(database)
    if (isTorn(ofFile, marks)) throw new DatabaseDamagedError(TORN)
    if (ofFile?.running === false && marks?.running === false) return 'trusted'
    return refuseUnsoundContent(database, performance.now() + patience) ? 'checked' : 'in part'
  } finally {
    database.close()
  }
}

function isLogMissing(path: string, ofFile: JournalMarks | undefined): boolean {
  return ofFile?.running === true && !existsSync(`${path}-wal`)
}

function isTorn(ofFile: JournalMarks | undefined, marks: JournalMarks | undefined): boolean {
  if (ofFile === undefined || marks === undefined) return false
  return ofFile.number < marks.base || ofFile.number > marks.number
}

/**
 * Checks once whether a database and its log are from different moments, or its log is damaged. A server that has it open may change both
 * during the check, so only a result that is found repeatedly is reliable.
 *
 * @param database a connection to it
 */
export function problemOfJournal(path: string, database: DatabaseSync): string | undefined {
  const ofFile = readMarksOfFile(path)
  if (isLogMissing(path, ofFile)) return LOG_MISSING
  if (isTorn(ofFile, readJournalMarks(database))) return TORN
  try {
    refuseDamagedJournal(path)
    return undefined
  } catch (error) {
    if (error instanceof JournalDamagedError) return error.message
    throw error
  }
}

/** The steps of a check without a time limit: the full check of SQLite, then the search for references to missing rows. */
export function* stepsOfFullCheck(database: DatabaseSync): Generator<string[]> {
  yield* guarded(stepsOfIntegrity(database))
  yield* stepsOfContent(database)
}

function* stepsOfIntegrity(database: DatabaseSync): Generator<string[]> {
  yield integrityProblems(database, 'integrity_check(100)')
}

/**
 * Checks a database that is in use, step by step, for problems that the start had no time to look for.
 *
 * @returns the first problem; undefined if there is none, or the signal was aborted first
 */
export async function findProblem(path: string, signal: AbortSignal): Promise<string | undefined> {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    for (const [problem] of stepsOfContent(database)) {
      if (problem !== undefined || signal.aborted) return problem
      await sleep(PAUSE_MS, undefined, { signal, ref: false }).catch(() => {})
    }
    return undefined
  } finally {
    database.close()
  }
}

function refuseUnsoundContent(database: DatabaseSync, deadline: number): boolean {
  for (const problems of stepsOfCheck(database)) {
    const [problem] = problems
    if (problem !== undefined) throw new DatabaseDamagedError(problem)
    if (performance.now() > deadline) return false
  }
  return true
}

/** The steps of a check. Each except the first takes some milliseconds. Each yields the problems that it found. */
export function* stepsOfCheck(database: DatabaseSync): Generator<string[]> {
  const bytes = databaseSize(database)
  if (bytes <= MAX_INTEGRITY) yield integrityProblems(database, 'integrity_check(10)')
  else if (bytes <= MAX_QUICK) yield integrityProblems(database, 'quick_check(10)')
  yield* stepsOfContent(database)
}

/** The steps that look for references to missing rows. */
export function* stepsOfContent(database: DatabaseSync): Generator<string[]> {
  // A database of an older version is migrated to this schema later.
  if (schemaVersion(database) === MIGRATIONS.length)
    yield* guarded(stepsOfTables(prepareStatements(database)))
}

/** The problems that SQLite itself finds. @param check such as `integrity_check(10)` */
export function integrityProblems(database: DatabaseSync, check: string): string[] {
  const rows = database.prepare(`PRAGMA ${check}`).all()
  const texts = rows.map((row) => String(Object.values(row)[0]).replace(/\s+/g, ' '))
  return texts.filter((text) => text !== 'ok')
}

/** A malformed page of the database is a problem like any other, and ends the check. */
function* guarded(steps: Generator<string[]>): Generator<string[]> {
  try {
    yield* steps
  } catch (error) {
    if (primaryCode(error) !== SQLITE_CORRUPT) throw error
    yield [(error as Error).message]
  }
}

interface Table {
  /** The columns by which it is read in pages, each with a value that sorts before all its values. */
  place: Readonly<Record<string, string | number>>
  /** Selects `place`, whether a row is `bad`, and the other columns that `describe` needs. */
  sql: string
  /** @returns undefined if it is correct after all */
  describe(row: Row, statements: Statements): string | undefined
}

const BY_DIGEST = { repository: 0, digest: '' }
const BY_NAME = { repository: 0, name: '' }

const TABLES: readonly Table[] = [
  {
    place: BY_DIGEST,
    sql: `SELECT t.repository, t.digest, c.digest IS NULL AS bad FROM links t
      LEFT JOIN contents c ON c.digest = t.digest`,
    describe: ({ digest }) => `blob ${digest} has no content`,
  },
  {
    place: BY_DIGEST,
    sql: `SELECT t.repository, t.digest, c.bytes IS NULL AS bad FROM manifests t
      LEFT JOIN contents c ON c.digest = t.digest`,
    describe: ({ digest }) => `manifest ${digest} has no content`,
  },
  {
    place: BY_NAME,
    sql: `SELECT t.repository, t.name, r.id IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM manifests m WHERE m.repository = t.repository AND m.digest = t.digest) AND NOT EXISTS
        (SELECT 1 FROM doomed_tags d WHERE d.repository = t.repository AND d.digest = t.digest) AS bad
      FROM tags t LEFT JOIN repositories r ON r.id = t.repository`,
    describe: ({ name }) => `tag ${name} points to a manifest that does not exist`,
  },
  {
    place: BY_NAME,
    sql: `SELECT t.repository, t.name, r.id IS NOT NULL AND t.digest IS NOT (
        SELECT c.new FROM changes c WHERE c.repository = t.repository AND c.subject = t.name
          AND c.kind IN ('tag-set', 'tag-removed') ORDER BY c.revision DESC LIMIT 1) AS bad
      FROM tags t LEFT JOIN repositories r ON r.id = t.repository`,
    describe: ({ name }) => `tag ${name} does not match the change log`,
  },
  {
    place: { id: 0 },
    sql: `SELECT t.id, (t.revision > t.pruned AND NOT EXISTS
        (SELECT 1 FROM changes c WHERE c.repository = t.id AND c.revision = t.revision)) OR EXISTS
        (SELECT 1 FROM changes c WHERE c.repository = t.id AND c.revision > t.revision) AS bad
      FROM repositories t`,
    describe: ({ id }) => `repository ${id} does not match the change log`,
  },
  {
    place: { repository: 0, parent: '', child: '', kind: '' },
    sql: `SELECT t.repository, t.parent, t.child, t.kind, r.id IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM links l WHERE l.repository = t.repository AND l.digest = t.child) AND (t.kind <> 'manifest' OR
        NOT EXISTS (SELECT 1 FROM manifests m WHERE m.repository = t.repository AND m.digest = t.child)) AND NOT EXISTS
        (SELECT 1 FROM loose_edges e WHERE e.repository = t.repository AND e.parent = t.parent) AS bad
      FROM edges t LEFT JOIN repositories r ON r.id = t.repository`,
    describe: (row, statements) =>
      isRequired(statements, row)
        ? `manifest ${row.parent} references ${row.child}, which does not exist`
        : undefined,
  },
]

function* stepsOfTables(statements: Statements): Generator<string[]> {
  for (const { place, sql, describe } of TABLES) {
    const columns = Object.keys(place)
    const names = columns.map((column) => `t.${column}`).join(', ')
    const page = `${sql} WHERE (${names}) > (${columns.map(() => '?')}) ORDER BY ${names} LIMIT ${PAGE}`
    let after: Row | undefined = place
    while (after !== undefined) {
      const { ...values }: Row = after
      const rows = statements.all(page, ...columns.map((column) => values[column] ?? null))
      yield rows.flatMap((row) => (row.bad === 1 ? (describe(row, statements) ?? []) : []))
      after = rows.length < PAGE ? undefined : rows.at(-1)
    }
  }
}

/** A layer that is stored elsewhere need not be in the repository; the manifest says whether it is. */
function isRequired(statements: Statements, { repository, parent, child, kind }: Row): boolean {
  if (kind !== 'layer') return true
  const manifest = statements.get(
    `SELECT m.media_type AS mediaType, c.bytes FROM manifests m JOIN contents c ON c.digest = m.digest
     WHERE m.repository = ? AND m.digest = ?`,
    repository ?? null,
    parent ?? null,
  )
  if (!(manifest?.bytes instanceof Uint8Array)) return true
  const { edges } = parseManifest(manifest.bytes, manifest.mediaType as string)
  return edges.some(({ digest, required }) => digest === child && required)
}
