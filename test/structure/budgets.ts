import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { readSources, readTests, type Source } from '../source-code.ts'

const MAX_FUNCTION_LINES = 60
const MEDIAN_FUNCTION_LINES = 10
const MAX_FILE_LINES = 400
const MEDIAN_FILE_LINES = 120
const MAX_SEAM_METHODS = 8
const SEAMS = [
  'src/storage/blob-store.ts',
  'src/api/endpoint.ts',
  'src/stores/stores.ts',
  'src/metadata/metadata-store.ts',
  ...['blobs', 'changes', 'contents', 'counts', 'jobs', 'manifests', 'repositories', 'tags', 'uploads'].map(
    (subject) => `src/metadata/${subject}.ts`,
  ),
]

const sources = readSources()

function linesOf({ text }: Source): number {
  return text.split('\n').length - 1
}

function median(values: number[]): number {
  return values.sort((one, two) => one - two)[Math.floor(values.length / 2)] ?? 0
}

/** The files, and the functions in them, that are longer than the code of the product may be. */
function findLong(files: readonly Source[]): unknown[] {
  const long = files.filter((source) => linesOf(source) > MAX_FILE_LINES).map(({ path }) => path)
  const longFunctions = files.flatMap(({ path, functions }) =>
    functions
      .filter(({ lines }) => lines > MAX_FUNCTION_LINES)
      .map(({ line, lines }) => ({ where: `${path}:${line}`, lines })),
  )
  return [...long, ...longFunctions]
}

test('no function has more than 60 lines, and half of them have 10 or fewer', () => {
  const functions = sources.flatMap(({ path, functions }) =>
    functions.map(({ line, lines }) => ({ where: `${path}:${line}`, lines })),
  )
  const long = functions.filter(({ lines }) => lines > MAX_FUNCTION_LINES)
  assert.deepEqual(long, [])
  assert.ok(functions.length > 100)
  assert.ok(median(functions.map(({ lines }) => lines)) <= MEDIAN_FUNCTION_LINES)
})

test('no file has more than 400 lines, and half of them have 120 or fewer', () => {
  const long = sources.filter((source) => linesOf(source) > MAX_FILE_LINES).map(({ path }) => path)
  assert.deepEqual(long, [])
  assert.ok(median(sources.map(linesOf)) <= MEDIAN_FILE_LINES)
})

test('the bench keeps to the same lengths', () => {
  const bench = readSources('bench')
  assert.ok(bench.length > 20)
  assert.deepEqual(findLong(bench), [])
})

test('tests, and what they share, keep to the same lengths', () => {
  // The spike is on no path of the product, and goes when the driver is written.
  const tests = readTests().filter(({ path }) => !path.startsWith('test/spikes/'))
  assert.ok(tests.length > 300)
  assert.deepEqual(findLong(tests), [])
})

test('no interface of a seam has more than 8 methods', () => {
  for (const path of SEAMS) {
    const seam = sources.find((source) => source.path === path)
    assert.ok(seam !== undefined && seam.interfaces.length > 0, path)
    const wide = seam.interfaces.filter(({ methods }) => methods > MAX_SEAM_METHODS)
    assert.deepEqual(wide, [], path)
  }
})

test('no file is called by a name that says nothing', () => {
  const empty = sources.filter(({ path }) =>
    /^(?:utils?|helpers?|common|index|types|misc|shared)\.ts$/.test(basename(path)),
  )
  assert.deepEqual(
    empty.map(({ path }) => path),
    [],
  )
})

test('files are named in lower case, with dashes', () => {
  for (const { path } of sources) assert.match(path, /^src\/(?:[a-z0-9-]+\/)*[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/)
})

test('no file leaves something to be done', () => {
  for (const { path, text } of sources) assert.doesNotMatch(text, /\b(?:TODO|FIXME|XXX|HACK)\b/, path)
})
