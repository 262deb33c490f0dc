import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { nodeProblem, OLDEST_NODE } from './node-version.ts'

test('an older Node.js is refused with both versions, and this one and newer ones are not', () => {
  for (const old of ['26.9.9', '22.20.0', '9.0.0'])
    assert.equal(nodeProblem(old), `Stowage needs Node.js ${OLDEST_NODE} or newer, and this is ${old}`)
  assert.equal(nodeProblem(), undefined)
  for (const version of [OLDEST_NODE, '26.11.0', '27.0.0', '100.0.0'])
    assert.equal(nodeProblem(version), undefined)
})

test('package.json names the same version', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  assert.deepEqual(engines, { node: `>=${OLDEST_NODE}` })
})
