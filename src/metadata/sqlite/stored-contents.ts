import { accessSync, constants } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Digest } from '../../oci/digest.ts'
import type { StoredContent } from '../contents.ts'
import { schemaVersion } from './migrations.ts'
import { prepareStatements, type Statements } from './statements.ts'

/** A content of the database. Its bytes are under a key of the blob store, or in the row itself. */
export interface ListedContent {
  id: number
  digest: Digest
  size: number
  /** Absent if the bytes are in the row. */
  key?: string
}

const MAX_HOLDERS = 3

/** A page of all contents, in the order of their numbers. @param after the last number of the previous page; 0 at first */
export function listContents(database: DatabaseSync, after: number, limit: number): ListedContent[] {
  const rows = database
    .prepare('SELECT id, digest, size, key FROM contents WHERE id > ? ORDER BY id LIMIT +?')
    .all(after, limit)
  return rows.map(({ id, digest, size, key }) => ({
    id: id as number,
    digest: digest as Digest,
    size: size as number,
    ...(key !== null && { key: key as string }),
  }))
}

/** The bytes of a content from its row; undefined if they are not in the row, or no longer. */
export function inlineBytes(database: DatabaseSync, id: number): Uint8Array | undefined {
  const bytes = database.prepare('SELECT bytes FROM contents WHERE id = ?').get(id)?.bytes
  return bytes instanceof Uint8Array ? bytes : undefined
}

/** Where the bytes of a digest are stored now; undefined if nothing names it any more, or they are in the row. */
export function placeOf(database: DatabaseSync, digest: Digest): StoredContent | undefined {
  const row = database
    .prepare('SELECT size, key FROM contents WHERE digest = ? AND key IS NOT NULL')
    .get(digest)
  return row && { digest, size: row.size as number, key: row.key as string }
}

/** The names of some repositories that a blob is in. */
export function holdersOf(database: DatabaseSync, digest: Digest): string[] {
  const rows = database
    .prepare(
      'SELECT r.name FROM links l JOIN repositories r ON r.id = l.repository WHERE l.digest = ? LIMIT +?',
    )
    .all(digest, MAX_HOLDERS)
  return rows.map(({ name }) => String(name))
}

/** The columns that can contain a key of the blob store. A key that is in none of them is not referenced. */
const KEYS_OF_FIRST_SCHEMA = `SELECT key FROM contents WHERE key IS NOT NULL UNION ALL
  SELECT key FROM uploads WHERE key IS NOT NULL UNION ALL SELECT key FROM garbage`
const NEXT_KEYS = 'UNION ALL SELECT next_key FROM uploads WHERE next_key IS NOT NULL'
const FIRST_WITH_NEXT_KEYS = 3

/** Where SQLite creates temporary files. */
const TEMPORARY_FOLDERS = [process.env.SQLITE_TMPDIR, process.env.TMPDIR, '/var/tmp', '/usr/tmp', '/tmp']

/**
 * A list of keys that accompanies a read-only database. SQLite keeps it in a temporary file, so that memory does not grow with it. Only in
 * a container without a folder for temporary files, it is kept in memory.
 */
export class KeyList {
  readonly #statements: Statements
  readonly #named: string

  constructor(database: DatabaseSync) {
    this.#statements = prepareStatements(database)
    const hasNextKeys = schemaVersion(database) >= FIRST_WITH_NEXT_KEYS
    this.#named = hasNextKeys ? `${KEYS_OF_FIRST_SCHEMA} ${NEXT_KEYS}` : KEYS_OF_FIRST_SCHEMA
    database.exec(`PRAGMA temp_store = ${TEMPORARY_FOLDERS.some(canBeWritten) ? 'FILE' : 'MEMORY'}`)
    database.exec('CREATE TEMP TABLE listed_keys (key TEXT PRIMARY KEY) STRICT, WITHOUT ROWID')
  }

  add(key: string): void {
    this.#statements.run('INSERT OR IGNORE INTO temp.listed_keys (key) VALUES (?)', key)
  }

  /** Removes all keys from the list that the database references, as it is at one moment. */
  dropNamed(): void {
    this.#statements.run(`DELETE FROM temp.listed_keys WHERE key IN (${this.#named})`)
  }

  /** A page of the remaining keys, in order. @param after the last key of the previous page; empty at first */
  page(after: string, limit: number): string[] {
    const rows = this.#statements.all(
      'SELECT key FROM temp.listed_keys WHERE key > ? ORDER BY key LIMIT +?',
      after,
      limit,
    )
    return rows.map(({ key }) => String(key))
  }
}

function canBeWritten(folder: string | undefined): boolean {
  try {
    if (folder !== undefined) accessSync(folder, constants.W_OK | constants.X_OK)
    return folder !== undefined
  } catch {
    return false
  }
}
