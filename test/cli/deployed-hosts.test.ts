import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { head, sendRaw } from '../protocol/raw-request.ts'
import { openSandbox } from './program.ts'

const COMPOSE = readPage('deploy/compose.yaml')
const CONTAINERS = readPage('docs/operations/containers.md')
const PROXIES = readPage('docs/operations/proxies.md')

function readPage(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
}

/** Starts a server with flags, and asks it by each name. @returns the statuses */
async function answersTo(t: TestContext, flags: readonly string[], hosts: readonly string[]) {
  const sandbox = await openSandbox(t)
  const { url } = await sandbox.serve('data', flags)
  const answers = await Promise.all(hosts.map((host) => sendRaw(t, url, head('GET /v2/', `Host: ${host}`))))
  return answers.map(({ status }) => status)
}

test('the service of deploy/compose.yaml is answered by its name, and by no other', async (t) => {
  const [, service] = /^services:\n {2}(\S+):$/m.exec(COMPOSE) ?? []
  const [, command] = /^ {4}command: (\[.*\])$/m.exec(COMPOSE) ?? []
  const flags = JSON.parse(command ?? '') as string[]
  const hosts = [`${service}:5000`, 'localhost:5000', '127.0.0.1:5000', '172.18.0.2:5000', 'other:5000']
  assert.deepEqual(await answersTo(t, flags, hosts), [200, 200, 200, 200, 421])
})

test('each setting that the page on containers has for a name of the registry does what it says', async (t) => {
  const settings = [...CONTAINERS.matchAll(/^\| .* \| `(--(?:allowed-hosts|public-url) [^`]+)` \|$/gm)]
  const flags = settings.map(([, setting]) => (setting ?? '').replaceAll("'", '').split(' '))
  const names = [
    ['stowage:5000'],
    ['stowage:5000', 'stowage.team:5000', 'stowage.team.svc:5000', 'stowage.team.svc.cluster.local:5000'],
    ['registry.lan:5000'],
    ['registry.example.com'],
  ]
  assert.equal(flags.length, names.length)
  for (const [index, own] of names.entries()) {
    const given = flags[index] ?? []
    const statuses = await answersTo(t, given, [...own, 'evil.test'])
    assert.deepEqual(statuses, [...own.map(() => 200), 421], given.join(' '))
  }
})

test('a proxy that passes Host on, has a second name or sends its own name for the registry is answered as the page says', async (t) => {
  const [, publicUrl = ''] = /--public-url (\S+)/.exec(PROXIES) ?? []
  const [second, upstream] = ['registry.corp.example', 'stowage:5000'] as const
  for (const name of [second, upstream]) assert.ok(PROXIES.includes(`\`${name}\``), name)
  const hosts = [new URL(publicUrl).host, second, upstream]
  assert.deepEqual(await answersTo(t, ['--public-url', publicUrl], hosts), [200, 421, 421])
  const allowed = `${second},${upstream.replace(/:.*/, '')}`
  const flags = ['--public-url', publicUrl, '--allowed-hosts', allowed]
  assert.deepEqual(await answersTo(t, flags, hosts), [200, 200, 200])
})
