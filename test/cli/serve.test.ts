import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { pushBlob, pushImage } from '../content.ts'
import { connect, head } from '../protocol/raw-request.ts'
import { assertRefusedToStart } from './exit.ts'
import { openSandbox } from './program.ts'

const { version: VERSION } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as {
  version: string
}

const FLAGS = [
  '--listen',
  '--data',
  '--log-level',
  '--allow-anonymous',
  '--tls-cert',
  '--tls-key',
  '--upload-expiry',
  '--unused-blob-expiry',
  '--keep-deleted',
  '--keep-history',
  '--shutdown-delay',
  '--drain-timeout',
  '--draft-extensions',
  '--public-url',
  '--trusted-proxies',
  '--sparse-indexes',
]

test('the help of serve lists each flag with its variable, and what stands where none is given', async (t) => {
  const sandbox = await openSandbox(t)
  const { code, stdout, stderr } = await sandbox.run(['serve', '--help'])
  assert.equal(code, 0)
  assert.equal(stderr, '')
  for (const flag of FLAGS) {
    const variable = `STOWAGE_${flag.slice(2).toUpperCase().replaceAll('-', '_')}`
    assert.match(stdout, new RegExp(`^  ${flag}[ \n]`, 'm'))
    assert.match(stdout, new RegExp(`env:\\s+${variable}\\b`))
  }
  assert.match(stdout, /default:\s+"127\.0\.0\.1:5000"/)
})

test('the version is that of the package', async (t) => {
  const sandbox = await openSandbox(t)
  for (const flag of ['--version', '-v']) {
    const { code, stdout } = await sandbox.run([flag])
    assert.equal(`${code} ${stdout}`, `0 ${VERSION}\n`)
  }
})

test('a server logs its start and its stop with its version, address, folder, and changed settings', async (t) => {
  const sandbox = await openSandbox(t)
  const flags = ['--keep-deleted', '1d', '--workers', '1']
  const server = await sandbox.serve('data', flags, { env: { STOWAGE_LOG_LEVEL: 'info' } })
  server.signal('SIGTERM')
  const { stderr } = await server.ended
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  for (const [index, message] of [
    [0, 'started'],
    [-1, 'stopped'],
  ] as const) {
    const { version, address, folder, settings, msg } = lines.at(index)
    assert.deepEqual(
      { version, address, folder, settings, msg },
      {
        version: VERSION,
        address: server.url,
        folder: join(sandbox.folder, 'data'),
        settings: { listen: '127.0.0.1:0', data: 'data', keepDeleted: '1d', workers: '1' },
        msg: message,
      },
    )
  }
})

test('a server greets with its address, its data folder and a push line, and its probes say that it is ready', async (t) => {
  const sandbox = await openSandbox(t)
  const server = await sandbox.serve('data', ['--workers', '2', '--zero-copy', 'off'])
  const { port } = new URL(server.url)
  for (const probe of ['livez', 'readyz', 'readyz?for=write']) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await fetch(`${server.url}/${probe}`, { method })
      assert.equal(`${answer.status} ${await answer.text()}`, '200 ', `${method} ${probe}`)
    }
  }
  for (const unknown of ['', 'read', 'write&for=read']) {
    const answer = await fetch(`${server.url}/readyz?for=${unknown}`)
    assert.equal(answer.status, 400, unknown)
    assert.match(await answer.text(), /must be write/)
  }
  server.signal('SIGTERM')
  const { stdout, stderr } = await server.ended
  assert.deepEqual(stdout.split('\n'), [
    `Stowage listens on http://127.0.0.1:${port}`,
    `Data is in ${join(sandbox.folder, 'data')}`,
    `Answered by ${process.platform !== 'win32' ? '2 threads' : 'one thread'}; files are sent by reading them`,
    `Push an image:  docker tag alpine 127.0.0.1:${port}/alpine && docker push 127.0.0.1:${port}/alpine`,
    '',
  ])
  assert.equal(stderr, '')
})

test('settings are read from the environment, and a flag overrides its variable', async (t) => {
  const sandbox = await openSandbox(t)
  const env = {
    STOWAGE_LISTEN: '0.0.0.0:0',
    STOWAGE_ALLOW_ANONYMOUS: 'true',
    STOWAGE_DATA: 'of-variable',
    STOWAGE_LOG_LEVEL: 'debug',
  }
  const byVariables = sandbox.start(['serve'], { env })
  const [, port] = await byVariables.wrote('stdout', /0\.0\.0\.0:(\d+)\nData is in .*\/of-variable\n/)
  assert.equal((await fetch(`http://127.0.0.1:${port}/v2/`)).status, 200)
  await byVariables.wrote('stderr', /"path":"\/v2\/"/)

  const byFlags = await sandbox.serve('of-flag', ['--log-level', 'silent'], { env })
  assert.match(byFlags.url, /^http:\/\/127\.0\.0\.1:/)
  await byFlags.wrote('stdout', /Data is in .*\/of-flag\n/)
  assert.equal((await fetch(`${byFlags.url}/v2/`)).status, 200)
  byFlags.signal('SIGTERM')
  assert.equal((await byFlags.ended).stderr, '')
})

test('never is the word for never in every time, and a push succeeds with it', async (t) => {
  const times = [
    '--upload-expiry',
    '--unused-blob-expiry',
    '--keep-deleted',
    '--keep-history',
    '--drain-timeout',
  ]
  const sandbox = await openSandbox(t)
  const server = await sandbox.serve(
    'data',
    times.flatMap((flag) => [flag, 'never']),
  )
  await pushImage(server.url, 'app', 'v1')
  server.signal('SIGTERM')
  const { code, stderr } = await server.ended
  assert.equal(`${code} ${stderr}`, '0 ')
})

test('drafts of the specification are answered where a flag or its variable asks for them', async (t) => {
  const sandbox = await openSandbox(t)
  for (const [args, env, status] of [
    [[], {}, 404],
    [[], { STOWAGE_DRAFT_EXTENSIONS: 'no' }, 404],
    [[], { STOWAGE_DRAFT_EXTENSIONS: 'yes' }, 200],
    [['--draft-extensions'], {}, 200],
  ] as const) {
    const server = await sandbox.serve('data', [...args], { env })
    assert.equal((await fetch(`${server.url}/v2/_oci/repository/list`)).status, status)
    server.signal('SIGTERM')
    await server.ended
  }
})

test('an address other than loopback is refused unless anonymous access is allowed', async (t) => {
  const sandbox = await openSandbox(t)
  const addresses = ['0.0.0.0:0', ':0', 'registry.test:0']
  const refused = addresses.map((address) => sandbox.run(['serve', '--listen', address, '--data', 'data']))
  for (const exit of await Promise.all(refused)) assertRefusedToStart(exit, /--listen .*--allow-anonymous/)
  const allowed = sandbox.start(['serve', '--listen', '0.0.0.0:0', '--data', 'data', '--allow-anonymous'])
  const [, port] = await allowed.wrote('stdout', /http:\/\/0\.0\.0\.0:(\d+)\n/)
  await pushImage(`http://127.0.0.1:${port}`, 'app', 'v1')
})

test('a variable that says no allows no anonymous access', async (t) => {
  const sandbox = await openSandbox(t)
  for (const value of ['false', '0', '']) {
    const env = { STOWAGE_ALLOW_ANONYMOUS: value }
    const exit = await sandbox.run(['serve', '--listen', '0.0.0.0:0', '--data', 'data'], { env })
    assertRefusedToStart(exit, /--listen .*--allow-anonymous/)
  }
})

const BAD_SETTINGS: [args: string[], problem: RegExp, env?: Record<string, string>][] = [
  [['--listen', 'nonsense'], /--listen must be <host>:<port>/],
  [['--listen', '127.0.0.1:65536'], /--listen must be <host>:<port>/],
  [[], /STOWAGE_LISTEN must be <host>:<port>/, { STOWAGE_LISTEN: '::1:5000' }],
  [['--data', ''], /--data/],
  [['--log-level', 'loud'], /--log-level.*debug, info, warn, error, silent/],
  [['--upload-expiry', '90'], /--upload-expiry must be a whole number and a unit/],
  [['--upload-expiry', '-1h'], /--upload-expiry must be a whole number and a unit/],
  [['--upload-expiry', '200000000d'], /--upload-expiry must be a whole number and a unit/],
  [['--unused-blob-expiry', '1.5d'], /--unused-blob-expiry must be a whole number and a unit/],
  [['--keep-deleted', '7'], /--keep-deleted must be .*; or never; or 0$/m],
  [['--keep-history', '00'], /--keep-history must be a whole number and a unit/],
  [[], /STOWAGE_ALLOW_ANONYMOUS must be true or false/, { STOWAGE_ALLOW_ANONYMOUS: 'maybe' }],
  [[], /STOWAGE_DRAFT_EXTENSIONS must be true or false/, { STOWAGE_DRAFT_EXTENSIONS: 'maybe' }],
  [['--tls-key', 'key.pem'], /--tls-cert and --tls-key must be given together/],
  [['--public-url', 'registry.example.com'], /--public-url must be the part before \/v2\//],
  [['--public-url', 'ftp://example.com'], /--public-url must be the part before \/v2\//],
  [['--public-url', 'https://user@example.com'], /--public-url must be the part before \/v2\//],
  [['--public-url', 'https://example.com/?a=b'], /--public-url must be the part before \/v2\//],
  [['--public-url', 'https://example.com/v2/'], /--public-url must be the part before \/v2\//],
  [['--trusted-proxies', 'proxy.test'], /--trusted-proxies must be none, or addresses and ranges/],
  [['--trusted-proxies', '10.0.0.0/33'], /--trusted-proxies must be none, or addresses and ranges/],
  [['--trusted-proxies', '10.0.0.0/8,'], /--trusted-proxies must be none, or addresses and ranges/],
  [['--upload-expiry', '0'], /--upload-expiry cannot be 0.*never/],
  [['--upload-expiry', '0s'], /--upload-expiry cannot be 0.*never/],
  [['--unused-blob-expiry', '0'], /--unused-blob-expiry cannot be 0.*never/],
  [['--shutdown-delay', 'never'], /--shutdown-delay must be 1d or less/],
  [['--drain-timeout', '25d'], /--drain-timeout must be 1d or less, or never/],
  [['--sparse-indexes', 'maybe'], /--sparse-indexes.*refuse, allow/],
  [['--no-such-flag'], /--no-such-flag/],
  [['--port', '5001'], /no --port.*--listen 127\.0\.0\.1:5001/],
]

test('each malformed setting is reported in one line that names it', { timeout: 240_000 }, async (t) => {
  const sandbox = await openSandbox(t)
  const listen = ['--listen', '127.0.0.1:0', '--data', 'data']
  const exits = BAD_SETTINGS.map(([args, , env = {}]) => {
    const inEnvironment = args.length === 0 && env.STOWAGE_LISTEN !== undefined
    return sandbox.run(['serve', ...(inEnvironment ? [] : listen), ...args], { env })
  })
  for (const [index, exit] of (await Promise.all(exits)).entries()) {
    assertRefusedToStart(exit, BAD_SETTINGS[index]?.[1] ?? /^$/)
  }
})

test('a port that is in use is reported in one line', async (t) => {
  const sandbox = await openSandbox(t)
  const other = createServer()
  t.after(() => other.close())
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const address = other.address()
  assert.ok(typeof address === 'object' && address !== null)
  const args = ['serve', '--listen', `127.0.0.1:${address.port}`, '--data', 'data']
  assertRefusedToStart(await sandbox.run(args), /127\.0\.0\.1:\d+ is already in use.*--listen/)
  // It let go of the data folder.
  await pushImage((await sandbox.serve('data')).url, 'app', 'v1')
})

test('a client that breaks off is not logged as a failure of the server', { timeout: 240_000 }, async (t) => {
  const server = await (await openSandbox(t)).serve('data')
  await pushBlob(server.url, 'app', 'a blob')
  const started = await fetch(`${server.url}/v2/app/blobs/uploads/`, { method: 'POST' })
  const upload = started.headers.get('location')
  const client = await connect(t, server.url)
  await client.send(head(`PATCH ${upload}`, 'Content-Length: 1000'), Buffer.alloc(500))
  client.destroy()
  let range: string | null = '0-0'
  while (range === '0-0') range = (await fetch(`${server.url}${upload}`)).headers.get('range')
  assert.equal(range, '0-499')
  server.signal('SIGTERM')
  assert.equal((await server.ended).stderr, '')
})
