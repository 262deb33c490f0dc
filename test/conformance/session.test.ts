import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Fetch } from '../../src/client/transport.ts'
import {
  assertRegistry,
  parseRegistryAddress,
  RegistryAddressError,
} from '../../src/conformance/registry-address.ts'
import { openSession } from '../../src/conformance/session.ts'

interface Seen {
  method: string
  url: URL
  authorization: string | undefined
  body: string
}

type Answer = (seen: Seen, response: ServerResponse) => void

/** A server that keeps what it was asked. */
async function startServer(
  t: TestContext,
  answer: Answer,
  host = '127.0.0.1',
): Promise<{ origin: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer((request: IncomingMessage, response) => {
    let body = ''
    request.setEncoding('latin1').on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { authorization } = request.headers
      const each = {
        method: request.method ?? '',
        url: new URL(`http://x${request.url}`),
        authorization,
        body,
      }
      seen.push(each)
      answer(each, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return { origin: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, seen }
}

function end(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
  body = '',
): void {
  response.writeHead(status, headers).end(body)
}

const CREDENTIALS = { user: 'ann', password: 'p:ä secret' }
const BASIC = `Basic ${Buffer.from('ann:p:ä secret').toString('base64')}`

/** A registry that lets tokens in, and gives them. */
function tokenRegistry(tokenField: 'token' | 'access_token'): Answer {
  return ({ url, authorization }, response) => {
    if (url.pathname === '/token') {
      if (authorization !== BASIC) return end(response, 401)
      const scope = url.searchParams.get('scope') ?? ''
      return end(response, 200, {}, JSON.stringify({ [tokenField]: `for:${scope}` }))
    }
    const scope = `repository:${url.pathname.split('/')[2]}:pull`
    if (authorization === `Bearer for:${scope}`) return end(response, 200, {}, 'content')
    const realm = `http://${response.req.headers.host}/token`
    end(response, 401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="here",scope="${scope}"` })
  }
}

for (const field of ['token', 'access_token'] as const) {
  test(`a challenge is met with a token from its endpoint, given as ${field}, which is kept`, async (t) => {
    const { origin, seen } = await startServer(t, tokenRegistry(field))
    const send = openSession(origin, { credentials: CREDENTIALS })
    for (const target of ['/v2/a/blobs/1', '/v2/a/blobs/2', '/v2/b/blobs/1', '/v2/a/blobs/3'])
      assert.equal((await send({ method: 'GET', target })).status, 200, target)
    const asked = seen.filter(({ url }) => url.pathname === '/token').map(({ url }) => url.searchParams)
    assert.deepEqual(
      asked.map((query) => [query.get('service'), query.get('scope'), query.get('account')]),
      [
        ['here', 'repository:a:pull', 'ann'],
        ['here', 'repository:b:pull', 'ann'],
      ],
    )
    assert.equal(seen.length, 4 + 2 + 2, 'one refusal and one token for each repository')
  })
}

test('a challenge that stays is met once again, and its refusal is the answer', async (t) => {
  const { origin, seen } = await startServer(t, ({ url }, response) => {
    if (url.pathname === '/token') return end(response, 200, {}, '{"token":"useless"}')
    end(response, 401, { 'WWW-Authenticate': `Bearer realm="http://${response.req.headers.host}/token"` })
  })
  const send = openSession(origin)
  assert.equal((await send({ method: 'GET', target: '/v2/' })).status, 401)
  assert.equal(seen.length, 3)
})

test('a password is shown once the registry asks for it, and bodies are sent again', async (t) => {
  const { origin, seen } = await startServer(t, ({ authorization }, response) => {
    if (authorization === BASIC) return end(response, 201)
    end(response, 401, { 'WWW-Authenticate': 'Basic realm="x"' })
  })
  const send = openSession(origin, { credentials: CREDENTIALS })
  const body = new TextEncoder().encode('bytes')
  for (const streamed of [false, true])
    assert.equal((await send({ method: 'PUT', target: '/v2/a/blobs/x', body, streamed })).status, 201)
  assert.deepEqual(
    seen.map((each) => [each.authorization, each.body]),
    [
      [undefined, 'bytes'],
      [BASIC, 'bytes'],
      [BASIC, 'bytes'],
    ],
  )
})

test('credentials go to no token endpoint that is neither the registry nor https', async (t) => {
  const thief = await startServer(t, (_, response) => end(response, 200, {}, '{"token":"x"}'))
  const { origin } = await startServer(t, (_, response) =>
    end(response, 401, { 'WWW-Authenticate': `Bearer realm="${thief.origin}/token"` }),
  )
  await assert.rejects(
    openSession(origin, { credentials: CREDENTIALS })({ method: 'GET', target: '/v2/' }),
    /no credentials are sent/,
  )
  assert.deepEqual(thief.seen, [])
  for (const realm of ['file:///etc/passwd', 'nonsense', 'ftp://127.0.0.1/']) {
    const odd = await startServer(t, (_, response) =>
      end(response, 401, { 'WWW-Authenticate': `Bearer realm="${realm}"` }),
    )
    await assert.rejects(openSession(odd.origin)({ method: 'GET', target: '/v2/' }), /token endpoint/)
  }
})

/** Sends what goes to a host of the internet to a server of this machine. */
function reaching(servers: Record<string, string>): Fetch {
  return (url, init) => {
    const { origin, pathname, search } = new URL(url)
    return fetch((servers[origin] ?? origin) + pathname + search, init)
  }
}

test('a redirect is followed, and nothing that lets us in goes along to another host', async (t) => {
  const storage = await startServer(t, (_, response) =>
    end(response, 401, { 'WWW-Authenticate': 'Basic realm="give it to me"' }),
  )
  const { origin, seen } = await startServer(t, ({ url, authorization }, response) => {
    if (authorization !== BASIC) return end(response, 401, { 'WWW-Authenticate': 'Basic realm="x"' })
    if (url.pathname === '/v2/a/blobs/home') return end(response, 307, { Location: '/moved' })
    if (url.pathname === '/moved') return end(response, 200, {}, 'here')
    end(response, 302, { Location: 'https://storage.example/elsewhere' })
  })
  const send = openSession(origin, {
    credentials: CREDENTIALS,
    fetch: reaching({ 'https://storage.example': storage.origin }),
    allowedHosts: ['storage.example'],
  })
  const home = await send({ method: 'GET', target: '/v2/a/blobs/home' })
  assert.equal(new TextDecoder().decode(home.body), 'here')
  assert.equal(seen.at(-1)?.authorization, BASIC)
  assert.equal((await send({ method: 'GET', target: '/v2/a/blobs/away' })).status, 401)
  assert.equal((await send({ method: 'GET', target: 'https://storage.example/direct' })).status, 401)
  const headers = { Authorization: 'Bearer of-the-case' }
  await send({ method: 'GET', target: `${origin}/v2/a/blobs/away`, headers })
  await send({ method: 'GET', target: 'https://storage.example/direct', headers })
  assert.deepEqual(
    storage.seen.map(({ authorization }) => authorization),
    [undefined, undefined, undefined],
  )
})

test('nothing is sent to another host that is not listed, nor to this machine even if it is', async (t) => {
  const other = await startServer(t, (_, response) => end(response, 200))
  const elsewhere = 'https://storage.example'
  const { origin } = await startServer(t, ({ url }, response) =>
    end(response, 307, { Location: `${url.searchParams.get('to')}/v2/` }),
  )
  const send = openSession(origin, {
    fetch: reaching({ [elsewhere]: other.origin }),
    allowedHosts: [new URL(other.origin).host, '10.1.2.3'],
  })
  for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'HEAD']) {
    for (const to of [elsewhere, other.origin, 'http://10.1.2.3', 'http://localhost:1', 'http://[::1]:1']) {
      const gone = /requests are sent only with --allow-host|no requests are sent/
      await assert.rejects(send({ method, target: `/?to=${to}` }), gone, `${method} ${to}`)
      await assert.rejects(send({ method, target: `${to}/v2/` }), gone, `${method} ${to}`)
    }
  }
  assert.deepEqual(other.seen, [])
})

test('a token endpoint with https on another host gets the credentials and is reported; no other host gets them', async (t) => {
  const tokens = await startServer(t, (_, response) => end(response, 200, {}, '{"token":"let-me-in"}'))
  const told: string[] = []
  for (const [realm, isAsked] of [
    ['https://auth.example/token', true],
    ['https://localhost/token', false],
    ['https://169.254.169.254/token', false],
  ] as const) {
    const { origin } = await startServer(t, ({ authorization }, response) => {
      if (authorization === 'Bearer let-me-in') return end(response, 200)
      end(response, 401, { 'WWW-Authenticate': `Bearer realm="${realm}"` })
    })
    const send = openSession(origin, {
      credentials: CREDENTIALS,
      fetch: reaching({ [new URL(realm).origin]: tokens.origin }),
      onTokenEndpoint: (endpoint) => void told.push(endpoint),
    })
    const asked = send({ method: 'GET', target: '/v2/' })
    if (isAsked) assert.equal((await asked).status, 200)
    else await assert.rejects(asked, /no requests are sent/)
  }
  assert.deepEqual(told, ['https://auth.example'])
  assert.deepEqual(
    tokens.seen.map(({ authorization }) => authorization),
    [BASIC],
  )
})

test('a token endpoint that redirects elsewhere takes neither a request nor a password along', async (t) => {
  const thief = await startServer(t, (_, response) => end(response, 200, {}, '{"token":"x"}'))
  for (const to of [thief.origin, 'https://thief.example']) {
    const { origin } = await startServer(t, ({ url }, response) => {
      if (url.pathname === '/token') return end(response, 307, { Location: `${to}/token` })
      end(response, 401, { 'WWW-Authenticate': `Bearer realm="http://${response.req.headers.host}/token"` })
    })
    const fetch = reaching({ 'https://thief.example': thief.origin })
    await assert.rejects(
      openSession(origin, { credentials: CREDENTIALS, fetch })({ method: 'GET', target: '/v2/' }),
      /the registry leads to/,
    )
  }
  assert.deepEqual(thief.seen, [])
})

test('a request that changes nothing is sent again when a connection breaks, and any other is not', async (t) => {
  const { origin, seen } = await startServer(t, ({ method }, response) => {
    if (seen.filter((each) => each.method === method).length === 1) return void response.destroy()
    end(response, 200)
  })
  const send = openSession(origin)
  for (const method of ['GET', 'HEAD']) assert.equal((await send({ method, target: '/v2/' })).status, 200)
  for (const method of ['POST', 'PUT', 'DELETE'])
    await assert.rejects(send({ method, target: '/v2/' }), { name: 'Undecided', message: /connection/ })
  assert.equal(seen.length, 4 + 3)
})

test('an answer without end in size, in time or in redirects is given up', async (t) => {
  const { origin } = await startServer(t, ({ url }, response) => {
    if (url.pathname === '/round') return end(response, 307, { Location: '/round' })
    if (url.pathname === '/slow') return void response.writeHead(200).flushHeaders()
    const pour = () => {
      while (!response.destroyed && response.write(Buffer.alloc(1024 * 1024)));
    }
    response.writeHead(200).on('drain', pour)
    pour()
  })
  await assert.rejects(openSession(origin)({ method: 'GET', target: '/round' }), /more than 5 redirects/)
  await assert.rejects(openSession(origin)({ method: 'GET', target: '/much' }), /larger than 32 MiB/)
  const hasty = openSession(origin, { timeout: 200 })
  await assert.rejects(hasty({ method: 'GET', target: '/slow' }), /no complete response in time/)
})

test('credentials are reported as secrets', async (t) => {
  const { origin } = await startServer(t, tokenRegistry('token'))
  const secrets: string[] = []
  const send = openSession(origin, {
    credentials: CREDENTIALS,
    onSecret: (secret) => void secrets.push(secret),
  })
  await send({ method: 'GET', target: '/v2/a/tags/list' })
  assert.deepEqual(secrets, [CREDENTIALS.password, BASIC.slice(6), 'for:repository:a:pull'])
})

test('an address without a scheme is http on this machine and https elsewhere', () => {
  for (const [text, origin] of [
    ['localhost:5000', 'http://localhost:5000'],
    ['127.0.0.1:5000', 'http://127.0.0.1:5000'],
    ['[::1]:5000', 'http://[::1]:5000'],
    ['registry.example', 'https://registry.example'],
    ['[2001:db8::1]:5000', 'https://[2001:db8::1]:5000'],
    ['https://Registry.example/v2/', 'https://registry.example'],
    ['http://registry.example:80', 'http://registry.example'],
  ] as const) {
    assert.equal(parseRegistryAddress(text), origin)
  }
  for (const text of [
    '',
    'http://',
    'ftp://a.example',
    'https://a:b@a.example',
    'a.example/b',
    'a b',
    'http://a?b',
  ])
    assert.throws(() => parseRegistryAddress(text), RegistryAddressError, text)
})

test('an address that is not a registry, refuses the credentials, or does not answer is reported in one line', async (t) => {
  const tell = async (answer: Answer) => {
    const { origin } = await startServer(t, answer)
    return await assertRegistry(origin, openSession(origin)).then(
      () => 'fine',
      (error: RegistryAddressError) => error.message.replace(origin, 'it'),
    )
  }
  assert.equal(await tell((_, response) => end(response, 200)), 'fine')
  assert.equal(await tell((_, response) => end(response, 404)), 'it is not a registry: GET /v2/ returned 404')
  assert.match(await tell((_, response) => end(response, 401)), /requires other credentials/)
  assert.match(await tell((_, response) => void response.destroy()), /^it cannot be tested: [^\n]+$/)
})

test('a registry that refuses requests for its root can still be read', async (t) => {
  for (const status of [200, 403]) {
    const { origin } = await startServer(t, ({ url }, response) => {
      if (url.pathname === '/token') return end(response, status, {}, '{"token":"x"}')
      end(response, 401, { 'WWW-Authenticate': `Bearer realm="http://${response.req.headers.host}/token"` })
    })
    const send = openSession(origin)
    await assertRegistry(origin, send, { needsRight: false })
    await assert.rejects(assertRegistry(origin, send), RegistryAddressError)
  }
})

test('an address on which nothing listens is reported as such', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const nobody = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  server.close()
  await once(server, 'close')
  await assert.rejects(assertRegistry(nobody, openSession(nobody)), /connection refused/)
})

test('a registry is tested at an IPv6 address', async (t) => {
  const { origin } = await startServer(t, (_, response) => end(response, 200), '::1')
  await assertRegistry(parseRegistryAddress(origin), openSession(origin))
})

test('an answer without an end is read until the text that is waited for, wherever it is cut', async (t) => {
  const { origin } = await startServer(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write('id: 1\n\nid')
    response.write(': 2\n\n')
  })
  const answer = await openSession(origin)({ method: 'GET', target: '/v2/stream', until: 'id: 2\n' })
  assert.equal(Buffer.from(answer.body).toString(), 'id: 1\n\nid: 2\n\n')
})

test('a response that arrives byte by byte takes no more memory than its bytes', async (t) => {
  const size = 600_000
  let sent = 0
  let most = 0
  const before = process.memoryUsage().heapUsed
  const byteByByte: Fetch = async () => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent % 50_000 === 0) most = Math.max(most, process.memoryUsage().heapUsed)
        if (sent === size) return controller.close()
        sent++
        controller.enqueue(Uint8Array.of(97))
      },
    })
    return new Response(body)
  }
  const send = openSession('http://127.0.0.1:1', { fetch: byteByByte })
  const { body } = await send({ method: 'GET', target: '/v2/' })
  assert.equal(body.length, size)
  const more = (most - before) / 1024 / 1024
  t.diagnostic(`${more.toFixed()} MiB more at most, of ${size} bytes in as many pieces`)
  assert.ok(more < 100, `${more} MiB`)
})
