import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takeServiceManager } from './service-manager.ts'

const OURS = { LISTEN_PID: String(process.pid) }
const SILENT = { warn() {} }

test('what a service manager says is taken from the environment, so that nothing that is started sees it', async () => {
  const environment = {
    PATH: '/bin',
    ...OURS,
    LISTEN_FDS: '1',
    LISTEN_FDNAMES: 'web',
    NOTIFY_SOCKET: '/absent/notify',
    WATCHDOG_USEC: '1000000',
    WATCHDOG_PID: String(process.pid),
  }
  const { sockets, watchdog } = await takeServiceManager(environment, SILENT)
  assert.deepEqual(sockets, [3])
  assert.equal(watchdog, 1000)
  assert.deepEqual(environment, { PATH: '/bin' })
})

test('sockets that were passed to another process are not used', async () => {
  for (const said of [
    { LISTEN_FDS: '2', LISTEN_PID: '1' },
    { LISTEN_FDS: '2' },
    ...['', '0', '-1', '1e1', '99', 'x', '1 '].map((LISTEN_FDS) => ({ ...OURS, LISTEN_FDS })),
  ]) {
    assert.deepEqual((await takeServiceManager({ ...said }, SILENT)).sockets, [], JSON.stringify(said))
  }
  assert.deepEqual((await takeServiceManager({ ...OURS, LISTEN_FDS: '3' }, SILENT)).sockets, [3, 4, 5])
})

test('a watchdog of another process, or one that cannot be notified, is ignored', async () => {
  const NOTIFY_SOCKET = '/absent/notify'
  for (const said of [
    { NOTIFY_SOCKET, WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1' },
    { NOTIFY_SOCKET, WATCHDOG_USEC: '0' },
    { NOTIFY_SOCKET, WATCHDOG_USEC: '-5000' },
    { NOTIFY_SOCKET, WATCHDOG_USEC: 'soon' },
    { WATCHDOG_USEC: '1000000' },
  ]) {
    assert.equal((await takeServiceManager({ ...said }, SILENT)).watchdog, undefined, JSON.stringify(said))
  }
})

test('a service manager that cannot be notified is logged, and nothing fails', async () => {
  const lines: string[] = []
  const log = { warn: (_fields: object, message: string) => void lines.push(message) }
  for (const NOTIFY_SOCKET of ['', 'relative', 'vsock:2:1', '/', '@', `/${'d'.repeat(107)}`]) {
    const { notify } = await takeServiceManager({ NOTIFY_SOCKET }, log)
    notify('READY=1')
    assert.match(
      lines.splice(0).join('\n'),
      /^the service manager cannot be told when [^\n]+$/,
      NOTIFY_SOCKET,
    )
  }
  const { notify } = await takeServiceManager({ NOTIFY_SOCKET: '/absent/notify' }, log)
  notify('READY=1')
  assert.deepEqual(lines, ['the service manager could not be told of a change'])
})
