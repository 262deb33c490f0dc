import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSandbox, type ServingProgram } from './program.ts'
import { type MetricFamilies, readMetrics } from './prometheus-text.ts'
import { serveWatched } from './threads.ts'

const HANG = { timeout: 240_000 }
const INFO = { env: { STOWAGE_LOG_LEVEL: 'info' }, nodeFlags: [] }
const FLAGS = ['--metrics-listen', '127.0.0.1:0', '--access-log', 'off']

/** The URL of the metrics, as the log has it. */
async function metricsUrl(server: ServingProgram): Promise<string> {
  const [, url = ''] = await server.wrote('stderr', /"url":"(http:[^"]+)","msg":"metrics are served"/)
  return url
}

const COUNTED = /^stowage_http_requests_total\{operation="(?!metrics)[^}]*\} (\d+)$/gm

/** Scrapes until so many requests are counted: a request is counted a moment after its client has the answer. */
async function scrape(url: string, requests: number): Promise<MetricFamilies> {
  for (;;) {
    const answer = await fetch(url)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    const found = readMetrics(await answer.text())
    const counts = [...found.text.matchAll(COUNTED)].map(([, count]) => Number(count))
    if (counts.reduce((sum, count) => sum + count, 0) >= requests) return found
    await sleep(20)
  }
}

/** Sends requests, each on a connection of its own, so that all workers get some. */
async function sendMany(url: string, count: number, target: string): Promise<void> {
  for (let left = count; left > 0; left--) {
    const answer = await fetch(url + target, { headers: { Connection: 'close' } })
    await answer.arrayBuffer()
  }
}

test(
  'what all workers did is added up: requests, durations and bytes, by operation and status',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const server = await sandbox.serve('data', ['--workers', '2', ...FLAGS], INFO)
    const url = await metricsUrl(server)
    await sendMany(server.url, 10, '/v2/')
    await sendMany(server.url, 4, '/v2/team/secret/tags/list')
    await fetch(`${server.url}/v2/`, { method: 'HEAD' })
    const upload = await fetch(`${server.url}/v2/team/secret/blobs/uploads/`, { method: 'POST' })
    await fetch(`${server.url}${upload.headers.get('location')}`, { method: 'PATCH', body: 'x'.repeat(5000) })
    await sendMany(server.url, 1, '/none')

    const found = await scrape(url, 18)
    const requests = (labels: object) => found.value('stowage_http_requests_total', labels)
    assert.equal(requests({ operation: 'base', method: 'GET', status: '200' }), 10)
    assert.equal(requests({ operation: 'base', method: 'HEAD', status: '200' }), 1)
    assert.equal(requests({ operation: 'listTags', method: 'GET', status: '404' }), 4)
    assert.equal(requests({ operation: 'appendToUpload', method: 'PATCH', status: '202' }), 1)
    assert.equal(requests({ operation: 'none', method: 'other', status: '404' }), 1)
    const sent = { operation: 'appendToUpload', method: 'PATCH' }
    assert.equal(found.value('stowage_http_request_body_bytes_total', sent), 5000)
    const listed = { operation: 'listTags', method: 'GET' }
    assert.ok(found.value('stowage_http_response_body_bytes_total', listed) > 200)
    assert.equal(found.value('stowage_http_request_duration_seconds_count', listed), 4)
    assert.equal(found.value('stowage_http_request_duration_seconds_bucket', { ...listed, le: '+Inf' }), 4)
    assert.ok(found.value('stowage_http_request_duration_seconds_sum', listed) > 0)
    assert.equal(found.value('stowage_storage_errors_total', { failure: 'full' }), 0)
    assert.equal(found.value('stowage_log_lines_dropped_total', {}), 0)
    const transactions = found.value('stowage_metadata_batch_commits_count', {})
    assert.ok(transactions > 0 && found.value('stowage_metadata_batch_commits_sum', {}) >= transactions)
    assert.ok(found.value('stowage_http_connections', {}) >= 0)
    assert.ok(found.value('process_resident_memory_bytes', {}) > 1_000_000)
    assert.ok(!found.text.includes('secret'), 'no label names a repository')
    const page = await readFile(new URL('../../docs/operations/metrics.md', import.meta.url), 'utf8')
    const explained = new Set([...page.matchAll(/^\| `(stowage_\w+)` \|/gm)].map(([, name]) => name))
    const own = found.names.filter((name) => name.startsWith('stowage_'))
    assert.deepEqual([...explained].sort(), own.sort(), 'docs/operations/metrics.md explains each metric')
  },
)

test('the totals of a worker that died stay, and its replacement adds to them', HANG, async (t) => {
  const { server, threads, endDebugging } = await serveWatched(t, [], {
    STOWAGE_LOG_LEVEL: 'info',
    STOWAGE_ACCESS_LOG: 'off',
    STOWAGE_METRICS_LISTEN: '127.0.0.1:0',
  })
  t.after(endDebugging)
  const url = await metricsUrl(server)
  await sendMany(server.url, 10, '/v2/')
  const total = async (requests: number) =>
    (await scrape(url, requests)).value('stowage_http_requests_total', {
      operation: 'base',
      method: 'GET',
      status: '200',
    })
  assert.equal(await total(10), 10)
  const [first] = await threads.living('worker-thread.ts', 2)
  await first?.kill()
  await server.wrote('stderr', /a worker thread died/)
  assert.equal(await total(10), 10)
  await threads.living('worker-thread.ts', 2)
  for (let sent = 0; sent < 10; ) {
    const answer = await fetch(`${server.url}/v2/`, { headers: { Connection: 'close' } }).catch(
      () => undefined,
    )
    if (answer === undefined) await sleep(20)
    else sent++
  }
  assert.equal(await total(20), 20)
})

test('metrics are served where the registry listens only if that is asked for', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const asked = await sandbox.serve('asked', ['--workers', '2', '--metrics', 'on'])
  await sendMany(asked.url, 3, '/v2/')
  const found = await scrape(`${asked.url}/metrics`, 3)
  const labels = { operation: 'base', method: 'GET', status: '200' }
  assert.equal(found.value('stowage_http_requests_total', labels), 3)
  const silent = await sandbox.serve('silent')
  assert.equal((await fetch(`${silent.url}/metrics`)).status, 404)
  const own = await sandbox.serve('own', FLAGS, INFO)
  assert.equal((await fetch(`${own.url}/metrics`)).status, 404)
})

test('the listener of metrics answers nothing else, and may be a Unix socket', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const path = join(sandbox.folder, 'metrics.sock')
  await sandbox.serve('data', ['--metrics-listen', `unix:${path}`])
  const ask = async (head: string) => {
    const socket = connect(path)
    await once(socket, 'connect')
    socket.write(`${head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    return await text(socket)
  }
  assert.match(await ask('GET /metrics'), /^HTTP\/1\.1 200 [\s\S]*process_cpu_seconds_total/)
  for (const head of ['GET /v2/', 'POST /metrics', 'GET /']) assert.match(await ask(head), /^HTTP\/1\.1 404 /)
})
