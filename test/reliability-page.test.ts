import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const PROJECT = join(import.meta.dirname, '..')
/** They concern accounts, mirrors and webhooks, which do not exist. */
const WITHOUT_TEST = [31, 32, 35, 38, 39]

interface Row {
  number: number
  files: string[]
  /** The cells that say something. */
  texts: string[]
}

function readRows(): Row[] {
  const lines = readFileSync(join(PROJECT, 'docs/reliability.md'), 'utf8').split('\n')
  return lines.flatMap((line) => {
    const [number, fault, files, ...texts] = /^\| (\d+ \| .*) \|$/.exec(line)?.[1]?.split(' | ') ?? []
    if (number === undefined || fault === undefined || files === undefined) return []
    const named = [...files.matchAll(/`(test\/faults\/[a-z-]+\.test\.ts)`/g)].map((match) => match[1] ?? '')
    return [{ number: Number(number), files: named, texts: [fault, ...texts] }]
  })
}

/** The files whose tests begin with the number of a fault, by number. */
function readNumberedTests(): Map<number, Set<string>> {
  const found = new Map<number, Set<string>>()
  for (const name of readdirSync(join(PROJECT, 'test/faults')).filter((file) => file.endsWith('.test.ts'))) {
    const text = readFileSync(join(PROJECT, 'test/faults', name), 'utf8')
    for (const [, numbers = ''] of text.matchAll(/\btest\(\s*['"`]faults? ([\d, and]+): /g)) {
      for (const number of numbers.match(/\d+/g) ?? []) {
        const files = found.get(Number(number)) ?? new Set()
        found.set(Number(number), files.add(`test/faults/${name}`))
      }
    }
  }
  return found
}

const rows = readRows()
const tests = readNumberedTests()

test('the page on reliability has each fault once, in order, and says something of each', () => {
  assert.deepEqual(
    rows.map(({ number }) => number),
    Array.from({ length: rows.length }, (_, index) => index + 1),
  )
  for (const { number, texts } of rows) {
    assert.equal(texts.length, 3, `row ${number}`)
    for (const text of texts) assert.notEqual(text.trim(), '', `row ${number}`)
  }
})

test('the page on reliability names exactly the files in which a test begins with the number of the fault', () => {
  for (const { number, files } of rows) {
    assert.deepEqual([...files].sort(), [...(tests.get(number) ?? [])].sort(), `row ${number}`)
    assert.equal(files.length === 0, WITHOUT_TEST.includes(number), `row ${number}`)
  }
})

test('each numbered test stands on the page on reliability', () => {
  assert.ok(tests.size > 30)
  for (const number of tests.keys())
    assert.ok(
      rows.some((row) => row.number === number),
      `fault ${number}`,
    )
})
