import assert from 'node:assert/strict'
import { createServer, request as sendRequest } from 'node:http'
import { createServer as createListener } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { nodeServer } from '../../src/http/node.ts'
import { originReader } from '../../src/http/request-origin.ts'
import { pushImage } from '../content.ts'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { openRegistry } from './open-registry.ts'
import { followEveryPath } from './published-registry.ts'
import { head, sendRaw } from './raw-request.ts'

interface ProxyOptions {
  /** What it leaves out of paths. */
  strips?: string
  /** What it adds to each request. */
  headers?: Readonly<Record<string, string>>
}

/** Starts a proxy that hands requests on to a server as they are, but for its options. @returns its own URL */
async function startProxy(t: TestContext, server: string, options: ProxyOptions = {}): Promise<string> {
  const { strips = '', headers = {} } = options
  const proxy = createServer((request, response) => {
    const path = (request.url ?? '').slice(strips.length)
    const asked = sendRequest(server + path, {
      method: request.method,
      headers: { ...request.headers, ...headers },
    })
    asked.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    request.pipe(asked)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    proxy.close()
    proxy.closeAllConnections()
  })
  const address = proxy.address()
  assert.ok(typeof address === 'object' && address !== null)
  return `http://127.0.0.1:${address.port}`
}

test('where nothing is configured every path begins with /v2/, whatever headers a client sends', async (t) => {
  const server = await startStowage(t)
  const headers = {
    'x-forwarded-prefix': '/evil',
    'x-forwarded-host': 'evil.test',
    forwarded: 'host=evil.test',
  }
  await followEveryPath(await startProxy(t, server.url, { headers }), '')
})

test('below the path of a public URL every path leads back through a proxy that keeps it', async (t) => {
  const server = await startStowage(t, { publicUrl: 'https://example.com/hub/registry/' })
  await followEveryPath(`${await startProxy(t, server.url)}/hub/registry`, '/hub/registry')
})

test('below the path of a public URL every path leads back through a proxy that removes it', async (t) => {
  const server = await startStowage(t, { publicUrl: 'https://example.com/hub/registry' })
  const proxy = await startProxy(t, server.url, { strips: '/hub/registry' })
  await followEveryPath(`${proxy}/hub/registry`, '/hub/registry')
})

test('a trusted proxy sends the path below which it publishes the registry', async (t) => {
  const server = await startStowage(t, { trustedProxies: '127.0.0.0/8' })
  const headers = { 'X-Forwarded-Prefix': '/registry' }
  const removing = await startProxy(t, server.url, { strips: '/registry', headers })
  await followEveryPath(`${removing}/registry`, '/registry')
  // Who asks the server itself knows no such path.
  const direct = await fetch(`${server.url}/v2/team/app/tags/list?n=1`)
  assert.match(direct.headers.get('link') ?? '', /^<\/v2\/team\/app\/tags\/list\?/)
  assert.equal((await fetch(`${server.url}/registry/v2/`)).status, 404)
})

test('a trusted proxy may also keep the path that it sends', async (t) => {
  const server = await startStowage(t, { trustedProxies: '127.0.0.1' })
  const proxy = await startProxy(t, server.url, { headers: { 'X-Forwarded-Prefix': '/registry' } })
  await followEveryPath(`${proxy}/registry`, '/registry')
})

test('a public URL without a path changes no path', async (t) => {
  const server = await startStowage(t, { publicUrl: 'https://registry.example.com' })
  await followEveryPath(server.url, '')
})

test('a registry below a path answers its probes in both places, and nothing else there', async (t) => {
  const server = await startStowage(t, { publicUrl: 'https://example.com/registry' })
  for (const [path, status] of [
    ['/livez', 200],
    ['/registry/livez', 200],
    ['/registry/readyz', 200],
    ['/registry/v2', 200],
    ['/v2/', 200],
    ['/registry/registry/v2/', 404],
    ['/registryv2/', 404],
    ['/registry', 404],
    ['/%72egistry/v2/', 404],
    ['/registry//v2/', 404],
  ] as const) {
    assert.equal((await fetch(server.url + path)).status, status, path)
  }
})

test('a repository may be called as the path of the public URL is', async (t) => {
  const server = await startStowage(t, { publicUrl: 'https://example.com/app' })
  await pushImage(server.url, 'app', 'v1')
  assert.equal((await fetch(`${server.url}/v2/app/manifests/v1`)).status, 200)
  assert.equal((await fetch(`${server.url}/app/v2/app/manifests/v1`)).status, 200)
  assert.equal((await fetch(`${server.url}/app/app/manifests/v1`)).status, 404)
})

test('a page of the public URL may write, and one of another site may not', async (t) => {
  const server = await startStowage(t, { publicUrl: 'https://registry.example.com' })
  const { host } = new URL(server.url)
  for (const [origin, status] of [
    ['https://registry.example.com', 202],
    [`http://${host}`, 202],
    ['https://evil.test', 403],
    ['https://example.com', 403],
    ['null', 403],
  ] as const) {
    const headers = [`Host: ${host}`, `Origin: ${origin}`, 'Content-Length: 0']
    const answer = await sendRaw(t, server.url, head('POST /v2/app/blobs/uploads/', ...headers))
    assert.equal(answer.status, status, origin)
  }
})

test('the peer of a Unix socket is trusted if the setting says so', async (t) => {
  const folder = await temporaryFolder(t)
  const { app } = await openRegistry(t, (registry) => registry)
  const log = { debug() {}, error() {} }
  for (const [isTrusted, location] of [
    [true, /^\/registry\/v2\//],
    [false, /^\/v2\//],
  ] as const) {
    const path = join(folder, `${isTrusted}.sock`)
    const readOrigin = originReader({ isTrusted: (peer) => isTrusted && peer === 'unix' })
    const server = await nodeServer(app, { readOrigin, log })
    const listener = createListener({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      server.take(socket),
    )
    t.after(() => listener.close())
    t.after(() => server.close())
    await new Promise<void>((resolve) => listener.listen(path, resolve))
    const found = await new Promise<string | undefined>((resolve, reject) => {
      const headers = { 'X-Forwarded-Prefix': '/registry', Host: 'registry.test' }
      sendRequest({ socketPath: path, method: 'POST', path: '/v2/app/blobs/uploads/', headers })
        .on('response', (answer) => resolve(answer.resume().headers.location))
        .on('error', reject)
        .end()
    })
    assert.match(found ?? '', location)
  }
})
