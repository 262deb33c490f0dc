import assert from 'node:assert/strict'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../../test/stowage.ts'
import { MIGRATIONS, migrate, NewerDataError } from './migrations.ts'
import { sqliteMetadata } from './store.ts'

function inMemory(t: TestContext): DatabaseSync {
  const database = new DatabaseSync(':memory:')
  t.after(() => database.close())
  return database
}

function schemaOf(database: DatabaseSync): unknown {
  return {
    version: { ...database.prepare('PRAGMA user_version').get() },
    tables: database.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all(),
  }
}

test('a new database gets the newest schema, and migrating it again changes nothing', (t) => {
  const database = inMemory(t)
  migrate(database)
  const schema = schemaOf(database)
  const secret = database.prepare('SELECT value FROM settings').get()
  migrate(database)
  assert.deepEqual(schemaOf(database), schema)
  assert.deepEqual(database.prepare('SELECT value FROM settings').get(), secret)
  assert.deepEqual({ ...database.prepare('PRAGMA user_version').get() }, { user_version: MIGRATIONS.length })
})

test('an older database gets only the migrations that it does not have, and keeps its rows', (t) => {
  const database = inMemory(t)
  const first = 'CREATE TABLE a (x) STRICT'.replace('(x)', '(x INTEGER)')
  migrate(database, [first])
  database.exec('INSERT INTO a VALUES (7)')
  migrate(database, [first, 'ALTER TABLE a ADD COLUMN y INTEGER', 'UPDATE a SET y = x + 1'])
  assert.deepEqual({ ...database.prepare('SELECT * FROM a').get() }, { x: 7, y: 8 })
})

test('a migration that fails leaves nothing of itself, and keeps those before it', async (t) => {
  const path = join(await temporaryFolder(t), 'm.sqlite')
  const broken = 'CREATE TABLE b (x INTEGER); INSERT INTO a VALUES (1); CREATE TABLE a (x INTEGER)'
  const database = new DatabaseSync(path)
  assert.throws(() => migrate(database, ['CREATE TABLE a (x INTEGER)', broken]), /already exists/)
  database.close()
  const again = new DatabaseSync(path)
  t.after(() => again.close())
  assert.deepEqual({ ...again.prepare('PRAGMA user_version').get() }, { user_version: 1 })
  assert.equal(again.prepare('SELECT * FROM a').get(), undefined)
  assert.throws(() => again.prepare('SELECT * FROM b'), /no such table/)
})

test('a database that is ahead is refused, saying by how much', (t) => {
  const database = inMemory(t)
  migrate(database, ['CREATE TABLE a (x INTEGER)', 'CREATE TABLE b (x INTEGER)'])
  const schema = schemaOf(database)
  assert.throws(() => migrate(database, ['CREATE TABLE a (x INTEGER)']), {
    name: 'NewerDataError',
    message: /schema 2.* up to 1/,
  })
  assert.deepEqual(schemaOf(database), schema)
})

/** Makes a file that a newer version left, and whatever lies beside it. @returns their names */
async function newerFile(folder: string, kind: string): Promise<string[]> {
  const path = join(folder, 'made.sqlite')
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA journal_mode = ${kind === 'DELETE' ? 'DELETE' : 'WAL'}`)
  database.exec('CREATE TABLE of_the_future (x INTEGER); PRAGMA user_version = 9999')
  const names = kind === 'WAL after a crash' ? ['', '-wal'] : ['']
  if (names.length === 1) database.close()
  for (const name of names) await copyFile(path + name, join(folder, `newer.sqlite${name}`))
  if (database.isOpen) database.close()
  return names.map((name) => join(folder, `newer.sqlite${name}`))
}

for (const kind of ['WAL', 'DELETE', 'WAL after a crash']) {
  test(`a file of a newer version is refused and not touched, with its journal in mode ${kind}`, async (t) => {
    const files = await newerFile(await temporaryFolder(t), kind)
    const before = await Promise.all(files.map((file) => readFile(file)))
    await assert.rejects(sqliteMetadata({ path: files[0] ?? '' }), NewerDataError)
    for (const [index, file] of files.entries()) {
      const bytes = await readFile(file).catch(() => undefined)
      assert.ok(bytes !== undefined && before[index]?.equals(bytes), `${file} was changed`)
    }
  })
}

test('a file that is not a database is refused and not changed', async (t) => {
  const path = join(await temporaryFolder(t), 'metadata.sqlite')
  const bytes = Buffer.from('this is no database, but somebody may need it. '.repeat(100))
  await writeFile(path, bytes)
  await assert.rejects(sqliteMetadata({ path }), /not a database/)
  assert.deepEqual(await readFile(path), bytes)
})
