import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { manifestOf, pushManifest } from '../content.ts'
import { makeCertificate } from './certificate.ts'
import { openSandbox, type Sandbox } from './program.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }

interface Run {
  started: number
  took: number
  outcome: string
  result: Record<string, number>
  error?: string
}

interface Job {
  name: string
  every?: number
  scope: string
  next?: number
  last?: Run
}

async function ask<Answer>({ run }: Sandbox, ...args: string[]): Promise<Answer> {
  const exit = await run(['jobs', ...args, '--json', '--data', 'data'])
  assert.equal(exit.code, 0, exit.stderr)
  return JSON.parse(exit.stdout)
}

/** The runs of a job, once there are some. */
async function runsOf(sandbox: Sandbox, job: string): Promise<[Run, ...Run[]]> {
  for (;;) {
    const [first, ...others] = await ask<Run[]>(sandbox, job)
    if (first !== undefined) return [first, ...others]
    await sleep(50)
  }
}

test('the jobs of a server are listed, with what runs next', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  await sandbox.serve('data')
  const before = Date.now()
  const jobs = await ask<Job[]>(sandbox)
  assert.deepEqual(
    jobs.map(({ name, every, scope }) => [name, every, scope]),
    [
      ['sweep', 60_000, 'store'],
      ['counts', 2_000, 'store'],
      ['deletion', undefined, 'store'],
      ['pulls', 60_000, 'process'],
    ],
  )
  const [sweep, , deletion] = jobs
  assert.ok(sweep?.next !== undefined && sweep.next > before && sweep.next < before + 70_000)
  assert.equal(sweep.last, undefined)
  assert.equal(deletion?.next, undefined)
  const { stdout } = await sandbox.run(['jobs', '--data', 'data'])
  assert.match(stdout, /^JOB +EVERY +LAST RUN +TOOK +RESULT +ERROR +NEXT RUN\n/)
  assert.match(stdout, /^sweep +1 min +never +- +- +- +in (?:\d+ s|1 min)$/m)
  assert.match(stdout, /^deletion +on demand +never +- +- +- +on demand$/m)
})

test('a collection is a run of the sweep, and is still there after another start', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const server = await sandbox.serve('data')
  const collect = async () => {
    const exit = await sandbox.run(['collect', '--now', '--tombstones', '--json', '--data', 'data'])
    return JSON.parse(exit.stdout) as Record<string, number>
  }
  await collect()
  assert.deepEqual(await ask(sandbox, 'sweep'), [], 'a run without anything to do is not recorded')
  const empty = await sandbox.run(['jobs', 'sweep', '--data', 'data'])
  assert.equal(empty.stdout, 'no run that did something or failed is recorded\n')
  assert.match(
    (await sandbox.run(['jobs', '--data', 'data'])).stdout,
    /^sweep .*Z +[\d.]+ m?s +nothing to do +- /m,
  )

  const before = Date.now()
  const manifest = manifestOf({})
  assert.equal((await pushManifest(server.url, 'app', manifest, 'v1')).status, 201)
  const url = `${server.url}/v2/app/manifests/${manifest.digest}`
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 202)
  const swept = await collect()
  assert.equal(swept.manifests, 1)
  const [run, ...others] = await ask<Run[]>(sandbox, 'sweep')
  assert.deepEqual([run?.outcome, run?.result, others], ['done', swept, []])
  assert.ok(run !== undefined && run.started >= before && run.took >= 0)

  server.signal('SIGTERM')
  await server.ended
  await sandbox.serve('data')
  assert.deepEqual(await ask(sandbox, 'sweep'), [run])
  const sweep = (await ask<Job[]>(sandbox)).find(({ name }) => name === 'sweep')
  assert.deepEqual(sweep?.last, run)
  const { stdout } = await sandbox.run(['jobs', 'sweep', '--data', 'data'])
  assert.match(stdout, /^STARTED +TOOK +RESULT +ERROR\n[-\d]{10} [:\d]{8}Z +[\d.]+ m?s +manifests 1\b.* -\n$/)
})

test('a repository that a worker deletes is removed at once by the job of the server', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const server = await sandbox.serve('data', ['--workers', '2'])
  assert.equal((await pushManifest(server.url, 'app', manifestOf({}), 'v1')).status, 201)
  const removed = await fetch(`${server.url}/v2/app/_stowage/repository/self`, { method: 'DELETE' })
  assert.equal(removed.status, 202, await removed.text())
  const [{ outcome, result }] = await runsOf(sandbox, 'deletion')
  assert.equal(outcome, 'done')
  assert.ok((result.rows ?? 0) > 0)
})

test('what fails is shown with its error', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const { certFile, keyFile } = await makeCertificate(sandbox.folder, 'one')
  await sandbox.serve('data', ['--tls-cert', certFile, '--tls-key', keyFile])
  await writeFile(certFile, 'no certificate')
  const [{ outcome, error }] = await runsOf(sandbox, 'certificate')
  assert.equal(outcome, 'failed')
  assert.match(error ?? '', /the new TLS certificate or key cannot be used/)
  const { stdout } = await sandbox.run(['jobs', '--data', 'data'])
  assert.match(stdout, /^certificate +2 s .* failed +the new TLS certificate or key cannot be used/m)
})

test('a job that does not exist and a server that does not run are reported in one line', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const without = await sandbox.run(['jobs', '--data', join(sandbox.folder, 'data')])
  assert.equal(without.code, 1)
  assert.match(without.stderr, /^stowage: no server is listening on .*admin\.sock.*\n$/)
  await sandbox.serve('data')
  const unknown = await sandbox.run(['jobs', 'sweeps', '--data', 'data'])
  assert.equal(unknown.code, 1)
  assert.equal(
    unknown.stderr,
    'stowage: there is no job "sweeps"; the jobs are sweep, counts, deletion, pulls\n',
  )
})
