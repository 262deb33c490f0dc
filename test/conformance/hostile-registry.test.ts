import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Report } from '../../src/conformance/summary.ts'
import { openSandbox } from '../cli/program.ts'
import { type Fault, rewriting, startFaulty } from './faulty-registry.ts'

/** A server of the user's own, which must hear nothing of a run. */
async function startVictim(t: TestContext): Promise<{ origin: string; seen: string[] }> {
  const seen: string[] = []
  const server = createServer((request: IncomingMessage, response) => {
    seen.push(`${request.method} ${request.url}`)
    response.writeHead(202).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const PATH = '/v2/team/app/_stowage/repository/self'

/** Ways in which a registry has others send requests. */
const WAYS: readonly [does: string, fault: (url: string) => Fault][] = [
  [
    'names it as the Location of uploads',
    (url) =>
      rewriting(
        () => true,
        'Location',
        () => url,
      ),
  ],
  [
    'names it as the next page',
    (url) => (app) => async (request) => {
      const answer = await app(request)
      return { ...answer, headers: { ...answer.headers, Link: `<${url}>; rel="next"` } }
    },
  ],
  ['redirects reading to it', (url) => redirecting(url, /^(?:GET|HEAD)$/)],
  ['redirects writing to it', (url) => redirecting(url, /^(?:POST|PUT|PATCH)$/)],
  ['redirects deletions to it', (url) => redirecting(url, /^DELETE$/)],
  [
    'names it as its token realm',
    (url) => (app) => async (request) =>
      request.path === '/v2/'
        ? await app(request)
        : {
            status: 401,
            headers: { 'WWW-Authenticate': `Bearer realm="${url}"`, 'Content-Length': '0' },
          },
  ],
]

function redirecting(url: string, methods: RegExp): Fault {
  return (app) => async (request) =>
    request.path === '/v2/' || !methods.test(request.method)
      ? await app(request)
      : { status: 307, headers: { Location: url, 'Content-Length': '0' } }
}

for (const [does, fault] of WAYS) {
  test(`a registry that ${does} has nothing sent to another server of this machine`, async (t) => {
    const victim = await startVictim(t)
    const origin = await startFaulty(t, fault(victim.origin + PATH))
    const sandbox = await openSandbox(t)
    const run = ['conformance', origin, '--json', 'r.json', '--allow-host', new URL(victim.origin).host]
    const only = ['blob-push*', 'chunk*', 'tags-list*', 'manifest-delete*', 'upload*'].flatMap((id) => [
      '--only',
      id,
    ])
    const { code, stdout, stderr } = await sandbox.run([...run, ...only])
    assert.deepEqual(victim.seen, [])
    assert.ok(code === 1 || code === 3, stdout + stderr)
    const { registries } = JSON.parse(await readFile(join(sandbox.folder, 'r.json'), 'utf8'))
    const [report]: Report[] = registries
    const refused = report?.cases.filter(({ message }) => message?.includes('no requests are sent')) ?? []
    assert.ok(refused.length > 0, stdout)
    assert.deepEqual(new Set(refused.map(({ verdict }) => verdict)), new Set(['undecided']))
  })
}

test('a run that only misses what the network kept from it ends with 3, and says that it is not decided', async (t) => {
  const server = createServer((request, response) => {
    if (request.method === 'PUT') return void response.destroy()
    response.writeHead(request.method === 'POST' ? 202 : 200, { Location: '/v2/x/blobs/uploads/1' }).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const sandbox = await openSandbox(t)
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { code, stdout } = await sandbox.run([
    'conformance',
    origin,
    '--only',
    'blob-push-post-put',
    '--junit',
    'r.xml',
  ])
  assert.equal(code, 3, stdout)
  assert.match(
    stdout,
    /^undecided {3}blob-push-post-put: .*\(the connection was closed before the response was complete\)$/m,
  )
  assert.match(stdout, /not all requirements of 1\.1 could be decided/)
  assert.match(await readFile(join(sandbox.folder, 'r.xml'), 'utf8'), /errors="1".*<error /s)
})
