import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDestinations, parseAllowedHost } from './destination.ts'
import { isPublicAddress } from './public-address.ts'

const LOCAL = [
  ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '10.0.0.1', '100.64.0.1', '100.127.255.255', '169.254.169.254'],
  ...['172.16.0.1', '172.31.255.255', '192.168.1.1', '198.18.0.1', '224.0.0.1', '255.255.255.255'],
  ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd12::1', 'ff02::1', '::ffff:127.0.0.1'],
  ...['::ffff:a00:1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001::1', '2001:db8::1', '::127.0.0.1'],
  ...['', 'localhost', '1.2.3', '1.2.3.4.5', '256.1.1.1', ':::'],
]
const PUBLIC = [
  ...['1.1.1.1', '100.63.0.1', '100.128.0.1', '172.15.0.1', '172.32.0.1', '198.17.0.1', '198.20.0.1'],
  ...['223.255.255.255', '2606:4700::1111', '::ffff:1.1.1.1', '64:ff9b::101:101', '2002:101:101::'],
]

test('internet addresses are distinguished from those of this machine, of its network, and from unassigned ones', () => {
  for (const address of LOCAL) assert.equal(isPublicAddress(address), false, address)
  for (const address of PUBLIC) assert.equal(isPublicAddress(address), true, address)
})

const HOME = 'https://registry.example'

/** Where a request to a URL may go: `home`, `elsewhere`, or `nowhere`. */
function decide(
  url: string,
  { home = HOME, allowed = [] as string[], purpose = 'api' as 'api' | 'token' } = {},
) {
  try {
    return openDestinations(home, allowed)(new URL(url), purpose) ? 'home' : 'elsewhere'
  } catch {
    return 'nowhere'
  }
}

test('requests go only to the origin of the registry and to listed hosts', () => {
  assert.equal(decide(`${HOME}/v2/`), 'home')
  for (const url of [
    'http://registry.example',
    `${HOME}:444`,
    'https://a.registry.example',
    'https://other.example',
  ])
    assert.equal(decide(url), 'nowhere', url)
  const allowed = ['cdn.example', 'cdn.example:8443', 'plain.example:80']
  for (const url of [
    'https://cdn.example',
    'http://cdn.example',
    'https://cdn.example:8443',
    'http://plain.example',
  ])
    assert.equal(decide(url, { allowed }), 'elsewhere', url)
  for (const url of ['https://cdn.example:444', 'https://cdn.example.', 'https://plain.example'])
    assert.equal(decide(url, { allowed }), 'nowhere', url)
})

test('this machine and its network get no requests, listed or not, but those to the registry itself', () => {
  const local = [
    '127.0.0.1:5000',
    'localhost:5000',
    'x.localhost:5000',
    '[::1]:5000',
    '10.0.0.5:5000',
    '2130706433:5000',
  ]
  for (const host of local) {
    const url = `https://${host}/`
    assert.equal(decide(url, { allowed: local, purpose: 'token' }), 'nowhere', host)
    assert.equal(decide(url, { home: new URL(url).origin }), 'home', host)
    assert.equal(
      decide(`http://${host}/`, { home: new URL(url).origin }),
      'nowhere',
      'the same host with another scheme',
    )
  }
  assert.equal(decide('http://127.0.0.1:5001', { home: 'http://127.0.0.1:5000' }), 'nowhere')
})

test('tokens may come from anywhere by https', () => {
  assert.equal(decide('https://auth.example/token', { purpose: 'token' }), 'elsewhere')
  assert.equal(decide('http://auth.example/token', { purpose: 'token' }), 'nowhere')
})

test('a host that is listed is a host, and its port if it has one', () => {
  assert.equal(parseAllowedHost('CDN.example'), 'cdn.example')
  assert.equal(parseAllowedHost('cdn.example:8443'), 'cdn.example:8443')
  for (const text of [
    '',
    'https://cdn.example',
    'cdn.example/path',
    'a b',
    'user@cdn.example',
    'cdn.example:99999',
  ])
    assert.equal(parseAllowedHost(text), undefined, text)
})
