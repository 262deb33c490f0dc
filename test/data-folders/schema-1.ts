import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'
import { MIGRATIONS, migrate } from '../../src/metadata/sqlite/migrations.ts'
import { temporaryFolder } from '../stowage.ts'

/** Makes a file of a metadata store as the program of schema 1 left it. @returns its path */
export async function schema1File(test: Pick<TestContext, 'after'>): Promise<string> {
  const path = join(await temporaryFolder(test), 'metadata.sqlite')
  const database = new DatabaseSync(path)
  migrate(database, MIGRATIONS.slice(0, 1))
  database.exec(await readFile(new URL('schema-1.sql', import.meta.url), 'utf8'))
  database.close()
  return path
}
