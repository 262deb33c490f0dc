import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Case } from '../../src/conformance/case.ts'
import { removeRepositories } from '../../src/conformance/clean-up.ts'
import { Failure } from '../../src/conformance/outcome.ts'
import type { Send } from '../../src/conformance/probe.ts'
import { runCases } from '../../src/conformance/run.ts'
import { makeReport } from '../../src/conformance/summary.ts'
import { parseRepositoryName } from '../../src/oci/reference.ts'

const MIB = 1024 * 1024
const OPTIONS = { origin: 'https://registry.example', repository: 'test', concurrency: 4 }

function caseThat(id: string, run: Case['run']): Case {
  const texts = { title: id, section: 'Section', sentence: 'Sentence' }
  return { id, ...texts, group: 'specification', level: 'MUST', version: '1.0', run }
}

test('at most 128 MiB of responses to failed cases are kept in total, and reports have their full lengths', async () => {
  const body = new Uint8Array(16 * MIB).fill(97)
  const cases = Array.from({ length: 20 }, (_, index) =>
    caseThat(`case-${index}`, async (probe) => {
      for (let count = 0; count < 3; count++) await probe.send({ method: 'GET', target: '/v2/' })
      throw new Failure('less', 'much')
    }),
  )
  const send: Send = async () => ({ status: 200, headers: new Headers(), body })
  const results = await runCases(cases, { ...OPTIONS, send })
  const kept = results.flatMap((result) => ('exchanges' in result ? result.exchanges : []))
  assert.equal(kept.length, 60)
  const bytes = kept.reduce((sum, { answer }) => sum + (answer?.body.length ?? 0), 0)
  assert.ok(bytes <= 130 * MIB, `${bytes} bytes`)
  const facts = { specification: '1.1', started: new Date(), milliseconds: 1, secrets: [] } as const
  const report = makeReport({ registry: OPTIONS.origin, ...facts, results })
  for (const { exchange } of report.cases)
    assert.match(exchange?.response?.body ?? '', /^a{2000} … \(16777216 bytes in all\)$/)
})

test('a case that has cleaned up for too long leaves the rest and says so', async () => {
  const sent: string[] = []
  const left: string[] = []
  const send: Send = async ({ method }) => {
    sent.push(method)
    return { status: 202, headers: new Headers(), body: new Uint8Array() }
  }
  const pushing = caseThat('pushing', async (probe) => {
    for (const name of ['a', 'b']) probe.cleanUp({ method: 'DELETE', target: `/v2/${name}/blobs/x` })
  })
  const onLeftBehind = ({ target }: { target: string }) => void left.push(target)
  await runCases([pushing], { ...OPTIONS, send, onLeftBehind, longestCleanUp: 0 })
  assert.deepEqual([sent, left], [[], ['/v2/b/blobs/x', '/v2/a/blobs/x']])
  await runCases([pushing], { ...OPTIONS, send, onLeftBehind })
  assert.deepEqual([sent, left.length], [['DELETE', 'DELETE'], 2])
})

test('repositories are removed for a bounded time', async () => {
  let sent = 0
  const send: Send = async () => {
    sent++
    return { status: 200, headers: new Headers(), body: new TextEncoder().encode('{"tags":["v1"]}') }
  }
  const names = ['a', 'b'].flatMap((name) => parseRepositoryName(name) ?? [])
  await removeRepositories(names, send, 0)
  assert.equal(sent, 0)
  assert.equal(await removeRepositories(names, send), 2)
  assert.ok(sent > 4)
})
