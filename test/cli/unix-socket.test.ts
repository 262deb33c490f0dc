import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { request as requestByTls } from 'node:https'
import { connect as connectTo, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { digestOf } from '../content.ts'
import { makeCertificate } from './certificate.ts'
import { assertRefusedToStart } from './exit.ts'
import { openSandbox, type Sandbox } from './program.ts'
import { askSocket, pushBlobBySocket } from './socket-client.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
const ON_SOCKET = ['--listen', 'unix:stowage.sock']
/** Larger than what the buffers of a socket hold, and than what the database keeps. */
const LAYER = randomBytes(8 * 1024 * 1024)

function socketOf({ folder }: Sandbox): string {
  return join(folder, 'stowage.sock')
}

async function modeOf(path: string): Promise<string> {
  return ((await lstat(path)).mode & 0o777).toString(8)
}

for (const zeroCopy of ['auto', 'off']) {
  test(`a layer is pushed and pulled over a Unix socket, with --zero-copy ${zeroCopy}`, HANG, async (t) => {
    const sandbox = await openSandbox(t)
    const path = socketOf(sandbox)
    const server = await sandbox.serve('data', [...ON_SOCKET, '--workers', '2', '--zero-copy', zeroCopy])
    assert.equal(server.url, `unix:${path}`)
    const place = await pushBlobBySocket(path, LAYER, digestOf(LAYER))
    const pulls = await Promise.all([1, 2, 3].map(() => askSocket(path, place)))
    for (const pulled of pulls) {
      assert.equal(pulled.status, 200)
      assert.ok(pulled.body.equals(LAYER))
    }
    const head = await askSocket(path, place, { method: 'HEAD' })
    assert.equal(head.headers['content-length'], String(LAYER.length))
  })
}

test(
  'a Node.js that may not call the system serves a Unix socket with one thread, and says so',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const path = socketOf(sandbox)
    const programOptions = { nodeFlags: ['--no-experimental-ffi'] }
    const server = await sandbox.serve('data', [...ON_SOCKET, '--workers', '2'], programOptions)
    await server.wrote('stdout', /Answered by one thread; files are sent by reading them/)
    await server.wrote('stderr', /this Node\.js cannot hand connections of Unix sockets to other threads/)
    const place = await pushBlobBySocket(path, LAYER, digestOf(LAYER))
    assert.ok((await askSocket(path, place)).body.equals(LAYER))
  },
)

test('the file of the Unix socket has the mode that was asked for, and goes at a stop', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const path = socketOf(sandbox)
  for (const [flags, mode] of [
    [[], '660'],
    [['--socket-mode', '0600'], '600'],
    [['--socket-mode', '666'], '666'],
  ] as const) {
    const server = await sandbox.serve('data', [...ON_SOCKET, ...flags])
    assert.equal(await modeOf(path), mode)
    server.signal('SIGTERM')
    assert.equal((await server.ended).code, 0)
    assert.equal(existsSync(path), false)
  }
})

test(
  'the socket of a dead server is replaced; the socket of a running server is refused, and that server continues',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const path = socketOf(sandbox)
    const first = await sandbox.serve('data', ON_SOCKET)
    const refused = await sandbox.run(['serve', ...ON_SOCKET, '--data', 'other'])
    assertRefusedToStart(refused, /stowage\.sock is already in use: another program is listening on it/)
    assert.equal(existsSync(join(sandbox.folder, 'other')), false)
    assert.equal((await askSocket(path, '/v2/')).status, 200)
    first.signal('SIGKILL')
    await first.ended
    assert.ok(existsSync(path))
    await sandbox.serve('data', ON_SOCKET)
    assert.equal((await askSocket(path, '/v2/')).status, 200)
  },
)

test(
  'a socket on which another program listens, and a file that is not a socket, are not changed',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const path = socketOf(sandbox)
    const other = createServer((connection) => connection.on('error', () => {}).end('still here')).listen(
      path,
    )
    await once(other, 'listening')
    t.after(() => other.close())
    const run = (place: string) => sandbox.run(['serve', '--listen', `unix:${place}`, '--data', 'data'])
    assertRefusedToStart(
      await run('stowage.sock'),
      /stowage\.sock is already in use: another program is listening on it/,
    )
    assert.deepEqual(await connectTo(path).toArray(), [Buffer.from('still here')])
    await writeFile(join(sandbox.folder, 'notes.txt'), 'precious')
    assertRefusedToStart(await run('notes.txt'), /notes\.txt already exists and is not a socket/)
    assert.equal(await readFile(join(sandbox.folder, 'notes.txt'), 'utf8'), 'precious')
    assert.deepEqual((await readdir(sandbox.folder)).sort(), ['notes.txt', 'stowage.sock'])
  },
)

test('a Unix socket that cannot be made is refused in one line that says why', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  await writeFile(join(sandbox.folder, 'file'), '')
  for (const [listen, problem] of [
    ['unix:absent/stowage.sock', /the folder \S+\/absent does not exist/],
    ['unix:file/below/stowage.sock', /a part of the path of \S+\/below is not a folder/],
    ['unix:file/stowage.sock', /\/file is not a folder/],
  ] as const) {
    const exit = await sandbox.run(['serve', '--listen', listen, '--data', 'data'])
    assertRefusedToStart(exit, problem)
  }
})

test('a folder in which this user may not make a socket is refused in one line', {
  ...HANG,
  skip: process.getuid?.() === 0 ? false : 'only root may start a program as another user',
}, async (t) => {
  const sandbox = await openSandbox(t)
  await mkdir(join(sandbox.folder, 'run'))
  await chmod(join(sandbox.folder, 'run'), 0o755)
  const args = ['serve', '--listen', 'unix:run/stowage.sock', '--data', 'data']
  const exit = await sandbox.run(args, { uid: 65_534, gid: 65_534 })
  assertRefusedToStart(exit, /this user cannot create files in \S+\/run: EACCES/)
})

test(
  'requests over a Unix socket for unknown hosts are refused, since a proxy passes on what browsers ask for',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const path = socketOf(sandbox)
    await sandbox.serve('data', [...ON_SOCKET, '--public-url', 'https://registry.test'])
    for (const [Host, status] of [
      ['localhost', 200],
      ['registry.test', 200],
      ['evil.test', 421],
    ] as const) {
      assert.equal((await askSocket(path, '/v2/', { headers: { Host } })).status, status, Host)
    }
  },
)

test('what a proxy at a Unix socket says counts if it is trusted', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const path = socketOf(sandbox)
  const headers = { 'X-Forwarded-Prefix': '/registry' }
  for (const [trusted, location] of [
    ['unix', /^\/registry\/v2\//],
    ['none', /^\/v2\//],
  ] as const) {
    const server = await sandbox.serve('data', [...ON_SOCKET, '--trusted-proxies', trusted])
    const begun = await askSocket(path, '/v2/app/blobs/uploads/', { method: 'POST', headers })
    assert.match(begun.headers.location ?? '', location)
    server.signal('SIGTERM')
    await server.ended
  }
})

test('connections over a Unix socket beyond the limit get 503', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const path = socketOf(sandbox)
  await sandbox.serve('data', [...ON_SOCKET, '--workers', '2', '--max-connections', '3'])
  const held = await Promise.all(
    [1, 2, 3].map(async () => {
      const socket = connectTo(path)
      t.after(() => socket.destroy())
      await once(socket, 'connect')
      // Answered, so that it is counted by now.
      socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await once(socket, 'data')
      return socket
    }),
  )
  assert.equal((await askSocket(path, '/v2/')).status, 503)
  assert.equal((await askSocket(path, '/livez')).status, 200)
  held[0]?.destroy()
  while ((await askSocket(path, '/v2/')).status !== 200);
})

test('a Unix socket can use TLS, and tells clients that do not use it', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const { certFile, keyFile, cert } = await makeCertificate(sandbox.folder, 'tls')
  const path = socketOf(sandbox)
  await sandbox.serve('data', [...ON_SOCKET, '--tls-cert', certFile, '--tls-key', keyFile])
  const socket = connect({ path, ca: cert, servername: 'localhost' })
  t.after(() => socket.destroy())
  const sent = requestByTls({ createConnection: () => socket, host: 'localhost', path: '/v2/' }).end()
  const [response] = await once(sent, 'response')
  assert.equal(response.statusCode, 200)
  const plain = await askSocket(path, '/v2/')
  assert.equal(plain.status, 400)
  assert.match(plain.body.toString(), /use https:/)
})
