import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const PROJECT = join(import.meta.dirname, '..')
const COMPATIBILITY = 90

interface Row {
  number: number
  /** The cells behind the number. */
  cells: string[]
}

function readRows(): Row[] {
  const lines = readFileSync(join(PROJECT, 'docs/compatibility.md'), 'utf8').split('\n')
  return lines.flatMap((line) => {
    const cells = /^\| (\d+) \| (.*) \|$/.exec(line)
    return cells === null ? [] : [{ number: Number(cells[1]), cells: cells[2]?.split(' | ') ?? [] }]
  })
}

/** The names of all tests of the project. */
function readTestNames(): Set<string> {
  const names = ['src', 'test'].flatMap((folder) => {
    const files = readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' })
    return files
      .filter((file) => file.endsWith('.test.ts'))
      .flatMap((file) => namesIn(join(PROJECT, folder, file)))
  })
  return new Set(names)
}

function namesIn(path: string): string[] {
  const calls = readFileSync(path, 'utf8').matchAll(/^test\(\s*(["'`])(.+?)\1,/gm)
  return [...calls].map((call) => call[2] ?? '')
}

test('the page on compatibility has each of its rows once, in order and whole', () => {
  const rows = readRows()
  assert.deepEqual(
    rows.map(({ number }) => number),
    Array.from({ length: COMPATIBILITY }, (_, index) => index + 1),
  )
  for (const { number, cells } of rows) {
    assert.equal(cells.length, 3, `row ${number}`)
    for (const cell of cells) assert.notEqual(cell.trim(), '', `row ${number}`)
  }
})

test('the page on compatibility names tests that exist, or says why there is none', () => {
  const names = readTestNames()
  assert.ok(names.has('an image that was pushed by tag is pulled by tag and by digest, byte for byte'))
  for (const { number, cells } of readRows()) {
    const held = cells[2] ?? ''
    if (/^none: ./.test(held)) continue
    const quoted = held.split('; `').map((text, index) => (index === 0 ? text : `\`${text}`))
    for (const text of quoted) {
      const name = /^`([^`]+)`$/.exec(text)?.[1]
      assert.ok(name !== undefined, `row ${number} quotes ${text}`)
      assert.ok(names.has(name), `row ${number} names a test that does not exist: ${name}`)
    }
  }
})
