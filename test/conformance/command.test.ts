import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CASES, READING_CASES, selectCases } from '../../src/conformance/catalog.ts'
import type { Report } from '../../src/conformance/summary.ts'
import { type Exit, openSandbox } from '../cli/program.ts'
import { pushImage } from '../content.ts'
import { startStowage } from '../stowage.ts'
import { type Fault, startFaulty } from './faulty-registry.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Gives blobs of a wrong status; everything else is right. */
const NO_BLOBS: Fault = (app) => async (request) => {
  const answer = await app(request)
  const isPull = request.method === 'GET' && /\/blobs\/sha256:/.test(request.path)
  return isPull && answer.status === 200 ? { ...answer, status: 203 } : answer
}

function assertUsage({ code, stdout, stderr }: Exit, problem: RegExp): void {
  assert.equal(code, 2, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, /^(?:stowage|error): [^\n]+\n(?:.*help.*\n)?$/)
  assert.match(stderr, problem)
}

test('ids of cases are unique and in lower case, and what they need is there', () => {
  const seen = new Set<string>()
  for (const { id, needs = [], version } of [...CASES, ...READING_CASES]) {
    assert.match(id, /^[a-z0-9]+(?:-[a-z0-9]+)*$/)
    assert.ok(!seen.has(id), id)
    for (const need of needs) {
      const needed = CASES.find((each) => each.id === need)
      assert.ok(needed !== undefined, `${id} needs ${need}`)
      assert.ok(needed.version !== 'dev' || version === 'dev', `${id} needs ${need}, which is not released`)
    }
    seen.add(id)
  }
})

test('no case needs itself by way of others', () => {
  const visit = (id: string, path: readonly string[]): void => {
    assert.ok(!path.includes(id), [...path, id].join(' > '))
    for (const need of CASES.find((each) => each.id === id)?.needs ?? []) visit(need, [...path, id])
  }
  for (const { id } of CASES) visit(id, [])
})

test('cases are chosen by id and pattern, with what they need, and without what is not released', () => {
  const { cases, asked } = selectCases({ specification: '1.1', only: ['blob-pull'] })
  assert.deepEqual([...asked], ['blob-pull'])
  const needs = cases.find(({ id }) => id === 'blob-pull')?.needs ?? []
  assert.ok(needs.length > 0 && cases.length < CASES.length)
  for (const need of needs) assert.ok(cases.some(({ id }) => id === need))
  assert.ok(selectCases({ specification: '1.1', only: ['blob-*'] }).asked.size > 1)
  assert.ok(!selectCases({ specification: '1.1' }).cases.some(({ version }) => version === 'dev'))
  assert.ok(selectCases({ specification: '1.1', readOnly: true }).cases.every(({ readOnly }) => readOnly))
})

test('a Stowage is found to conform, in plain lines and in each report', async (t) => {
  const { url } = await startStowage(t)
  const sandbox = await openSandbox(t)
  const files = ['--json', 'r.json', '--junit', 'r.xml', '--html', 'r.html']
  const { code, stdout, stderr } = await sandbox.run(['conformance', url, '--spec', 'dev', ...files])
  assert.equal(code, 0, stdout + stderr)
  assert.equal(stderr, '')
  assert.match(stdout, /^passed {6}blob-pull: /m)
  assert.ok(!stdout.includes('\u001b') && !stdout.includes('\r'))
  const { registries } = JSON.parse(await readFile(join(sandbox.folder, 'r.json'), 'utf8'))
  const [report]: Report[] = registries
  assert.equal(report?.conforms, true)
  assert.equal(report?.registry, url)
  assert.equal(report?.cases.length, CASES.length)
  assert.deepEqual(
    await (await fetch(`${url}/v2/_catalog`)).json(),
    { repositories: [] },
    'the catalog is as it was before',
  )
  assert.match(await readFile(join(sandbox.folder, 'r.xml'), 'utf8'), /^<\?xml/)
  assert.match(await readFile(join(sandbox.folder, 'r.html'), 'utf8'), /^<!doctype html>/)
})

test('a registry that breaks a MUST ends the run with 1, and the failure is shown', async (t) => {
  const [good, faulty] = await Promise.all([startFaulty(t), startFaulty(t, NO_BLOBS)])
  const sandbox = await openSandbox(t)
  const only = ['--only', 'blob-pull', '--only', 'blob-pull-empty']
  const { code, stdout } = await sandbox.run(['conformance', good, faulty, ...only, '--json', 'r.json'])
  assert.equal(code, 1, stdout)
  assert.match(stdout, /wanted status 200; got 203/)
  assert.match(stdout, /^ {4}curl -sS -g --path-as-is -i -X GET "http/m)
  const { registries } = JSON.parse(await readFile(join(sandbox.folder, 'r.json'), 'utf8'))
  assert.deepEqual(
    registries.map(({ conforms }: Report) => conforms),
    [true, false],
  )
})

test('pushed content is deleted afterwards', async (t) => {
  const left = new Set<string>()
  const keepBook: Fault = (app) => async (request) => {
    const answer = await app(request)
    if (request.method === 'PUT' && answer.status === 201) left.add(answer.headers.Location ?? '')
    if (request.method === 'DELETE' && answer.status === 202) left.delete(request.path)
    return answer
  }
  const origin = await startFaulty(t, keepBook)
  const sandbox = await openSandbox(t)
  const { code, stdout } = await sandbox.run(['conformance', origin, '--only', 'blob-pu*'])
  assert.equal(code, 0, stdout)
  assert.doesNotMatch(stdout, /did not delete/)
  assert.deepEqual([...left], [])
})

test('a run that is interrupted deletes what it pushed, and ends', async (t) => {
  const left = new Set<string>()
  let begun = () => {}
  const isBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  const keepBook: Fault = (app) => async (request) => {
    const answer = await app(request)
    if (request.method === 'PUT' && answer.status === 201) {
      left.add(answer.headers.Location ?? '')
      begun()
    }
    if (request.method === 'DELETE' && answer.status === 202) left.delete(request.path)
    return answer
  }
  const origin = await startFaulty(t, keepBook)
  const sandbox = await openSandbox(t)
  const program = sandbox.start(['conformance', origin, '--only', 'blob-pu*', '--concurrency', '1'])
  await isBegun
  program.signal('SIGINT')
  const { code, stderr } = await program.ended
  assert.equal(code, 130)
  assert.match(stderr, /^stowage: interrupted/)
  assert.deepEqual([...left], [])
})

test('with --read-only, nothing is written, and existing content is read', async (t) => {
  const methods = new Set<string>()
  const keepBook: Fault = (app) => async (request) => {
    methods.add(request.method)
    return await app(request)
  }
  const origin = await startFaulty(t, keepBook)
  const image = await pushImage(origin, 'team/app', 'v1')
  const { config } = JSON.parse(new TextDecoder().decode(image.bytes))
  methods.clear()
  const sandbox = await openSandbox(t)
  const read = ['--read-tag', 'v1', '--read-digest', image.digest, '--read-blob', config.digest]
  const where = ['conformance', origin, '--read-only', '--repository', 'team/app']
  const { code, stdout } = await sandbox.run([...where, ...read])
  assert.equal(code, 0, stdout)
  for (const { id } of READING_CASES) assert.match(stdout, new RegExp(`^passed +${id}: `, 'm'))
  assert.deepEqual([...methods].sort(), ['GET', 'HEAD'])
  const without = await sandbox.run(where)
  assert.match(without.stdout, /^unsupported read-blob: .*--read-blob/m)
})

test('a password is read from standard input and appears in no output', async (t) => {
  const basic = `Basic ${Buffer.from('ann:correct horse').toString('base64')}`
  const server = createServer(({ headers }, response) => {
    if (headers.authorization === basic) response.writeHead(200).end(`you sent ${headers.authorization}`)
    else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const login = ['--user', 'ann', '--password-stdin']
  const run = async (password: string) => {
    const child = spawn(process.execPath, [MAIN, 'conformance', url, '--only', 'blob-pull-missing', ...login])
    child.stdin.end(password)
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ])
    return { code, all: stdout + stderr }
  }
  const [right, wrong] = await Promise.all([run('correct horse\n'), run('wrong')])
  assert.equal(right.code, 1, right.all)
  assert.match(right.all, /you sent Basic \(secret\)/)
  assert.doesNotMatch(right.all, new RegExp(`correct horse|${basic.slice(6)}`))
  assert.equal(wrong.code, 2)
  assert.match(wrong.all, /requires other credentials/)
})

test('what cannot be tested ends it with 2 and one line', async (t) => {
  const sandbox = await openSandbox(t)
  const origin = await startFaulty(t)
  const refusals = [
    [[], /the URL of a registry is required/],
    [['ftp://127.0.0.1'], /http or https/],
    [[`${origin}/team`], /must not have a path/],
    [[origin, '--only', 'nonsense'], /no case matches/],
    [[origin, '--user', 'ann'], /must be given together/],
    [[origin, '--read-tag', 'v1'], /require --read-only/],
    [[origin, '--read-only'], /requires --repository/],
    [[origin, '--repository', 'UPPER'], /not a valid repository name/],
    [[origin, '--concurrency', '0'], /1 to 64/],
    [[origin, '--nonsense'], /unknown option/],
  ] as const
  const runs = refusals.map(async ([args, problem]) =>
    assertUsage(await sandbox.run(['conformance', ...args]), problem),
  )
  await Promise.all(runs)
})

test('the cases are listed without a registry', async (t) => {
  const sandbox = await openSandbox(t)
  const { code, stdout } = await sandbox.run(['conformance', '--list', '--spec', 'dev'])
  assert.equal(code, 0)
  assert.equal(stdout.split('\n').length - 1, CASES.length)
  assert.match(stdout, /^blob-pull\tspecification\tMUST\t1\.0\t/m)
})
