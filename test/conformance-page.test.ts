import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { CASES } from '../src/conformance/catalog.ts'

const PAGE = await readFile(new URL('../docs/conformance.md', import.meta.url), 'utf8')
const SENTENCE_ROW = /^\| (\d+) \| [^|]+ \| .+ \| (.+) \|$/
const OTHER_ROW = /^\| `([a-z0-9-]+)` \| (MUST|SHOULD|MAY) \| /
const CASE_ID = /`([a-z0-9-]+)`/g

/** The rows of a section as far as they fit a form. */
function rowsOf(heading: string, form: RegExp): RegExpExecArray[] {
  const section = PAGE.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return section
    .split('\n')
    .map((line) => form.exec(line))
    .filter((row) => row !== null)
}

const sentences = rowsOf('Every MUST and SHOULD', SENTENCE_ROW)
const others = rowsOf('What other sentences say', OTHER_ROW)
const ownCases = CASES.filter(({ group }) => group === 'specification')

test('the sentences of the specification are numbered without a gap', () => {
  assert.deepEqual(
    sentences.map((row) => Number(row[1])),
    Array.from({ length: 155 }, (_, index) => index + 1),
  )
})

test('each sentence has cases that exist, or says why it has none', () => {
  const ids = new Set(CASES.map(({ id }) => id))
  for (const [, number, cases = ''] of sentences) {
    if (cases.startsWith('— ')) continue
    const named = [...cases.matchAll(CASE_ID)].map((match) => match[1] ?? '')
    assert.ok(named.length > 0, `sentence ${number} has neither a case nor a reason`)
    for (const id of named) assert.ok(ids.has(id), `sentence ${number} names ${id}, which is no case`)
  }
})

test('each case of the specification stands in the tables, with its level', () => {
  const named = new Set(
    sentences.flatMap(([, , cases = '']) => [...cases.matchAll(CASE_ID)].map((match) => match[1])),
  )
  const levels = new Map(others.map(([, id, level]) => [id, level]))
  for (const { id, level } of ownCases) {
    assert.ok(named.has(id) || levels.get(id) === level, `${id} stands in no table`)
  }
  for (const id of levels.keys())
    assert.ok(
      ownCases.some((each) => each.id === id),
      `${id} is no case`,
    )
})

test('the counts of cases are those of the table of cases', () => {
  for (const group of new Set(CASES.map((each) => each.group))) {
    const levels = ['MUST', 'SHOULD', 'MAY'].map(
      (level) => CASES.filter((each) => each.group === group && each.level === level).length,
    )
    const row = `| ${group} | ${levels.join(' | ')} | ${levels.reduce((sum, count) => sum + count)} |`
    assert.ok(PAGE.includes(row), `the page lacks the row ${row}`)
  }
})
