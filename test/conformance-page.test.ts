import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { CASES } from '../src/conformance/catalog.ts'

const PAGE = await readFile(new URL('../docs/conformance.md', import.meta.url), 'utf8')
const SENTENCE_ROW = /^\| (\d+) \| [^|]+ \| .+ \| (.+) \|$/
const OTHER_ROW = /^\| `([a-z0-9-]+)` \| (MUST|SHOULD|MAY) \| /
const EXTENSION_ROW = /^\| `([a-z0-9-]+)` \| (MUST|SHOULD|MAY) \| (.+) \| (.+) \|$/
const EXTENSION_PAGES = new URL('../docs/extensions/', import.meta.url)
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

test('each case of the specification is in the tables, with its level', () => {
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

/** A text as it is looked for in another, however the lines of that one end. */
function normal(text: string): string {
  return text.replaceAll(/\s+/g, ' ').toLowerCase()
}

/** The pages of our extensions: file and text by title. */
async function readExtensionPages(): Promise<Map<string, { file: string; text: string }>> {
  const files = (await readdir(EXTENSION_PAGES)).filter((file) => file.endsWith('.md'))
  const pages = files.map(async (file) => {
    const text = await readFile(new URL(file, EXTENSION_PAGES), 'utf8')
    return [/^# (.+)$/m.exec(text)?.[1] ?? '', { file, text }] as const
  })
  return new Map(await Promise.all(pages))
}

test('the cases of extensions are in their table, in order, with level, page and title', async () => {
  const pages = await readExtensionPages()
  const wanted = CASES.filter(({ group }) => group === 'extensions').map(({ id, level, section, title }) => {
    const name = /^Stowage, "(.+)"$/.exec(section)?.[1]
    const page = name === undefined ? section : `[${name}](extensions/${pages.get(name)?.file})`
    return [id, level, page, title]
  })
  const rows = rowsOf('Extensions', EXTENSION_ROW).map(([, ...cells]) => cells)
  assert.deepEqual(rows, wanted)
})

test('what a case of ours quotes stands on its page', async () => {
  const pages = await readExtensionPages()
  const own = CASES.filter(({ section }) => section.startsWith('Stowage, '))
  assert.ok(own.length > 50)
  for (const { id, section, sentence } of own) {
    const text = normal(pages.get(section.slice('Stowage, "'.length, -1))?.text ?? '')
    for (const part of sentence.split(' [...] ')) {
      // A quote may end where the page goes on.
      assert.ok(
        text.includes(normal(part.replace(/\.$/, ''))),
        `${id} quotes what its page does not say: ${part}`,
      )
    }
  }
})
