import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pushImage } from '../content.ts'
import { assertRefusedToStart } from './exit.ts'
import { openNotifySocket } from './notify-socket.ts'
import { openSandbox } from './program.ts'
import { askSocket } from './socket-client.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }

/** Passes sockets to a program as systemd does: each argument before `--` is the path of a Unix socket, a kind, or an IPv4 address. */
const PASS_SOCKETS = `
import fcntl, os, socket, sys
split = sys.argv.index('--')
passed = []
for word in sys.argv[1:split]:
    if word == 'datagrams':
        passed.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        passed[-1].bind(('127.0.0.1', 0))
    elif word == 'file':
        passed.append(open('/dev/null'))
    elif word == 'connected':
        passed.append(socket.socketpair()[0])
    elif '/' in word:
        passed.append(socket.socket(socket.AF_UNIX))
        passed[-1].bind(word)
        passed[-1].listen()
    else:
        passed.append(socket.socket())
        passed[-1].bind((word, 0))
        passed[-1].listen()
# Out of the way first, so that none is overwritten before it is moved.
moved = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD, 100) for each in passed]
for index, each in enumerate(moved):
    os.dup2(each, 3 + index, inheritable=True)
os.environ['LISTEN_FDS'] = str(len(moved))
os.environ['LISTEN_PID'] = str(os.getpid())
os.execvp(sys.argv[split + 1], sys.argv[split + 1:])
`

function passing(...sockets: string[]): { launcher: string[] } {
  return { launcher: ['python3', '-c', PASS_SOCKETS, ...sockets, '--'] }
}

for (const kind of ['a path', 'an abstract name']) {
  test(
    `a service manager at ${kind} is notified when the server is ready, reloads and stops`,
    HANG,
    async (t) => {
      const sandbox = await openSandbox(t)
      const address = kind === 'a path' ? join(sandbox.folder, 'notify') : `@stowage-test-${process.pid}`
      const socket = await openNotifySocket(t, address)
      const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: '200000' }
      const server = sandbox.start(['serve', '--listen', '127.0.0.1:0', '--data', 'data'], { env })
      const ready = await socket.until(/^READY=1\nSTATUS=Listens on http/)
      assert.equal(ready, 0)
      const [, url] = /(http\S+)/.exec(socket.datagrams[ready] ?? '') ?? []
      assert.equal((await fetch(`${url}/readyz`)).status, 200)
      const fed = await socket.until(/^WATCHDOG=1$/)
      await socket.until(/^WATCHDOG=1$/, fed + 1)
      server.signal('SIGHUP')
      const reloading = await socket.until(/^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+$/)
      await socket.until(/^READY=1$/, reloading)
      server.signal('SIGTERM')
      const stopping = await socket.until(/^STOPPING=1\n/)
      const { code, stderr } = await server.ended
      assert.equal(code, 0, stderr)
      assert.equal(socket.datagrams.length, stopping + 1)
    },
  )
}

test('a server whose start fails never says that it is ready', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const address = join(sandbox.folder, 'notify')
  const socket = await openNotifySocket(t, address)
  await sandbox.serve('data')
  const exit = await sandbox.run(['serve', '--listen', '127.0.0.1:0', '--data', 'data'], {
    env: { NOTIFY_SOCKET: address },
  })
  assertRefusedToStart(exit, /another server is using it/)
  assert.deepEqual(socket.datagrams, [])
})

test(
  'sockets that were passed to the server are used instead of --listen, and belong to who passed them',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const path = join(sandbox.folder, 'stowage.sock')
    const server = sandbox.start(['serve', '--data', 'data', '--workers', '2'], passing(path, '127.0.0.1'))
    const [, url = '', unix] = await server.wrote('stdout', /listens on (http:\S+)\n.*listens on (\S+)\n/)
    assert.equal(unix, `unix:${path}`)
    await server.wrote('stdout', /Push an image/)
    await pushImage(url, 'app', 'v1')
    assert.equal((await askSocket(path, '/v2/app/manifests/v1')).status, 200)
    server.signal('SIGTERM')
    assert.equal((await server.ended).code, 0)
    assert.ok(existsSync(path))
  },
)

test(
  'a socket that was passed to the server is refused if other machines can reach it, unless --allow-anonymous is given',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const refused = await sandbox.run(['serve', '--data', 'data'], passing('127.0.0.1', '0.0.0.0'))
    assertRefusedToStart(
      refused,
      /^stowage: 0\.0\.0\.0:\d+, which was passed to this process, is reachable from other machines/,
    )
    assert.equal(existsSync(join(sandbox.folder, 'data')), false)
    const server = await sandbox.serve('data', ['--allow-anonymous'], passing('0.0.0.0'))
    assert.equal((await fetch(`${server.url}/v2/`)).status, 200)
  },
)

test('a descriptor that accepts no connections is refused in one line', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  for (const kind of ['datagrams', 'file', 'connected']) {
    const exit = await sandbox.run(['serve', '--data', 'data'], passing('127.0.0.1', kind))
    assertRefusedToStart(exit, /descriptor 4, which was passed to this process, is not a socket that accepts/)
  }
})
