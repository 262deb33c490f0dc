import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { readSources, readTests } from '../source-code.ts'

const tests = readTests()

test('no program uses a test or what tests share, and no test uses another', () => {
  const strangers = [...readSources(), ...readSources('bench'), ...tests].flatMap(({ path, imports }) =>
    imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier }) => join(dirname(path), specifier))
      .filter(
        (target) =>
          target.endsWith('.test.ts') ||
          (target.startsWith('test/') && !tests.some((each) => each.path === path)),
      )
      .map((target) => `${path} imports ${target}`),
  )
  assert.deepEqual(strangers, [])
})

/** Folders of test/ that know a registry only by its requests and its commands, and the sources that they may use all the same. */
const OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  finding: [],
  package: ['src/client/'],
  pages: [],
  peers: ['src/conformance/'],
}

test('tests from outside know a registry only by its requests and its commands', () => {
  for (const [folder, allowed] of Object.entries(OUTSIDE)) {
    const files = tests.filter(({ path }) => path.startsWith(`test/${folder}/`))
    assert.ok(files.length > 0, folder)
    const strangers = files.flatMap(({ path, imports }) =>
      imports
        .map(({ specifier }) => join(dirname(path), specifier))
        .filter((target) => target.startsWith('src/') && !allowed.some((each) => target.startsWith(each)))
        .map((target) => `${path} imports ${target}`),
    )
    assert.deepEqual(strangers, [])
  }
})
