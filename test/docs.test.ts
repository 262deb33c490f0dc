import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { makeSettingsPage } from '../scripts/settings/page.ts'
import { makeSettingsSchema } from '../scripts/settings/schema.ts'
import { parseConfigFile } from '../src/settings/config-file.ts'
import { InvalidValue } from '../src/settings/form.ts'
import { SETTING_NAMES, settingOf } from '../src/settings/table.ts'

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

test('the page on compatibility has each row once, in order and complete', () => {
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

const OPERATIONS = join(PROJECT, 'docs/operations')

function readOperations(page: string): string {
  return readFileSync(join(OPERATIONS, page), 'utf8')
}

test('the page on settings is generated from the table of settings', () => {
  assert.equal(readOperations('settings.md'), makeSettingsPage(), 'npm run settings makes it anew')
})

test('the schema of configuration files is generated from the table of settings', () => {
  const schema = JSON.parse(readOperations('stowage.schema.json'))
  assert.deepEqual(schema, makeSettingsSchema(), 'npm run settings makes it anew')
})

test('the schema of configuration files and the parser accept the same files', () => {
  const matches = new Ajv({ allowUnionTypes: true }).compile(makeSettingsSchema())
  const page = readOperations('configuration.md')
  const [, example = ''] = /```yaml\n([^`]*)```/.exec(page) ?? []
  const environment = { REGISTRY_HOST: 'registry.test', DRAFTS: 'yes' }
  for (const [text, isValid] of [
    [example, true],
    ['', true],
    ['keep-deleted: 0\nworkers: auto\nlow-space: 5000000\n', true],
    ['workers: 4\nsocket-mode: 0600\nzero-copy: off\nlow-space: 5G\ntrusted-proxies: unix\n', true],
    [`draft-extensions: \${DRAFTS}\n`, true],
    ['sparse-indexes: allow\n', true],
    ['sparse-indexes: ["mirror/**=allow", refuse]\n', true],
    ['sparse-indexes: mirror/**=allow,refuse\n', true],
    ['sparse-indexes: [maybe]\n', false],
    ['sparse-indexes: {mirror: allow}\n', false],
    ['keep-deleted: 7\n', false],
    ['keep-deleted:\n', false],
    ['keep-delted: 7d\n', false],
    ['zero-copy: on\n', false],
    ['workers: 65\n', false],
    ['workers: [4]\n', false],
    ['data: {}\n', false],
  ] as const) {
    const { values, faults } = parseConfigFile(text, environment)
    const checked = values.every(({ name, text }) => isParsed(() => settingOf(name).form.parse(text)))
    assert.equal(matches(parse(text)), isValid, text)
    assert.equal(faults.length === 0 && checked, isValid, text)
  }
})

function isParsed(parseValue: () => unknown): boolean {
  try {
    parseValue()
    return true
  } catch (error) {
    assert.ok(error instanceof InvalidValue)
    return false
  }
}

test('each setting has a default or says in words what holds without one, and its advice says more than its help', () => {
  for (const name of SETTING_NAMES) {
    const { default: byDefault, withoutDefault, help, advice } = settingOf(name)
    assert.ok((byDefault === undefined) !== (withoutDefault === undefined), name)
    assert.ok(advice.length > 20 && advice !== help, name)
  }
})

/** The texts of all programs that a server runs. */
function readProgram(): string {
  const files = readdirSync(join(PROJECT, 'src'), { recursive: true, encoding: 'utf8' })
  const sources = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  return sources.map((file) => readFileSync(join(PROJECT, 'src', file), 'utf8')).join('\n')
}

test('the page on logs explains each line of level warn and above, and names no line that is never written', () => {
  const program = readProgram()
  const rows = [...readOperations('logs.md').matchAll(/^\| (`[^|]+`) \| .+ \|$/gm)]
  const lines = rows.flatMap(([, cell]) =>
    [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => text),
  )
  const fields = ['level', 'time', 'msg', 'requestId', 'error']
  const explained = lines.filter((line) => !fields.includes(line))
  for (const line of explained) assert.ok(program.includes(line), `no line of the log says: ${line}`)
  const calls = program.matchAll(
    /\blog\.(?:warn|error|fatal)\(\s*(?:\{[^}]*\}|\w+),?\s*(?:'([^']+)'|`([^`]+)`)/g,
  )
  const written = [...calls].map(([, plain, template]) => plain ?? template ?? '')
  assert.ok(written.length > 20, `${written.length} lines were found`)
  for (const line of written)
    assert.ok(
      explained.some((text) => line.includes(text)),
      `docs/operations/logs.md has no row for: ${line}`,
    )
})

test('the index of the operations pages links to each of them, and their links work', () => {
  const pages = readdirSync(OPERATIONS)
  for (const page of pages.filter((name) => name !== 'README.md'))
    assert.ok(readOperations('README.md').includes(`](${page})`), `nothing leads to ${page}`)
  for (const page of pages) {
    for (const [, target = '', heading] of readOperations(page).matchAll(/\]\(([^)#:]*)(?:#([^)]*))?\)/g)) {
      const text = readFileSync(join(OPERATIONS, target || page), 'utf8')
      const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
        title.toLowerCase().replaceAll(' ', '-'),
      )
      assert.ok(heading === undefined || headings.includes(heading), `${page} leads to ${target}#${heading}`)
    }
  }
})

test('the table of what bounds a commit names each command once', () => {
  const page = readFileSync(join(PROJECT, 'ARCHITECTURE.md'), 'utf8')
  const [, table = ''] = /### What bounds a commit\n([\s\S]*?)\n## /.exec(page) ?? []
  const rows = table.split('\n').flatMap((line) => /^\| (`.*?`) \|/.exec(line)?.[1] ?? [])
  const named = rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name))
  const list = readFileSync(join(PROJECT, 'src/metadata/command.ts'), 'utf8')
  const commands = [...list.matchAll(/^ {2}(\w+): \{ command: /gm)].map(([, type]) => type)
  assert.ok(commands.length > 30)
  assert.deepEqual(named.toSorted(), commands.toSorted())
})
