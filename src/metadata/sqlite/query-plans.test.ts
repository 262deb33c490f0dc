import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { metadataStoreSuite } from '../../../test/suites/metadata-store.ts'
import { openForWriting } from './opening.ts'
import { memoryMetadata } from './store.ts'

/** Queues that are emptied from their beginning, and what is done once. */
const MAY_SCAN = [
  /FROM undescribed LIMIT/,
  /FROM doomed_tags d CROSS JOIN/,
  /FROM loose_edges l CROSS JOIN/,
  /WHERE finished IS NULL/,
]

const seen = new Set<string>()
const prepare = DatabaseSync.prototype.prepare
DatabaseSync.prototype.prepare = function (sql, ...others) {
  seen.add(sql)
  return prepare.call(this, sql, ...others)
}

metadataStoreSuite('SQLite that is watched', async (clock) => memoryMetadata(clock))

/** All statements that were seen, each with the steps of its plan. */
function plans(): { sql: string; steps: string[] }[] {
  const database = openForWriting(':memory:')
  const statements = [...seen].filter((sql) => /^\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE)\b/.test(sql))
  assert.ok(statements.length > 100, `only ${statements.length} statements were seen`)
  const found = statements.map((sql) => {
    const rows = prepare.call(database, `EXPLAIN QUERY PLAN ${sql}`).all()
    return { sql, steps: rows.map(({ detail }) => String(detail)) }
  })
  database.close()
  return found
}

test('no statement of all that the suite does looks at a whole table, or sorts what it found', () => {
  const bad = plans().flatMap(({ sql, steps }) => {
    if (MAY_SCAN.some((pattern) => pattern.test(sql))) return []
    const slow = steps.filter((step) => /^SCAN (?!CONSTANT|json_each)|TEMP B-TREE/.test(step))
    return slow.length > 0 ? [{ sql, slow }] : []
  })
  assert.deepEqual(bad, [])
})

test('no statement that asks for more than a repository looks at all that the repository has', () => {
  const bad = plans().flatMap(({ sql, steps }) => {
    const asksForMore = /\b(?!repository |id )\w+ = \?/.test(sql)
    const slow = steps.filter((step) => /^SEARCH .* \(repository=\?(?: AND \w+[<>]\?)?\)/.test(step))
    return asksForMore && slow.length > 0 ? [{ sql, slow }] : []
  })
  assert.deepEqual(bad, [])
})

test('no statement has a plain parameter as its limit, for which SQLite would plan it at each execution', () => {
  assert.deepEqual(
    [...seen].filter((sql) => /LIMIT\s+\?/.test(sql)),
    [],
  )
})
