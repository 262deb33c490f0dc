import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSources } from '../source-code.ts'

test('no part of the server imports the HTTP modules of Node whole; see http/node-http.ts', () => {
  const server = readSources().filter(({ path }) => /^src\/(?:http|server)\//.test(path))
  const importing = server.filter(({ imports }) =>
    imports.some(({ specifier, typeOnly }) => !typeOnly && /^node:https?$/.test(specifier)),
  )
  assert.deepEqual(
    importing.map(({ path }) => path),
    [],
  )
})
