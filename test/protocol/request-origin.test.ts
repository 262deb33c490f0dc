import assert from 'node:assert/strict'
import { test } from 'node:test'
import { originReader, type RequestOrigin } from '../../src/http/request-origin.ts'
import { addressMatcher, parseAddressRange } from '../../src/ip-address.ts'

const PROXY = '10.0.0.1'
const isInRange = addressMatcher(
  ['10.0.0.0/8', 'fd00::/8', '::ffff:192.168.0.0/112'].map((text) => {
    const range = parseAddressRange(text)
    assert.ok(range !== undefined, text)
    return range
  }),
)
const readOrigin = originReader({ isTrusted: (peer) => peer === 'unix' || isInRange(peer) })

/** Where a request came from that a proxy sent with these headers. */
function seen(headers: Readonly<Record<string, string>>, { peer = PROXY } = {}): RequestOrigin {
  return readOrigin({ peer, isEncrypted: false }, (name) => headers[name])
}

function forwardedFor(value: string): Record<string, string> {
  return { 'x-forwarded-for': value }
}

test('without a trusted proxy, only the connection determines where a request comes from', () => {
  const headers: Record<string, string> = {
    host: 'registry.test:5000',
    forwarded: 'for=1.2.3.4;proto=https;host=evil.test',
    'x-forwarded-for': '1.2.3.4',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil.test',
    'x-forwarded-prefix': '/evil',
    'x-request-id': 'evil',
  }
  for (const [peer, address] of [
    ['203.0.113.7', '203.0.113.7'],
    ['11.0.0.1', '11.0.0.1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    // A connection that is gone has no address, which must not make it one over a Unix socket.
    [undefined, undefined],
  ] as const) {
    const { requestId, ...origin } = readOrigin({ peer, isEncrypted: false }, (name) => headers[name])
    assert.deepEqual(origin, { address, scheme: 'http', host: 'registry.test:5000', prefix: '' })
    assert.match(requestId, /^[0-9a-f]{12}-[0-9a-z]+$/)
  }
  const strict = originReader()({ peer: PROXY, isEncrypted: true }, (name) => headers[name])
  assert.equal(strict.address, PROXY)
  assert.equal(strict.scheme, 'https')
})

test('a trusted proxy sends the client, the scheme, the host, the prefix and the id of a request', () => {
  const headers = {
    host: '127.0.0.1:5000',
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-proto': 'HTTPS',
    'x-forwarded-host': 'Registry.Example:8443',
    'x-forwarded-prefix': '/registry/',
    'x-request-id': 'Root=1-67891233-abcdef012345678912345678',
  }
  for (const peer of [PROXY, '::ffff:10.0.0.1', '192.168.7.7', 'fd12::1', 'unix']) {
    const { requestId, ...origin } = seen(headers, { peer })
    assert.deepEqual(origin, {
      address: '203.0.113.7',
      scheme: 'https',
      host: 'registry.example:8443',
      prefix: '/registry',
    })
    assert.equal(requestId, 'Root=1-67891233-abcdef012345678912345678')
  }
})

test('the client is the rightmost address that is not a trusted proxy', () => {
  for (const [value, address] of [
    ['1.1.1.1, 203.0.113.7', '203.0.113.7'],
    ['1.1.1.1, 203.0.113.7, 10.9.9.9, 192.168.1.1', '203.0.113.7'],
    ['10.0.0.7, 203.0.113.7', '203.0.113.7'],
    ['203.0.113.7,,10.0.0.2 ,', '203.0.113.7'],
    // A client inside of the trusted network.
    ['10.7.7.7, 10.0.0.2', '10.7.7.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107, ::ffff:10.0.0.2', '203.0.113.7'],
    ['[2001:DB8::7]:4711, fd00::2', '2001:db8::7'],
    ['2001:db8::7', '2001:db8::7'],
    ['203.0.113.7:4711, 10.0.0.2:80', '203.0.113.7'],
    // Nothing was said: the proxy asks for itself.
    ['', PROXY],
    [' , ', PROXY],
  ] as const) {
    assert.equal(seen(forwardedFor(value)).address, address, value)
  }
})

test('garbage from a trusted proxy makes the client unknown, and never the proxy itself', () => {
  for (const value of [
    'unknown',
    '203.0.113.7, unknown',
    '203.0.113.7, _hidden',
    '203.0.113.7, localhost',
    '203.0.113.7, 10.0.0.256',
    '203.0.113.7, 010.0.0.1',
    '203.0.113.7, [10.0.0.1]',
    '203.0.113.7, [fd00::1',
    '203.0.113.7, 10.0.0.1:port',
    '203.0.113.7, "10.0.0.1"',
    '203.0.113.7; 10.0.0.1',
    // Nobody has so many proxies.
    `203.0.113.7${', 10.0.0.1'.repeat(40)}`,
  ]) {
    assert.equal(seen(forwardedFor(value)).address, undefined, value)
  }
  assert.equal(seen({}, { peer: 'unix' }).address, undefined)
})

test('Forwarded is read as RFC 7239 has it', () => {
  for (const [forwarded, address, scheme = 'http', host = ''] of [
    ['for=203.0.113.7', '203.0.113.7'],
    ['For="[2001:db8:cafe::17]:4711"', '2001:db8:cafe::17'],
    ['for="203.0.113.7:80";proto=https;host=registry.example', '203.0.113.7', 'https', 'registry.example'],
    ['for=1.1.1.1;proto=http, for=203.0.113.7;proto=https, for=10.0.0.2;proto=http', '203.0.113.7', 'https'],
    [
      'for=1.1.1.1;host=evil.test, for=203.0.113.7, for=10.0.0.2;host=ours.test',
      '203.0.113.7',
      'http',
      'ours.test',
    ],
    [' , for=203.0.113.7 ; proto=https , ', '203.0.113.7', 'https'],
    ['proto=https', PROXY, 'https'],
    ['for=_hidden, for=10.0.0.2', undefined],
    ['for=unknown;proto=https', undefined, 'https'],
    ['for=203.0.113.7, proto=https', undefined, 'https'],
    // A client tries to swallow what the proxy adds.
    ['for=", for=203.0.113.7', undefined],
    ['for=1.1.1.1;by=", for="[2001:db8::1]"', undefined],
    ['for=1.1.1.1;for=2.2.2.2', undefined],
    ['for=[2001:db8::1]', undefined],
    ['nonsense', undefined],
  ] as const) {
    const origin = seen({ forwarded })
    assert.deepEqual([origin.address, origin.scheme, origin.host], [address, scheme, host], forwarded)
  }
})

test('where Forwarded and X-Forwarded-* contradict each other neither counts', () => {
  const said = { forwarded: 'for=203.0.113.7;proto=https;host=a.test', 'x-forwarded-for': '203.0.113.7' }
  assert.equal(seen(said).address, '203.0.113.7')
  assert.equal(seen({ ...said, 'x-forwarded-for': '127.0.0.1' }).address, undefined)
  assert.equal(seen({ forwarded: 'for="', 'x-forwarded-for': '127.0.0.1' }).address, undefined)
  const { scheme, host } = seen({
    ...said,
    host: 'registry.test',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'b.test',
  })
  assert.deepEqual([scheme, host], ['http', 'registry.test'])
})

test('what a client sent before the nearest proxy added its own never counts', () => {
  const origin = seen({
    'x-forwarded-for': '127.0.0.1, 203.0.113.7',
    'x-forwarded-proto': 'http, https',
    'x-forwarded-host': 'evil.test, ours.test',
    'x-forwarded-prefix': '/evil, /ours',
    'x-request-id': 'evil, ours',
  })
  assert.deepEqual([origin.scheme, origin.host, origin.prefix], ['https', 'ours.test', '/ours'])
  assert.match(origin.requestId, /^[0-9a-f]{12}-[0-9a-z]+$/)
})

test('a malformed scheme, host, prefix or id is ignored', () => {
  for (const [name, values] of Object.entries({
    'x-forwarded-proto': ['ftp', 'https:', 'javascript'],
    'x-forwarded-host': ['a b', 'a/b', 'user@host', 'host:port', '[::1', 'a\\b', 'x'.repeat(300), 'ä.test'],
    'x-forwarded-prefix': [
      'registry',
      '//evil.test',
      '/a//b',
      '/../x',
      '/./x',
      '/a%2fb',
      '/a<b>',
      '/a?b',
      '/a#b',
      '/v2',
      '/v2/x',
      `/${'x'.repeat(300)}`,
    ],
    'x-request-id': ['a b', 'x'.repeat(129), '"quoted"', '\u007f'],
  })) {
    for (const value of values) {
      const { requestId, ...origin } = seen({ host: 'registry.test', [name]: value })
      assert.deepEqual(origin, { address: PROXY, scheme: 'http', host: 'registry.test', prefix: '' }, value)
      assert.match(requestId, /^[0-9a-f]{12}-[0-9a-z]+$/)
    }
  }
  assert.equal(seen({ host: 'a b' }).host, '')
})

test('the public URL stands above what any proxy says', () => {
  const publicUrl = { scheme: 'https', host: 'example.com', prefix: '/registry' } as const
  const read = originReader({ publicUrl, isTrusted: () => true })
  const headers: Record<string, string> = {
    host: '127.0.0.1',
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'evil.test',
    'x-forwarded-prefix': '/evil',
  }
  const { requestId: _, ...origin } = read({ peer: PROXY, isEncrypted: false }, (name) => headers[name])
  assert.deepEqual(origin, { address: '203.0.113.7', ...publicUrl })
})

test('a request has one id, however often it is asked for', () => {
  const origin = seen({})
  assert.equal(origin.requestId, origin.requestId)
  assert.notEqual(origin.requestId, seen({}).requestId)
})
