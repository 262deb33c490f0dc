import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blobCases } from '../../src/conformance/cases/blobs.ts'
import { runCases } from '../../src/conformance/run.ts'
import { openSession } from '../../src/conformance/session.ts'
import { startFaulty } from './faulty-registry.ts'

test('a good registry passes every case of blobs', async (t) => {
  const origin = await startFaulty(t)
  const results = await runCases(blobCases, {
    origin,
    send: openSession(origin),
    repository: 'test',
    concurrency: 4,
  })
  assert.deepEqual(
    results.filter(({ verdict }) => verdict !== 'passed').map((result) => [result.case.id, result]),
    [],
  )
})
