import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { test } from 'node:test'
import { readSources } from '../source-code.ts'

const SOURCES = new Map(readSources().map((source) => [source.path, source]))
const PROGRAMS = [
  'src/cli/program.ts',
  'src/server/this-thread.ts',
  'src/server/worker-thread.ts',
  'src/server/housekeeping-thread.ts',
  'src/metadata/sqlite/writer-thread.ts',
]

test('no thread of the server imports the HTTP modules of Node whole; see http/node-http.ts', () => {
  const loaded = loadedBy(PROGRAMS)
  assert.ok(loaded.includes('src/http/node-http.ts') && loaded.includes('src/cli/serve.ts'))
  assert.deepEqual(
    loaded.filter((path) =>
      specifiersOf(path).some((specifier) => /^node:(?:https?|http2)$/.test(specifier)),
    ),
    [],
  )
})

/** The files that are loaded together with some files, without those that they import when they need them. */
function loadedBy(paths: readonly string[]): string[] {
  const loaded = new Set(paths)
  for (const path of loaded) {
    for (const specifier of specifiersOf(path))
      if (specifier.startsWith('.')) loaded.add(posix.join(posix.dirname(path), specifier))
  }
  return [...loaded]
}

function specifiersOf(path: string): string[] {
  const { imports = [], text = '' } = SOURCES.get(path) ?? {}
  return imports
    .filter(({ specifier, typeOnly }) => !typeOnly && !startsLater(text, specifier))
    .map(({ specifier }) => specifier)
}

function startsLater(text: string, specifier: string): boolean {
  return text.includes(`import('${specifier}')`) || text.includes(`new URL('${specifier}'`)
}
