import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Settings } from '../../src/config.ts'
import { pushImage } from '../content.ts'
import { startStowage, type TestServer } from '../stowage.ts'
import { CRLF, head, sendRaw } from './raw-request.ts'
import { assertNothingStored, assertRefused, type Refusal } from './refusal.ts'

const MISDIRECTED: Refusal = [421, 'DENIED']

/** Loopback names and addresses, which nobody else's name server resolves. */
const OWN = [
  ...['127.0.0.1', '127.0.0.1:5000', '127.7.7.7', '[::1]', '[::1]:5000', 'localhost', 'localhost:5000'],
  ...['LOCALHOST', 'localhost.', 'registry.localhost:5000', '192.0.2.7:5000', '[2001:db8::7]:5000'],
]

const FOREIGN = [
  ...['evil.test', 'evil.test:5000', 'localhost.evil.test', '127.0.0.1.evil.test', 'evillocalhost', ''],
  ...['127.1', '0x7f000001', '2130706433', '[::1].evil.test', '[evil.test]', 'registry.test', 'evil.test.'],
  ...['127.0.0.1:5000:5000', 'localhost evil.test', 'evil.test:80@127.0.0.1', '[::ffff:evil.test]', ':5000'],
]

async function statusOf(
  t: TestContext,
  server: TestServer,
  host: string,
  line = 'GET /v2/',
): Promise<number> {
  return (await sendRaw(t, server.url, head(line, `Host: ${host}`))).status
}

test('a request for a host that is not the registry its own is refused, read or write, and says by which setting', async (t) => {
  for (const settings of [{}, { allowAnonymous: true, listen: '0.0.0.0:0' }] satisfies Partial<Settings>[]) {
    const server = await startStowage(t, settings)
    const url = server.url.replace('0.0.0.0', '127.0.0.1')
    for (const host of FOREIGN) {
      for (const line of ['GET /v2/', 'GET /v2/_catalog', 'POST /v2/app/blobs/uploads/']) {
        const answer = await sendRaw(t, url, head(line, `Host: ${host}`))
        assertRefused(answer, MISDIRECTED, `${line} of ${host}`)
        assert.match(answer.body.toString(), /--allowed-hosts/)
      }
    }
    for (const host of OWN) assert.equal(await statusOf(t, { ...server, url }, host), 200, host)
    await assertNothingStored({ ...server, url })
  }
})

test('a host that is listed, or that of the public URL, is answered', async (t) => {
  const server = await startStowage(t, {
    publicUrl: 'https://public.test:8443/registry',
    allowedHosts: 'registry.test, *.svc.test',
  })
  await pushImage(server.url, 'app', 'v1')
  for (const host of [
    ...[
      'public.test',
      'public.test:8443',
      'PUBLIC.test',
      'registry.test',
      'Registry.Test:5000',
      'registry.test.',
    ],
    ...['a.svc.test', 'a.b.svc.test:5000', ...OWN],
  ]) {
    assert.equal(await statusOf(t, server, host, 'GET /v2/app/tags/list'), 200, host)
  }
  for (const host of ['svc.test', '.svc.test', 'asvc.test', 'a.registry.test', 'evil.test']) {
    assert.equal(await statusOf(t, server, host), 421, host)
  }
})

test('the absolute form of a request tells the host in place of the header', async (t) => {
  const server = await startStowage(t, { allowedHosts: 'registry.test' })
  assert.equal(await statusOf(t, server, '127.0.0.1', 'GET http://evil.test/v2/'), 421)
  assert.equal(await statusOf(t, server, '127.0.0.1', 'GET http://127.0.0.1@evil.test/v2/'), 421)
  assert.equal(await statusOf(t, server, 'evil.test', 'GET http://registry.test:5000/v2/'), 200)
})

test('probes and clients of HTTP/1.0 that name no host are answered', async (t) => {
  const server = await startStowage(t)
  for (const path of ['/livez', '/readyz']) {
    for (const host of ['evil.test', '10.1.2.3:5000'])
      assert.equal(await statusOf(t, server, host, `GET ${path}`), 200)
  }
  assert.equal((await sendRaw(t, server.url, `GET /v2/ HTTP/1.0${CRLF}${CRLF}`)).status, 200)
})
