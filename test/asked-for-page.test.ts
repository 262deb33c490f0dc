import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const PAGE = new URL('../docs/asked-for.md', import.meta.url)
/** How many requests there are of each subject: L1 to L24, and so on. */
const COUNTS = { L: 24, M: 9, X: 11, A: 5, T: 5, C: 16 }
const LINK = /\[[^\]]*\]\(([^)]+)\)/g

interface Row {
  id: string
  asked: string
  stowage: string
  shown: string
}

function readRows(): Row[] {
  const lines = readFileSync(PAGE, 'utf8').split('\n')
  return lines.flatMap((line) => {
    const found = /^\| ([A-Z]\d+) \| (.*) \|$/.exec(line)
    if (found === null) return []
    const [asked = '', stowage = '', shown = '', ...more] = found[2]?.split(' | ') ?? []
    assert.deepEqual(more, [], `${found[1]} has too many cells`)
    return [{ id: found[1] ?? '', asked, stowage, shown }]
  })
}

function linksIn(text: string): string[] {
  return [...text.matchAll(LINK)].map((match) => match[1] ?? '')
}

/** Anchors of a page's headings, as they are made of their text. */
function anchorsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map((match) => match[1] ?? '')
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

test('each request is listed once, in order', () => {
  const wanted = Object.entries(COUNTS).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
  )
  assert.deepEqual(
    readRows().map(({ id }) => id),
    wanted,
  )
})

test('each row says what was asked for and what was done, and links to the documentation', () => {
  for (const { id, asked, stowage } of readRows()) {
    assert.ok(asked.length > 5, id)
    assert.ok(stowage.length > 20, id)
    assert.ok(linksIn(stowage).length > 0, `${id} leads nowhere`)
  }
})

test('links of the page lead to files and headings that are there', () => {
  const text = readFileSync(PAGE, 'utf8')
  for (const link of linksIn(text)) {
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? text : readFileSync(new URL(path, PAGE), 'utf8')
    if (anchor !== undefined) assert.ok(anchorsOf(target).includes(anchor), `${link} has no such heading`)
  }
})

test('each row names an existing test, or says why there is none', () => {
  for (const { id, shown } of readRows()) {
    if (/^none: \w/.test(shown)) continue
    for (const part of shown.split('; ')) {
      const [, name = '', target = ''] = /^\[`([^`]+\.test\.ts)`\]\(([^)]+)\)$/.exec(part) ?? []
      assert.equal(target, `../${name}`, `${id} names ${part}`)
      assert.match(
        readFileSync(new URL(target, PAGE), 'utf8'),
        /^\s*(?:test|testCases|[\w.]*[sS]uite)\(/m,
        target,
      )
    }
  }
})
