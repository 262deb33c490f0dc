import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { CASES } from '../../src/conformance/catalog.ts'
import { reasonOf } from '../../src/conformance/summary.ts'
import { openSandbox } from '../cli/program.ts'
import { reportOn, type Specification } from './verdicts.ts'

async function assertAllPass(t: Parameters<typeof openSandbox>[0], specification: Specification) {
  const sandbox = await openSandbox(t)
  const stowage = await sandbox.serve(join(sandbox.folder, 'data'))
  const { cases } = await reportOn(sandbox, stowage.url, specification)
  const rest = cases.filter(({ verdict }) => verdict !== 'passed')
  assert.deepEqual(
    rest.map((each) => `${each.verdict} ${each.id}: ${reasonOf(each)}`),
    [],
  )
  const wanted = CASES.filter(({ version }) => specification === 'dev' || version !== 'dev')
  assert.equal(cases.length, wanted.length)
  stowage.signal('SIGINT')
  assert.equal((await stowage.ended).code, 0)
}

test('Stowage as it is installed passes every case of 1.1, of all groups', (t) => assertAllPass(t, '1.1'))

test('Stowage as it is installed passes every case of the coming version, of all groups', (t) =>
  assertAllPass(t, 'dev'))
