import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { pushImage } from '../content.ts'
import { assertRefusedToStart } from './exit.ts'
import { openSandbox } from './program.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }

const WITHOUT_IPV6 = ['--import', new URL('./without-ipv6.ts', import.meta.url).href]

async function occupy(port: number, host: string): Promise<Server> {
  const server = createServer().listen(port, host)
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

test('localhost is listened on at its IPv6 address too, and is taken if one of them is', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const server = sandbox.start(['serve', '--listen', 'localhost:0', '--data', 'data'])
  const [, port] = await server.wrote('stdout', /http:\/\/localhost:(\d+)\n(?:.*\n)*.*push \S+\n/)
  for (const host of ['127.0.0.1', '[::1]']) {
    assert.equal((await fetch(`http://${host}:${port}/livez`)).status, 200)
  }
  const exit = await sandbox.run(['serve', '--listen', `[::1]:${port}`, '--data', 'other'])
  assertRefusedToStart(exit, /\[::1\]:\d+ is already in use/)
})

test(
  'an address is refused while another program listens on it, and the data folder is not made',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const other = await occupy(0, '0.0.0.0')
    t.after(() => other.close())
    const args = ['serve', '--listen', `127.0.0.1:${portOf(other)}`, '--data', 'data']
    assertRefusedToStart(await sandbox.run(args), /is already in use: another program is listening on it/)
    assert.equal(existsSync(join(sandbox.folder, 'data')), false)
  },
)

test(
  'without IPv6 in the kernel a server that listens everywhere accepts IPv4 connections, and says so',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const server = sandbox.start(['serve', '--listen', ':0', '--allow-anonymous', '--data', 'data'], {
      nodeFlags: WITHOUT_IPV6,
    })
    const [, port] = await server.wrote('stdout', /http:\/\/0\.0\.0\.0:(\d+)\n/)
    await server.wrote('stderr', /this system has no IPv6; only IPv4 connections are accepted/)
    await pushImage(`http://127.0.0.1:${port}`, 'app', 'v1')
  },
)

test(
  'without IPv6 in the kernel localhost is its IPv4 address, and an IPv6 address is refused in one line',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const programOptions = { nodeFlags: WITHOUT_IPV6 }
    const server = sandbox.start(['serve', '--listen', 'localhost:0', '--data', 'data'], programOptions)
    await server.wrote('stdout', /http:\/\/localhost:\d+\n/)
    const exit = await sandbox.run(['serve', '--listen', '[::1]:0', '--data', 'other'], programOptions)
    assertRefusedToStart(exit, /::1 is not an address of this machine/)
  },
)
