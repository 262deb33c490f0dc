import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { connect as connectRaw, head } from '../protocol/raw-request.ts'
import { openSandbox } from './program.ts'

const HANG = { timeout: 240_000 }
const INFO = { env: { STOWAGE_LOG_LEVEL: 'info' } }

type Line = Record<string, string | number | boolean>

/** The lines of requests in a log. */
function requestsIn(log: string): Line[] {
  const lines = log
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line))
  return lines.filter(({ msg }) => msg === 'request')
}

test(
  'each request is a line with who asked, for what, how it ended, and the id that the client got',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const server = await sandbox.serve('data', ['--workers', '2', '--trusted-proxies', '127.0.0.1'], INFO)
    const { url } = server
    const headers = { 'User-Agent': 'a "quoted" client', 'X-Forwarded-For': '192.0.2.7' }
    const ids = new Map<string, string>()
    const send = async (name: string, target: string, init: RequestInit = {}) => {
      const answer = await fetch(url + target, { ...init, headers: { ...headers, ...init.headers } })
      await answer.arrayBuffer()
      ids.set(answer.headers.get('x-request-id') ?? '', name)
      return answer
    }
    const begun = await send('begin', '/v2/app/blobs/uploads/', { method: 'POST' })
    await send('chunk', begun.headers.get('location') ?? '', { method: 'PATCH', body: 'x'.repeat(1000) })
    await send('tags', '/v2/app/tags/list?n=1&secret=hidden')
    await send('given', '/v2/', { headers: { 'X-Request-Id': 'of-the-proxy' } })
    await send('head', '/v2/', { method: 'HEAD' })
    for (const probe of ['/livez', '/readyz']) await send('probe', probe)
    await send('failed probe', '/readyz?for=nothing')
    await send('long', `/v2/${'x'.repeat(4000)}`)
    const { hostname, port } = new URL(url)
    const broken = connect(Number(port), hostname)
    broken.write('NOT HTTP\r\n\r\n')
    const [, brokenId = ''] = /^X-Request-Id: (\S+)/im.exec(await text(broken)) ?? []
    ids.set(brokenId, 'broken')

    server.signal('SIGTERM')
    const { code, stderr } = await server.ended
    assert.equal(code, 0, stderr)
    assert.ok(!stderr.includes('hidden'), 'queries are not logged')
    const found = new Map(requestsIn(stderr).map((line) => [ids.get(String(line.requestId)), line]))
    const part = (name: string, expected: Line) => {
      const line = found.get(name)
      assert.ok(line !== undefined, `${name} is not logged: ${stderr}`)
      assert.partialDeepStrictEqual(line, expected)
      assert.ok(typeof line.ms === 'number' && line.ms >= 0 && typeof line.time === 'number')
    }
    const client = { address: '192.0.2.7', userAgent: 'a "quoted" client', level: 30 }
    part('begin', { ...client, method: 'POST', operation: 'startUpload', status: 202, received: 0, sent: 0 })
    part('chunk', { ...client, method: 'PATCH', operation: 'appendToUpload', status: 202, received: 1000 })
    part('tags', { ...client, path: '/v2/app/tags/list', status: 404, reason: 'NAME_UNKNOWN' })
    assert.ok(Number(found.get('tags')?.sent) > 50)
    part('given', { ...client, requestId: 'of-the-proxy', operation: 'base', status: 200 })
    part('head', { ...client, method: 'HEAD', status: 200, sent: 0 })
    part('failed probe', { ...client, path: '/readyz', operation: 'ready', status: 400 })
    part('broken', { status: 400, reason: 'REQUEST_INVALID', address: '127.0.0.1' })
    assert.ok(!found.has('probe'), 'probes are only logged when they fail')
    assert.ok(String(found.get('long')?.path).length <= 1024)
    assert.equal(requestsIn(stderr).length, 8)
  },
)

test('a client that leaves before its answer is complete is logged as aborted', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const server = await sandbox.serve('data', ['--workers', '1'], INFO)
  const stop = new AbortController()
  const stream = await fetch(`${server.url}/v2/_stowage/changes/stream`, { signal: stop.signal })
  const waiting = await connectRaw(t, server.url)
  await waiting.send(head('GET /v2/_stowage/changes/list?wait=60'))
  waiting.destroy()
  stop.abort()
  await server.wrote('stderr', /"operation":"listChanges".*\n/)
  const [line] = await server.wrote('stderr', /.*"operation":"streamChanges".*\n/)
  assert.partialDeepStrictEqual(JSON.parse(line), {
    requestId: stream.headers.get('x-request-id'),
    status: 200,
    aborted: true,
  })
})

test('no request is logged with --access-log off, or if only warnings are', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  for (const [flags, programOptions] of [
    [['--access-log', 'off'], INFO],
    [['--access-log', 'on'], {}],
  ] as const) {
    const server = await sandbox.serve(`data-${flags[1]}`, flags, programOptions)
    await fetch(`${server.url}/v2/`)
    server.signal('SIGTERM')
    const { stderr } = await server.ended
    assert.deepEqual(requestsIn(stderr), [])
  }
})
