import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { settle, TestClock } from '../../test/job-clock.ts'
import type { JobRun } from '../metadata/jobs.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { memoryMetadata } from '../metadata/sqlite/store.ts'
import type { Figures, Job } from './job.ts'
import { JobRunner } from './runner.ts'

interface Place {
  clock: TestClock
  store: MetadataStore
  runner: JobRunner
  /** All runs, in order. */
  runs: JobRun[]
  failures: string[]
}

function startRunner(
  t: TestContext,
  jobs: readonly Job[],
  {
    clock = new TestClock(),
    store = memoryMetadata(clock.ofStore),
    holder = 'this process',
  }: { clock?: TestClock; store?: MetadataStore; holder?: string } = {},
): Place {
  const runs: JobRun[] = []
  const failures: string[] = []
  const runner = new JobRunner(jobs, {
    store,
    holder,
    clock,
    onRun: (run) => void runs.push(run),
    log: { debug() {}, error: (_, message) => void failures.push(message) },
  })
  runner.start()
  t.after(async () => {
    await Promise.all([runner.stop(), clock.pass(5_000)])
    await store.close()
  })
  return { clock, store, runner, runs, failures }
}

function job(run: Job['run'], changes: Partial<Job> = {}): Job {
  return { name: 'work', every: 1_000, scope: 'store', run, ...changes }
}

/** A job whose runs the test ends. */
function heldJob(changes: Partial<Job> = {}) {
  const running: { signal: AbortSignal; end(figures: Figures): void; fail(error: Error): void }[] = []
  const held = job((signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<Figures>()
    running.push({ signal, end: resolve, fail: reject })
    return promise
  }, changes)
  const runOf = (index: number) => running[index] ?? assert.fail(`there is no run ${index}`)
  return { job: held, running, runOf }
}

test('a job runs again after its pause, and is recorded only if it did something', async (t) => {
  const figures = [{ blobs: 0 }, { blobs: 2 }, { blobs: 0 }]
  const { clock, store, runs } = startRunner(t, [job(async () => figures.shift() ?? {})])
  await clock.pass(999)
  assert.equal(runs.length, 0)
  await clock.pass(2_001)
  assert.deepEqual(
    runs.map(({ outcome, result }) => [outcome, result]),
    [
      ['done', { blobs: 0 }],
      ['done', { blobs: 2 }],
      ['done', { blobs: 0 }],
    ],
  )
  const recorded = {
    job: 'work',
    started: clock.jumped + 2_000,
    took: 0,
    outcome: 'done',
    result: { blobs: 2 },
  }
  assert.deepEqual(await store.jobs.runs('work', 10), [recorded])
})

test('the last 100 runs are kept', async (t) => {
  let count = 0
  const { clock, store } = startRunner(t, [job(async () => ({ count: ++count }))])
  await clock.pass(105_000)
  const kept = await store.jobs.runs('work', 1_000)
  assert.deepEqual([kept.length, kept[0]?.result, kept.at(-1)?.result], [100, { count: 105 }, { count: 6 }])
})

test('the pauses of two processes differ by up to a tenth in both directions', async (t) => {
  for (const [random, due] of [
    [0, 900],
    [1, 1_100],
  ] as const) {
    const clock = new TestClock()
    clock.random = () => random
    const { runner } = startRunner(t, [job(async () => ({}))], { clock })
    assert.equal(runner.states()[0]?.next, clock.now() + due)
  }
})

test('a job that fails is logged and recorded, and runs again, less often each time', async (t) => {
  const { clock, store, runs, failures } = startRunner(t, [
    job(() => {
      throw new Error('broken', { cause: new Error('the disk is full') })
    }),
  ])
  await clock.pass(200_000)
  const starts = runs.map(({ started }) => (started - clock.jumped) / 1_000)
  assert.deepEqual(starts, [1, 3, 7, 15, 31, 63, 123, 183])
  assert.equal(failures.length, starts.length)
  const [run] = await store.jobs.runs('work', 1)
  assert.deepEqual([run?.outcome, run?.error, run?.result], ['failed', 'broken: the disk is full', {}])
})

test('a job that works again runs as often as before it failed', async (t) => {
  let isBroken = true
  const { clock, runs } = startRunner(t, [
    job(async () => {
      if (isBroken) throw new Error('broken')
      return {}
    }),
  ])
  await clock.pass(1_000)
  isBroken = false
  await clock.pass(4_000)
  assert.deepEqual(
    runs.map(({ started }) => started - clock.jumped),
    [1_000, 3_000, 4_000, 5_000],
  )
})

test('while a run takes longer than the pause, no other begins, and runs that are asked for follow once', async (t) => {
  const { job: work, running, runOf } = heldJob()
  const { clock, runner } = startRunner(t, [work])
  await clock.pass(10_000)
  assert.equal(running.length, 1)
  assert.equal(runner.states()[0]?.running, clock.jumped + 1_000)
  runner.ask('work')
  runner.ask('work')
  await clock.pass(10_000)
  assert.equal(running.length, 1)
  runOf(0).end({})
  await settle()
  assert.equal(running.length, 2)
  runOf(1).end({})
  await clock.pass(999)
  assert.equal(running.length, 2)
  await clock.pass(1)
  assert.equal(running.length, 3)
})

test('a run with other options waits its turn, and gives its result after it was recorded', async (t) => {
  const { job: work, runOf } = heldJob({ every: 60_000 })
  const { clock, store, runner } = startRunner(t, [work])
  await clock.pass(60_000)
  let isOver = false
  const asked = runner.run({ ...work, run: async () => ({ freed: 7 }) }).finally(() => {
    isOver = true
  })
  await settle()
  assert.equal(isOver, false)
  runOf(0).end({})
  assert.deepEqual(await asked, { freed: 7 })
  assert.deepEqual((await store.jobs.runs('work', 10))[0]?.result, { freed: 7 })
  await assert.rejects(
    runner.run({ ...work, run: async () => Promise.reject(new Error('no')) }),
    /^Error: no$/,
  )
})

test('a job without a pause runs when it says that there is work', async (t) => {
  let ask = () => {}
  const { clock, runs, runner } = startRunner(t, [
    {
      name: 'work',
      scope: 'store',
      run: async () => ({ rows: 1 }),
      onWork(given) {
        ask = given
      },
    },
  ])
  await clock.pass(1e9)
  assert.equal(runs.length, 0)
  assert.equal(runner.states()[0]?.next, undefined)
  ask()
  await settle()
  assert.equal(runs.length, 1)
})

test('a run is stopped at its time limit, and its work until then is recorded', async (t) => {
  const { job: work, runOf } = heldJob({ limit: 5_000 })
  const { clock, runs } = startRunner(t, [work])
  await clock.pass(5_999)
  assert.equal(runOf(0).signal.aborted, false)
  await clock.pass(1)
  assert.equal(runOf(0).signal.aborted, true)
  runOf(0).end({ blobs: 3 })
  await settle()
  const [run] = runs
  assert.deepEqual([run?.outcome, run?.result], ['failed', { blobs: 3 }])
  assert.equal(run?.error, 'stopped after 5 seconds, its time limit')
})

test('a run that hangs is reported, and the job does not run again before it ends', async (t) => {
  const { job: work, running, runOf } = heldJob({ limit: 5_000 })
  const { clock, store, runs, runner } = startRunner(t, [work])
  await clock.pass(100_000)
  assert.deepEqual(
    runs.map(({ outcome, took }) => [outcome, took]),
    [['failed', 15_000]],
  )
  assert.match(runs[0]?.error ?? '', /^hangs/)
  assert.equal((await store.jobs.runs('work', 10)).length, 1)
  assert.equal(running.length, 1)
  assert.equal(runner.states()[0]?.running, clock.jumped + 1_000)
  runOf(0).end({})
  await clock.pass(2_000)
  assert.equal(running.length, 2)
  assert.equal(runs.length, 1)
})

test('a stop in the middle of a run waits for it, and records what it did', async (t) => {
  const { job: work, runOf } = heldJob()
  const { clock, store, runner, runs } = startRunner(t, [work])
  await clock.pass(1_000)
  const stopped = runner.stop()
  assert.equal(runOf(0).signal.aborted, true)
  runOf(0).end({ blobs: 1 })
  await stopped
  assert.deepEqual(
    (await store.jobs.runs('work', 10)).map(({ outcome, result }) => [outcome, result]),
    [['stopped', { blobs: 1 }]],
  )
  await clock.pass(10_000)
  assert.equal(runs.length, 1)
  await assert.rejects(runner.run(work), /the process is stopping/)
})

test('a stop does not wait longer than 5 seconds, and a run that did nothing is not recorded', async (t) => {
  const { job: work, runOf } = heldJob()
  const { clock, store, runner } = startRunner(t, [work])
  await clock.pass(1_000)
  const stopped = runner.stop()
  await clock.pass(5_000)
  await stopped
  runOf(0).fail(new Error('aborted'))
  await settle()
  assert.deepEqual(await store.jobs.runs('work', 10), [])
})

test('a clock that is set forward or back changes neither the pauses nor how long a run took', async (t) => {
  const { job: work, runOf } = heldJob()
  const { clock, runs } = startRunner(t, [work])
  clock.jumped += 1e9
  await clock.pass(1_000)
  const started = clock.now()
  clock.jumped -= 2e9
  await clock.pass(100)
  runOf(0).end({ blobs: 1 })
  await clock.pass(1_000)
  assert.deepEqual(runs, [{ job: 'work', started, took: 100, outcome: 'done', result: { blobs: 1 } }])
  assert.equal(runOf(1).signal.aborted, false)
})

test('a job of the store runs in one process at a time; a job of the process runs in each', async (t) => {
  const one = { ...heldJob(), ofProcess: heldJob({ name: 'own', scope: 'process' }) }
  const two = { ...heldJob(), ofProcess: heldJob({ name: 'own', scope: 'process' }) }
  const { clock, store } = startRunner(t, [one.job, one.ofProcess.job])
  startRunner(t, [two.job, two.ofProcess.job], { clock, store, holder: 'another process' })
  await clock.pass(300_000)
  assert.deepEqual(
    [one, two].map(({ running }) => running.length),
    [1, 0],
  )
  assert.deepEqual(
    [one, two].map(({ ofProcess }) => ofProcess.running.length),
    [1, 1],
  )
  one.runOf(0).end({})
  await clock.pass(1_000)
  assert.equal(one.running.length + two.running.length, 2)
})

test('a run that was asked for while another process runs the job follows when the lease is free', async (t) => {
  const one = heldJob({ every: 1e6 })
  const two = heldJob({ every: 1e6 })
  const { clock, store, runner } = startRunner(t, [one.job])
  const { runner: other } = startRunner(t, [two.job], { clock, store, holder: 'another process' })
  runner.ask('work')
  await settle()
  other.ask('work')
  await clock.pass(10_000)
  assert.equal(two.running.length, 0)
  one.runOf(0).end({})
  await clock.pass(1_000)
  assert.equal(two.running.length, 1)
})

test('a run stops if another process has taken its lease', async (t) => {
  const { job: work, runOf } = heldJob()
  const { clock, store, runs } = startRunner(t, [work])
  await clock.pass(1_000)
  await store.commit([
    { type: 'releaseJob', job: 'work', holder: 'this process' },
    { type: 'leaseJob', job: 'work', holder: 'another process', duration: 1e6 },
  ])
  await clock.pass(20_000)
  assert.equal(runOf(0).signal.aborted, true)
  runOf(0).end({})
  await settle()
  assert.equal(runs[0]?.error, 'another process has taken the lease of the job')
})

test('a run succeeds although it cannot be recorded, and does not wait for a record that hangs', async (t) => {
  const memory = memoryMetadata()
  const records: (() => Promise<never>)[] = [
    () => Promise.reject(new Error('the disk is full')),
    () => new Promise(() => {}),
  ]
  const commit = (async (commands: readonly { type: string }[]) =>
    commands[0]?.type === 'recordRun'
      ? await records.shift()?.()
      : await memory.commit(commands as never)) as unknown as MetadataStore['commit']
  const { clock, runs, runner, failures } = startRunner(t, [job(async () => ({ blobs: 1 }))], {
    store: { ...memory, commit },
  })
  assert.deepEqual(await runner.run(job(async () => ({ blobs: 2 }))), { blobs: 2 })
  await clock.pass(5_000)
  assert.equal(runs.length, 6)
  assert.deepEqual(
    runs.map(({ outcome }) => outcome),
    Array(6).fill('done'),
  )
  assert.deepEqual(failures, [])
})

test('a job whose lease cannot be taken has failed, and runs again', async (t) => {
  let isBroken = true
  const memory = memoryMetadata()
  const commit = (async (commands: readonly { type: string }[]) => {
    if (isBroken && commands[0]?.type === 'leaseJob') throw new Error('the store is gone')
    return await memory.commit(commands as never)
  }) as MetadataStore['commit']
  const { clock, runs } = startRunner(t, [job(async () => ({}))], { store: { ...memory, commit } })
  await clock.pass(1_000)
  isBroken = false
  await clock.pass(2_000)
  assert.deepEqual(
    runs.map(({ outcome, error }) => [outcome, error]),
    [
      ['failed', 'the store is gone'],
      ['done', undefined],
    ],
  )
})
