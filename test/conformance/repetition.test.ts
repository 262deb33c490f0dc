import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { blobCases } from '../../src/conformance/cases/specification/blobs.ts'
import type { Exchange } from '../../src/conformance/exchange.ts'
import { repetitionOf } from '../../src/conformance/repetition.ts'
import { runCases } from '../../src/conformance/run.ts'
import { openHider } from '../../src/conformance/secret.ts'
import { openSession } from '../../src/conformance/session.ts'
import type { CaseReport, Report } from '../../src/conformance/summary.ts'
import { openSandbox, type Sandbox } from '../cli/program.ts'
import { type Fault, startFaulty } from './faulty-registry.ts'
import { at, refusingContent, status } from './known-bad.ts'
import { runLines } from './shell-run.ts'

/** Answers otherwise than it must in many places, without forgetting anything. */
const ODD: Fault = [
  status('GET blob', 203, 200),
  status('PUT upload', 200, 201),
  status(at('GET manifest', /./), 203, 200),
  status(at('GET tags', /./), 206, 200),
  status(at('GET', /referrers/), 203, 200),
].reduce((inner, outer) => (app) => outer(inner(app)))

async function runOdd(
  t: TestContext,
  fault: Fault,
  args: readonly string[],
): Promise<{ sandbox: Sandbox; failed: CaseReport[]; origin: string }> {
  const origin = await startFaulty(t, fault)
  const sandbox = await openSandbox(t)
  const run = await sandbox.run(['conformance', origin, '--json', 'r.json', ...args])
  assert.equal(run.code, 1, run.stdout + run.stderr)
  const { registries } = JSON.parse(await readFile(join(sandbox.folder, 'r.json'), 'utf8'))
  const [report]: Report[] = registries
  const failed = report?.cases.filter(({ exchange }) => exchange !== undefined) ?? []
  for (const each of failed)
    for (const line of each.exchange?.repeat ?? []) assert.ok(run.stdout.includes(line), line)
  return { sandbox, failed, origin }
}

async function assertRepeats({
  sandbox,
  failed,
}: {
  sandbox: Sandbox
  failed: readonly CaseReport[]
}): Promise<number> {
  let count = 0
  for (const { id, exchange } of failed) {
    const lines = exchange?.repeat ?? []
    if (lines[0]?.startsWith('#')) continue
    const repeated = await runLines(lines, { cwd: sandbox.folder })
    assert.equal(
      repeated.status,
      exchange?.response?.status,
      `${id}\n${lines.join('\n')}\n${repeated.stderr}`,
    )
    count++
  }
  return count
}

test('the lines of each failure, pasted into a shell after the run, see the same status', async (t) => {
  const ran = await runOdd(t, ODD, ['--group', 'specification'])
  const notes = ran.failed.filter(({ exchange }) => exchange?.repeat[0]?.startsWith('#'))
  assert.ok((await assertRepeats(ran)) >= 6, 'few cases failed')
  assert.ok(notes.every(({ exchange }) => /--evidence/.test(exchange?.repeat[0] ?? '')))
})

test('with evidence, every failure is repeated, whatever was sent, also by its script', async (t) => {
  const large = refusingContent(/"large"|\[\[\[\[/, 500)
  const ran = await runOdd(t, (app) => large(ODD(app)), [
    ...['--evidence', 'kept', '--only', 'blob-pull', '--only', 'range*', '--only', 'hostile-json-deep'],
    ...['--only', 'hostile-large-manifest*', '--only', 'manifest-p*'],
  ])
  assert.equal(await assertRepeats(ran), ran.failed.length)
  const [host = ''] = await readdir(join(ran.sandbox.folder, 'kept'))
  assert.equal(host, new URL(ran.origin).host.replace(':', '_'))
  for (const { id, exchange } of ran.failed) {
    const script = await readFile(join(ran.sandbox.folder, 'kept', host, id, 'repeat.sh'), 'utf8')
    assert.deepEqual(script.trimEnd().split('\n'), exchange?.repeat, id)
    const body = await readFile(join(ran.sandbox.folder, 'kept', host, id, 'answer.body'))
    assert.ok(exchange?.response?.body === undefined || body.length > 0, id)
  }
})

test('lines for a registry that wants a login take it from the environment, and stop without it', async (t) => {
  const authorization = `Basic ${Buffer.from('ann:correct horse').toString('base64')}`
  const closed: Fault = (app) => async (request) =>
    request.header('authorization') === authorization
      ? await ODD(app)(request)
      : { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="x"', 'Content-Length': '0' } }
  const origin = await startFaulty(t, closed)
  const send = openSession(origin, { credentials: { user: 'ann', password: 'correct horse' } })
  const cases = blobCases.filter(({ id }) => id === 'blob-pull').map(({ needs: _, ...each }) => each)
  const [result] = await runCases(cases, { origin, send, repository: 'test', concurrency: 1 })
  assert.ok(result?.verdict === 'failed')
  const { lines } = repetitionOf(result.exchanges, { origin, hider: openHider(['correct horse']) })
  assert.equal((await runLines(lines)).status, undefined)
  const seen = result.exchanges.at(-1)?.answer?.status
  assert.ok(seen !== undefined)
  assert.equal((await runLines(lines, { env: { AUTHORIZATION: authorization } })).status, seen)
})

const ORIGIN = 'http://127.0.0.1:1'

/** One request, to an address where nothing listens. */
function exchangeOf(request: Partial<Exchange['request']>): Exchange {
  return { request: { method: 'PUT', target: '/v2/a', url: `${ORIGIN}/v2/a`, ...request } }
}

test('no token, header or body makes a line do anything but what it says', async (t) => {
  const sandbox = await openSandbox(t)
  const marks = [
    "'; touch hit; '",
    '$(touch hit)',
    '`touch hit`',
    '" touch hit "',
    "octet-stream'",
    '\\',
    '@/etc/passwd',
    "''",
    '-o hit',
    '\n touch hit\n',
    '%s%n',
    '!!',
    '\u202e#',
  ]
  const lines: string[] = []
  for (const mark of marks) {
    for (const secret of [
      mark,
      "octet-stream'",
      "Content-Type: application/octet-stream' 'x",
      "' ",
      'curl',
      "'\\''",
    ]) {
      const exchange = exchangeOf({
        url: new URL(`${ORIGIN}/v2/a?x=${mark}`).href,
        headers: { 'Content-Type': 'application/octet-stream', 'X-Mark': mark.replaceAll('\n', ' ') },
        body: new TextEncoder().encode(mark),
      })
      lines.push(...repetitionOf([exchange], { origin: ORIGIN, hider: openHider([secret]) }).lines)
      const raw = exchangeOf({ raw: `GET / HTTP/1.1\r\n${mark}\r\n\r\n` })
      lines.push(
        ...repetitionOf([raw], { origin: ORIGIN, hider: openHider([secret]) }).lines.map((line) =>
          line.replace('sleep 2', 'true'),
        ),
      )
    }
  }
  assert.ok(lines.every((line) => !line.includes('\n')))
  const { stderr } = await runLines(lines, { cwd: sandbox.folder })
  assert.deepEqual(await readdir(sandbox.folder), [])
  assert.doesNotMatch(stderr, /not found|syntax|Unterminated/)
})

test('a Location that the lines meet later leads them nowhere else, and is not run', async (t) => {
  const seen: string[] = []
  const marks = [
    '//127.0.0.1:2/x',
    'http://127.0.0.1:2/x',
    '@127.0.0.1:2/x',
    '$(touch hit)',
    '-o/hit',
    ' -o hit',
  ]
  for (const recorded of ['/v2/a/blobs/uploads/1', `ORIGIN/v2/a/blobs/uploads/1`]) {
    for (const mark of marks) {
      const origin = await startFaulty(t, (_) => async ({ path, method }) => {
        seen.push(`${method} ${path}`)
        return { status: 202, headers: { Location: mark, 'Content-Length': '0' } }
      })
      const location = recorded.replace('ORIGIN', origin)
      const url = new URL(location, origin).href
      const begun: Exchange = {
        request: { method: 'POST', target: '/v2/a/blobs/uploads/', url: `${origin}/v2/a/blobs/uploads/` },
        answer: { status: 202, headers: new Headers({ location }), body: new Uint8Array() },
      }
      const closed: Exchange = {
        request: { method: 'PUT', target: `${url}?digest=x`, url: `${url}?digest=x` },
      }
      const { lines } = repetitionOf([begun, closed], { origin, hider: openHider([]) })
      assert.equal(lines.length, 2)
      const sandbox = await openSandbox(t)
      const before = seen.length
      const { stderr } = await runLines(lines, { cwd: sandbox.folder })
      assert.deepEqual(await readdir(sandbox.folder), [])
      assert.ok(seen.length > before)
      assert.doesNotMatch(stderr, /port 2\b/, mark)
    }
  }
})

test('a secret is not left half where a text was cut, nor in the forms of URLs and JSON', () => {
  const secret = `p"ss/${randomBytes(8).toString('hex')}`
  const { hide, hideInCut } = openHider([secret, secret.slice(2)])
  for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret)])
    assert.doesNotMatch(hide(`a ${form} z`), new RegExp(secret.slice(6)))
  assert.equal(hideInCut(`it said ${secret.slice(0, 9)}`), 'it said (secret)')
  assert.equal(hideInCut('it said nothing'), 'it said nothing')
})
