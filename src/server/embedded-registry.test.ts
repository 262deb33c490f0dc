import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type RegistryOptions, type RunningRegistry, startRegistry } from '../exports/stowage.ts'

async function start(t: TestContext, options?: RegistryOptions): Promise<RunningRegistry> {
  const registry = await startRegistry(options)
  t.after(() => registry.close())
  return registry
}

test('a registry without settings answers on its own port and leaves nothing after it is closed', async (t) => {
  const [one, two] = await Promise.all([start(t), start(t)])
  assert.notEqual(one.url, two.url)
  assert.equal((await fetch(`${one.url}/v2/`)).status, 200)
  assert.ok(existsSync(one.data))
  await Promise.all([one.close(), one.close()])
  await assert.rejects(fetch(`${one.url}/v2/`))
  assert.ok(!existsSync(one.data))
  assert.equal((await fetch(`${two.url}/v2/`)).status, 200)
})

test('a given folder is kept, and pushed content exists at the next start', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'stowage-embedded-'))
  const running: RunningRegistry[] = []
  t.after(async () => {
    for (const { close } of running) await close()
    await rm(data, { recursive: true, force: true })
  })
  const first = await startRegistry({ data })
  running.push(first)
  const body = JSON.stringify({ schemaVersion: 2, manifests: [] })
  const headers = { 'Content-Type': 'application/vnd.oci.image.index.v1+json' }
  const pushed = await fetch(`${first.url}/v2/app/manifests/v1`, { method: 'PUT', headers, body })
  assert.equal(pushed.status, 201)
  await assert.rejects(startRegistry({ data }), {
    name: 'DataFolderError',
    message: /another server is using it/,
  })
  await first.close()
  const second = await startRegistry({ data })
  running.push(second)
  assert.equal(await (await fetch(`${second.url}/v2/app/manifests/v1`)).text(), body)
})

test('lines of the log go to the function that was given', async (t) => {
  const lines: string[] = []
  const { url, close } = await start(t, { logLevel: 'debug', log: (line) => lines.push(line) })
  await fetch(`${url}/v2/`)
  await close()
  const logged = lines.map((line) => JSON.parse(line) as { msg: string; path?: string })
  assert.ok(logged.some(({ msg, path }) => msg === 'request' && path === '/v2/'))
})

test('a setting that is unknown or not valid is refused by its name, and no folder stays', async () => {
  const refused = async (settings: object, message: RegExp) =>
    await assert.rejects(startRegistry(settings), { name: 'ConfigError', message })
  await refused({ keepDeleted: '7 days' }, /^keepDeleted must be /)
  await refused({ keepDelted: '7d' }, /^keepDelted is not a setting/)
  await refused({ workers: '2' }, /^workers is not a setting/)
  await refused({ maxConnections: 5 }, /^maxConnections must be a text/)
  await refused({ listen: '0.0.0.0:0' }, /^listen is reachable from other machines/)
})
