import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { resolve } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Config, ConfigError, DEFAULTS, parseConfig, type Settings } from '../../src/config.ts'
import { isLoopback } from '../../src/loopback.ts'
import { NEVER } from '../../src/settings/time.ts'
import { holds } from './property.ts'
import { near, textOf } from './text.ts'

/** The settings, or the message of the one error that is documented. */
function read(settings: Partial<Settings>): Config | string {
  try {
    return parseConfig({ ...DEFAULTS, ...settings })
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.message
  }
}

const MILLISECONDS: Readonly<Record<string, bigint>> = { s: 1000n, m: 60_000n, h: 3_600_000n, d: 86_400_000n }

const durations = fc
  .tuple(
    fc.oneof(textOf('0123456789', 1, 3), textOf('0123456789', 1, 12)),
    fc.constantFrom('s', 'm', 'h', 'd'),
  )
  .map((parts) => parts.join(''))

test('a time is a whole number and a unit, exact in milliseconds, or refused by the name of its flag', () => {
  holds(near(durations, '0123456789smhd.- '), (text) => {
    const [, number = '', unit = ''] = /^([0-9]+)([smhd])$/.exec(text) ?? []
    const withUnit = unit === '' ? undefined : BigInt(number) * (MILLISECONDS[unit] ?? 0n)
    const expected = text === '0' ? 0n : withUnit
    for (const [key, flag] of [
      ['uploadExpiry', '--upload-expiry '],
      ['unusedBlobExpiry', '--unused-blob-expiry '],
    ] as const) {
      const found = read({ [key]: text })
      if (text === 'never') assert.equal(typeof found === 'string' ? found : found[key], NEVER)
      else if (typeof found === 'string') {
        assert.ok(found.startsWith(flag), found)
        assert.ok(expected === undefined || expected === 0n || number.length > 8, text)
      } else {
        assert.ok(Number.isSafeInteger(found[key]))
        assert.equal(BigInt(found[key]), expected)
      }
    }
  })
})

const hosts = fc.oneof(
  fc.constantFrom(
    '',
    'localhost',
    '0.0.0.0',
    '127.0.0.1',
    '[::1]',
    '[::]',
    'registry.test',
    '127.0.0.1.evil.test',
  ),
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address}]`),
  fc.domain(),
  textOf('127.0', 1, 12),
)
const ports = fc.oneof(
  fc.nat({ max: 70_000 }).map(String),
  fc.constantFrom('0', '65535', '65536', '00080', ''),
)
const addresses = fc.tuple(hosts, ports).map((parts) => parts.join(':'))

/** `<host>:<port>`, where a host with colons stands in brackets. */
function readAddress(text: string): { host: string; port: number } | undefined {
  const colon = text.lastIndexOf(':')
  const [host, port] = [text.slice(0, colon), text.slice(colon + 1)]
  if (colon === -1 || !/^[0-9]{1,5}$/.test(port) || Number(port) > 65_535) return undefined
  const inner = host.startsWith('[') && host.endsWith(']') && host.length > 2 ? host.slice(1, -1) : undefined
  if (inner !== undefined)
    return /^[0-9a-f:.]+$/i.test(inner) ? { host: inner, port: Number(port) } : undefined
  return /[:[\]]/.test(host) ? undefined : { host: host || '::', port: Number(port) }
}

test('an address to listen on is a host and a port, or refused by the name of its flag', () => {
  holds(near(addresses, '0123456789:[]abf.localhost'), (text) => {
    const found = read({ listen: text, allowAnonymous: true })
    const expected = readAddress(text)
    if (typeof found === 'string') assert.match(found, /^--listen /)
    assert.deepEqual(typeof found === 'string' ? undefined : found.listen, expected)
  })
})

test('the path of a Unix socket is made absolute, or refused with the reason', () => {
  for (const [text, path] of [
    ['unix:/run/stowage.sock', '/run/stowage.sock'],
    ['unix:///run/stowage.sock', '/run/stowage.sock'],
    ['unix:stowage.sock', resolve('stowage.sock')],
    [`unix:/${'d'.repeat(106)}`, `/${'d'.repeat(106)}`],
  ] as const) {
    const found = read({ listen: text })
    assert.deepEqual(typeof found === 'string' ? found : found.listen, { path })
  }
  for (const [text, problem] of [
    [`unix:/${'d'.repeat(107)}`, /has a path of 108 bytes, but sockets are limited to 107/],
    [`unix:/${'é'.repeat(54)}`, /has a path of 109 bytes/],
    ['unix:@stowage', /cannot be an abstract socket/],
    ['unix:\0stowage', /must name a file after unix:/],
    ['unix:', /must name a file after unix:/],
    ['unix:/run/', /must name a file after unix:/],
    ['unix:data/admin.sock', /and --admin-socket are the same file/],
  ] as const) {
    const found = read({ listen: text, data: 'data' })
    assert.match(typeof found === 'string' ? found : JSON.stringify(found.listen), problem)
  }
})

test('the mode of a Unix socket is three octal digits', () => {
  for (const [text, mode] of [
    ['0660', 0o660],
    ['600', 0o600],
    ['0777', 0o777],
  ] as const) {
    const found = read({ socketMode: text })
    assert.equal(typeof found === 'string' ? found : found.socketMode, mode)
  }
  for (const text of ['', '0', '60', '0888', '1660', '0o660', '-660', 'rw-rw----'])
    assert.match(String(read({ socketMode: text })), /^--socket-mode must be the mode of a file in octal/)
})

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

test('only this machine can connect, unless the settings allow others', () => {
  holds(near(addresses, '0123456789:[]abf.lo'), (text) => {
    const found = read({ listen: text })
    if (typeof found === 'string') return
    assert.ok('host' in found.listen)
    const { host } = found.listen
    assert.ok(isLoopback(host))
    const family = isIP(host)
    if (family === 0) assert.match(host, /^(?:localhost|127\.[0-9.]+)$/i)
    else assert.ok(loopback.check(host, family === 4 ? 'ipv4' : 'ipv6'))
  })
})

test('each address of this machine alone is let in without a word', () => {
  const bytes = fc.nat({ max: 255 })
  holds(
    fc.oneof(
      fc.tuple(bytes, bytes, bytes).map((rest) => `127.${rest.join('.')}`),
      fc.constantFrom('localhost', '[::1]'),
    ),
    (host) => {
      assert.equal(typeof read({ listen: `${host}:0` }), 'object')
    },
  )
})
