import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JobRun } from '../../src/metadata/jobs.ts'
import { commitAt, commitOne, type GetStore, newToken, tick } from './metadata-place.ts'

/** Jobs: the lease of each, and what its last runs did. */
export function testJobs(getStore: GetStore): void {
  testLeases(getStore)
  testRuns(getStore)
}

function testLeases(getStore: GetStore): void {
  test('the lease of a job is held by one holder, until it expires', async () => {
    const store = getStore()
    const job = newToken()
    const start = tick()
    const lease = (holder: string, at: number) =>
      commitAt(store, start + at, { type: 'leaseJob', job, holder, duration: 10 })
    assert.deepEqual(await lease('one', 100), { result: 'leased' })
    assert.deepEqual(await lease('two', 109), { result: 'held' })
    assert.deepEqual(await lease('two', 110), { result: 'leased' })
    assert.deepEqual(await lease('one', 111), { result: 'held' })
  })

  test('a holder renews its lease', async () => {
    const store = getStore()
    const job = newToken()
    const start = tick()
    const lease = (holder: string, at: number) =>
      commitAt(store, start + at, { type: 'leaseJob', job, holder, duration: 10 })
    await lease('one', 100)
    assert.deepEqual(await lease('one', 105), { result: 'leased' })
    assert.deepEqual(await lease('two', 114), { result: 'held' })
    assert.deepEqual(await lease('two', 115), { result: 'leased' })
  })

  test('a lease is given back only by its holder, and leases of other jobs are not affected', async () => {
    const store = getStore()
    const [job, other] = [newToken(), newToken()]
    const lease = (name: string, holder: string) =>
      commitOne(store, { type: 'leaseJob', job: name, holder, duration: 1e6 })
    await lease(job, 'one')
    await lease(other, 'one')
    await commitOne(store, { type: 'releaseJob', job, holder: 'two' })
    assert.deepEqual(await lease(job, 'two'), { result: 'held' })
    await commitOne(store, { type: 'releaseJob', job, holder: 'one' })
    assert.deepEqual(await lease(job, 'two'), { result: 'leased' })
    assert.deepEqual(await lease(other, 'two'), { result: 'held' })
  })
}

function testRuns(getStore: GetStore): void {
  const runOf = (job: string, started: number): JobRun => ({
    job,
    started,
    took: 3,
    outcome: 'done',
    result: { blobs: started, freed: 2 ** 40 },
  })

  test('runs are read newest first, as they were recorded', async () => {
    const store = getStore()
    const job = newToken()
    const done = runOf(job, 1)
    const failed: JobRun = {
      job,
      started: 2,
      took: 0,
      outcome: 'failed',
      result: {},
      error: 'the disk is full',
    }
    for (const run of [done, failed]) await commitOne(store, { type: 'recordRun', run, keep: 100 })
    assert.deepEqual(await store.jobs.runs(job, 10), [failed, done])
    assert.deepEqual(await store.jobs.runs(job, 1), [failed])
    assert.deepEqual(await store.jobs.runs(newToken(), 10), [])
  })

  test('the newest runs of each job are kept, in the order in which they were recorded', async () => {
    const store = getStore()
    const [job, other] = [newToken(), newToken()]
    await commitOne(store, { type: 'recordRun', run: runOf(other, 1), keep: 3 })
    // The clock of the server may have been set back.
    for (const started of [5, 4, 3, 2, 1])
      await commitOne(store, { type: 'recordRun', run: runOf(job, started), keep: 3 })
    assert.deepEqual(
      (await store.jobs.runs(job, 10)).map(({ started }) => started),
      [1, 2, 3],
    )
    assert.equal((await store.jobs.runs(other, 10)).length, 1)
  })
}
