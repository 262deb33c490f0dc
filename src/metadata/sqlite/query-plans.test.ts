import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { metadataStoreSuite } from '../../../test/suites/metadata-store.ts'
import { memoryMetadata } from './store.ts'
import { openForWriting } from './writer.ts'

/** Queues that are emptied from their beginning, and what is done once. */
const MAY_SCAN = [/FROM undescribed LIMIT/, /WHERE finished IS NULL/, /^UPDATE uploads SET lease = NULL/]

const seen = new Set<string>()
const prepare = DatabaseSync.prototype.prepare
DatabaseSync.prototype.prepare = function (sql, ...others) {
  seen.add(sql)
  return prepare.call(this, sql, ...others)
}

metadataStoreSuite('SQLite that is watched', async () => memoryMetadata())

test('no statement of all that the suite does looks at a whole table, or sorts what it found', () => {
  const database = openForWriting(':memory:')
  const statements = [...seen].filter((sql) => /^\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE)\b/.test(sql))
  assert.ok(statements.length > 100, `only ${statements.length} statements were seen`)
  const bad = statements.flatMap((sql) => {
    if (MAY_SCAN.some((pattern) => pattern.test(sql))) return []
    const steps = prepare.call(database, `EXPLAIN QUERY PLAN ${sql}`).all()
    const slow = steps
      .map(({ detail }) => String(detail))
      .filter((detail) => /^SCAN (?!CONSTANT)|TEMP B-TREE/.test(detail))
    return slow.length > 0 ? [{ sql, slow }] : []
  })
  database.close()
  assert.deepEqual(bad, [])
})
