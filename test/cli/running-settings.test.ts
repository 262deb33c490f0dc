import assert from 'node:assert/strict'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  EMPTY_CONFIG,
  manifestDescriptor,
  manifestOf,
  OCI_INDEX,
  pushImage,
  pushManifest,
} from '../content.ts'
import { connect, head, sendRaw } from '../protocol/raw-request.ts'
import { openSandbox, type Program, type Sandbox } from './program.ts'
import { serveWatched } from './threads.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
/** A program without a terminal: SIGHUP would end it in one. */
const WITHOUT_TERMINAL = { launcher: ['setsid'] }
const WORKERS = 2
/** A server uses a changed file once it has stayed the same for this time. */
const SETTLED_MS = 2_000

interface Changing {
  folder: string
  url: string
  server: Program
  run: Sandbox['run']
  /** Replaces the configuration file. */
  write(text: string): Promise<void>
  /** Replaces the configuration file, and tells the server to read it. */
  reload(text: string): Promise<void>
  /** Waits for a line of the log. @returns its fields */
  logged(pattern: RegExp): Promise<Record<string, unknown>>
}

/** Starts a server with a configuration file. */
async function startChanging(
  t: TestContext,
  text: string,
  { env = {}, file = 'stowage.yaml' }: { env?: Record<string, string>; file?: string } = {},
): Promise<Changing> {
  const { folder, start, run } = await openSandbox(t)
  const path = join(folder, file)
  const write = (content: string) => writeFile(path, content)
  if (file === 'stowage.yaml') await write(text)
  else await publishVersion(folder, 'first', text)
  const args = ['serve', '--listen', '127.0.0.1:0', '--workers', String(WORKERS), '--config', path]
  const server = start(args, { ...WITHOUT_TERMINAL, env })
  const [, url = ''] = await server.wrote('stdout', /^Stowage listens on (\S+)\n/)
  return {
    folder,
    url,
    server,
    run,
    write,
    async reload(content) {
      await write(content)
      server.signal('SIGHUP')
    },
    async logged(pattern) {
      const [line] = await server.wrote('stderr', new RegExp(`^.*${pattern.source}.*$`, 'm'))
      return JSON.parse(line)
    },
  }
}

/** Replaces a folder as Kubernetes replaces the files of a ConfigMap: by a link that is renamed. */
async function publishVersion(folder: string, version: string, text: string): Promise<void> {
  await mkdir(join(folder, version))
  await writeFile(join(folder, version, 'stowage.yaml'), text)
  await symlink(version, join(folder, 'new-link'))
  await rename(join(folder, 'new-link'), join(folder, 'current'))
}

/** Asks each worker by a host name, since connections are spread evenly. @returns the different statuses */
async function statusesFor(t: TestContext, url: string, host: string): Promise<number[]> {
  const answers: number[] = []
  for (let worker = 0; worker < 2 * WORKERS; worker++)
    answers.push((await sendRaw(t, url, head('GET /v2/', `Host: ${host}`))).status)
  return [...new Set(answers)]
}

/**
 * Writes a file in pieces, each of which is a valid file by itself.
 *
 * @returns whether each piece was replaced before a server could take it for the whole file; on a busy machine one may stay too long
 */
async function writeInPieces({ write }: Changing, pieces: readonly string[]): Promise<boolean> {
  let isInTime = true
  let previous = performance.now()
  for (const piece of pieces) {
    const begun = performance.now()
    await write(piece)
    isInTime &&= performance.now() - previous < SETTLED_MS
    previous = begun
    await sleep(700)
  }
  return isInTime
}

suite('settings that change while a server runs', { concurrency: 3 }, () => {
  test(
    'SIGHUP changes the settings that can change, in every worker, and names the others',
    HANG,
    async (t) => {
      const { url, reload, logged } = await startChanging(t, 'allowed-hosts: a.test\nkeep-deleted: 7d\n')
      assert.deepEqual(await statusesFor(t, url, 'a.test'), [200])
      assert.deepEqual(await statusesFor(t, url, 'b.test'), [421])
      await reload(
        'allowed-hosts: [b.test, c.test]\nkeep-history: 30d\nlow-space: 1\ndraft-extensions: true\n',
      )
      const hosts = await logged(/allowed-hosts has changed from a\.test to b\.test,c\.test/)
      assert.deepEqual(
        [hosts.level, hosts.setting, hosts.from, hosts.to],
        [30, 'allowedHosts', 'a.test', 'b.test,c.test'],
      )
      assert.deepEqual(await statusesFor(t, url, 'a.test'), [421])
      assert.deepEqual(await statusesFor(t, url, 'b.test'), [200])
      await logged(/keep-history has changed from 365d to 30d/)
      await logged(/low-space has changed from no value to 1/)
      const drafts = await logged(/draft-extensions needs a restart to change from false to true/)
      assert.equal(drafts.level, 40)
      const extensions = await fetch(`${url}/v2/_oci/ext/discover`)
      assert.doesNotMatch(await extensions.text(), /draft/)
    },
  )

  test('a changed file is used without a signal, also one that is replaced by rename', HANG, async (t) => {
    const { folder, url, write, logged, server } = await startChanging(t, 'allowed-hosts: a.test\n')
    await write('allowed-hosts: b.test\n')
    await logged(/allowed-hosts has changed from a\.test to b\.test/)
    assert.deepEqual(await statusesFor(t, url, 'b.test'), [200])
    await writeFile(join(folder, 'next.yaml'), 'allowed-hosts: c.test\n')
    await rename(join(folder, 'next.yaml'), join(folder, 'stowage.yaml'))
    await logged(/allowed-hosts has changed from b\.test to c\.test/)
    assert.deepEqual(await statusesFor(t, url, 'c.test'), [200])
    server.signal('SIGTERM')
    assert.equal((await server.ended).code, 0)
  })

  test('the files of a ConfigMap are used again when their link is replaced', HANG, async (t) => {
    const file = 'current/stowage.yaml'
    const { folder, logged } = await startChanging(t, 'keep-deleted: 7d\n', { file })
    await publishVersion(folder, 'second', 'keep-deleted: 8d\n')
    await logged(/keep-deleted has changed from 7d to 8d/)
  })

  test('a changed file that a variable names is used without a signal', HANG, async (t) => {
    const { folder } = await openSandbox(t)
    const names = join(folder, 'names')
    await writeFile(names, 'a.test\n')
    const { url, logged } = await startChanging(t, '', { env: { STOWAGE_ALLOWED_HOSTS_FILE: names } })
    await writeFile(names, 'b.test\n')
    await logged(/allowed-hosts has changed from a\.test to b\.test/)
    assert.deepEqual(await statusesFor(t, url, 'b.test'), [200])
  })

  test(
    'a file that is wrong or gone leaves the settings as they are, and is reported once',
    HANG,
    async (t) => {
      const { folder, url, write, logged, server } = await startChanging(t, 'allowed-hosts: a.test\n')
      await write('allowed-hosts: b.test\nkeep-deleted: 7\nlog-levl: debug\n')
      const { level, faults } = await logged(
        /the changed settings cannot be used; the previous ones stay in use/,
      )
      assert.equal(level, 50)
      const [first, second, ...others] = faults as string[]
      assert.match(first ?? '', /stowage\.yaml:2:15: keep-deleted must be a whole number and a unit/)
      assert.match(second ?? '', /stowage\.yaml:3:1: there is no setting "log-levl"; did you mean log-level/)
      assert.deepEqual(others, [])
      assert.deepEqual(await statusesFor(t, url, 'a.test'), [200])
      await rm(join(folder, 'stowage.yaml'))
      await logged(/stowage\.yaml does not exist/)
      await write('allowed-hosts: c.test\n')
      await logged(/allowed-hosts has changed from a\.test to c\.test/)
      server.signal('SIGTERM')
      const { stderr } = await server.ended
      assert.equal(stderr.match(/cannot be used/g)?.length, 2)
    },
  )

  test('a file that is being written is used only when it is complete', HANG, async (t) => {
    const begin = () => startChanging(t, 'keep-deleted: 7d\nkeep-history: 30d\n')
    const whole = 'keep-deleted: 8d\nkeep-history: 30d\n'
    const pieces = ['', 'keep-deleted: 7d\n', '', 'keep-deleted: 7d\n', '', whole]
    let changing = await begin()
    while (!(await writeInPieces(changing, pieces))) changing = await begin()
    const { logged, server } = changing
    await logged(/keep-deleted has changed from 7d to 8d/)
    server.signal('SIGTERM')
    assert.doesNotMatch((await server.ended).stderr, /keep-history/)
  })

  test('SIGHUP without a change says so, and repeats what needs a restart', HANG, async (t) => {
    const { reload, server, logged } = await startChanging(t, 'zero-copy: auto\n')
    server.signal('SIGHUP')
    await logged(/no setting has changed/)
    await reload('zero-copy: off\n')
    await logged(/zero-copy needs a restart/)
    server.signal('SIGHUP')
    await server.wrote('stderr', /zero-copy needs a restart(?:.*\n)*.*zero-copy needs a restart/)
  })

  test('the level of the log changes in all threads', HANG, async (t) => {
    const { url, reload, logged } = await startChanging(t, 'log-level: silent\n')
    assert.deepEqual(await statusesFor(t, url, 'unknown.test'), [421])
    await reload('log-level: debug\n')
    await logged(/log-level has changed from silent to debug/)
    await fetch(`${url}/v2/app/tags/list`)
    const line = await logged(/"msg":"request"/)
    assert.equal(line.path, '/v2/app/tags/list')
  })

  test('a changed limit of connections applies to the next connection', HANG, async (t) => {
    const { url, reload, logged } = await startChanging(t, 'max-connections: 2\n')
    const open = async () => {
      const connection = await connect(t, url)
      await connection.send(head('GET /v2/'))
      return (await connection.response()).status
    }
    assert.deepEqual([await open(), await open(), await open()], [200, 200, 503])
    await reload('max-connections: 100\n')
    await logged(/max-connections has changed from 2 to 100/)
    assert.equal(await open(), 200)
  })

  test('a limit of connections that does not fit to the other settings is refused', HANG, async (t) => {
    const { reload, logged } = await startChanging(t, 'max-connections: 2\n')
    await reload('max-connections: 9999999\n')
    const { faults } = await logged(/the changed settings cannot be used/)
    assert.match(String(faults), /max-connections needs more than the \d+ open files/)
  })

  test('whether a deleted manifest can be restored depends on the current setting', HANG, async (t) => {
    const { url, reload, logged, run } = await startChanging(t, 'keep-deleted: 7d\n')
    const pushAndDelete = async () => {
      const { digest } = await pushImage(url, 'app', 'v1')
      const deleted = await fetch(`${url}/v2/app/manifests/${digest}`, { method: 'DELETE' })
      assert.equal(deleted.status, 202)
      return digest
    }
    const restore = async (digest: string) => {
      const headers = { 'content-type': 'application/json' }
      const request = { method: 'POST', headers, body: JSON.stringify({ digest }) }
      return (await fetch(`${url}/v2/app/_stowage/manifests/undelete`, request)).status
    }
    assert.equal(await restore(await pushAndDelete()), 200)
    const deletedBefore = await pushAndDelete()
    await reload('keep-deleted: 0\n')
    await logged(/keep-deleted has changed from 7d to 0/)
    assert.equal(await restore(await pushAndDelete()), 404)
    assert.equal((await run(['collect', '--now'])).code, 0)
    assert.equal(await restore(deletedBefore), 404)
  })

  test('rules by repository can change', HANG, async (t) => {
    const { url, reload, logged } = await startChanging(t, 'sparse-indexes: refuse\n')
    const absent = manifestOf({ config: EMPTY_CONFIG, layers: [] })
    const index = manifestOf({ manifests: [manifestDescriptor(absent)] }, OCI_INDEX)
    const push = async (name: string) => (await pushManifest(url, name, index, 'v1')).status
    assert.equal(await push('mirror/app'), 400)
    await reload('sparse-indexes:\n  - mirror/*=allow\n  - refuse\n')
    await logged(/sparse-indexes has changed from refuse to mirror\/\*=allow,refuse/)
    assert.deepEqual([await push('mirror/app'), await push('team/app')], [201, 400])
  })

  test('a stop uses the current times', HANG, async (t) => {
    const { reload, logged, server } = await startChanging(t, 'shutdown-delay: 1d\ndrain-timeout: never\n')
    await reload('shutdown-delay: 0\ndrain-timeout: 7s\n')
    await logged(/drain-timeout has changed from never to 7s/)
    server.signal('SIGTERM')
    const { seconds } = await logged(/waiting for running requests/)
    assert.equal(seconds, 7)
    assert.equal((await server.ended).code, 0)
  })

  test('a worker that replaces a dead one has the current settings', HANG, async (t) => {
    const { folder } = await openSandbox(t)
    const config = join(folder, 'stowage.yaml')
    await writeFile(config, 'allowed-hosts: a.test\n')
    const { server, threads } = await serveWatched(t, [], {
      STOWAGE_CONFIG: config,
      STOWAGE_LOG_LEVEL: 'info',
    })
    await writeFile(config, 'allowed-hosts: b.test\n')
    await server.wrote('stderr', /allowed-hosts has changed from a\.test to b\.test/)
    const before = await threads.living('worker-thread.ts', WORKERS)
    await Promise.all(before.map((thread) => thread.kill()))
    await threads.living('worker-thread.ts', WORKERS)
    assert.deepEqual(await statusesFor(t, server.url, 'b.test'), [200])
    assert.deepEqual(await statusesFor(t, server.url, 'a.test'), [421])
  })
})
