import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { chown, mkdir, readdir, readFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePort } from '../clients/free-port.ts'
import { wholeFile } from '../whole-file.ts'
import { IMAGE, openContainerStore } from './container-store.ts'
import { becomesReady, pull, push, repeatUntilDone } from './running-container.ts'

const PROJECT = join(import.meta.dirname, '../..')
/** As Kubernetes' restricted profile has it. Podman would give a container that is read-only folders for temporary files; others do not. */
const CONFINED = [
  '--read-only',
  '--read-only-tmpfs=false',
  '--cap-drop',
  'ALL',
  '--security-opt',
  'no-new-privileges',
]
const MAX_ADDED_BYTES = 40 * 1024 * 1024

const store = await openContainerStore()
wholeFile.after(() => store.close())
const { podman, podmanRefuses, run, folder } = store
const obstacle = await store.findObstacle()
if (obstacle === undefined) await store.build()
const skip = obstacle ?? false

/** A container that runs, on a port of loopback. */
interface Container {
  name: string
  host: string
}

/** Starts a container with its data in a volume, or in a folder if an absolute path is given. */
async function start(volume: string, options: readonly string[] = []): Promise<Container> {
  const port = await freePort()
  const name = `stowage-${randomUUID()}`
  const address = `STOWAGE_LISTEN=127.0.0.1:${port}`
  const flags = ['--detach', '--name', name, ...CONFINED, '--volume', `${volume}:/data`, '--env', address]
  await podman('run', ...flags, ...options, IMAGE, '--allow-anonymous')
  const host = `127.0.0.1:${port}`
  await becomesReady(store, { name, host })
  return { name, host }
}

/** Stops a container as docker and Kubernetes do. @returns its exit code */
async function stop({ name }: Pick<Container, 'name'>): Promise<number> {
  await podman('stop', '--time', '30', name)
  const code = await podman('inspect', '--format', '{{.State.ExitCode}}', name)
  await podman('rm', name)
  return Number(code)
}

interface LockedPackage {
  version: string
  dev?: boolean
  optional?: boolean
  link?: boolean
}

/** Which packages a server needs, by their folders, with their versions. */
async function lockedPackages(): Promise<Map<string, string>> {
  const { packages } = JSON.parse(await readFile(join(PROJECT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>
  }
  const needed = Object.entries(packages).filter(
    ([path, { dev, optional, link }]) => path.startsWith('node_modules/') && !dev && !optional && !link,
  )
  return new Map(needed.map(([path, { version }]) => [path, version]))
}

/** What is in the image, as a root file system that can be read. */
async function withRoot<T>(use: (root: string) => Promise<T>): Promise<T> {
  const container = await run('buildah', ['from', '--pull-never', IMAGE])
  try {
    return await use(await run('buildah', ['mount', container]))
  } finally {
    await run('buildah', ['rm', container])
  }
}

test('the image holds the program and the packages that are locked for it, and nothing else', {
  skip,
}, async () => {
  await withRoot(async (root) => {
    assert.deepEqual((await readdir(join(root, 'stowage'))).sort(), [
      ...[
        '.cache',
        '.npmrc',
        'LICENSE',
        'README.md',
        'node_modules',
        'package-lock.json',
        'package.json',
        'src',
      ],
    ])
    const files = await readdir(join(root, 'stowage/src'), { recursive: true })
    assert.ok(files.includes('cli/main.ts'))
    assert.deepEqual(
      files.filter((file) => file.endsWith('.test.ts')),
      [],
    )
    const installed = JSON.parse(
      await readFile(join(root, 'stowage/node_modules/.package-lock.json'), 'utf8'),
    ) as {
      packages: Record<string, LockedPackage>
    }
    const found = new Map(Object.entries(installed.packages).map(([path, { version }]) => [path, version]))
    assert.deepEqual(found, await lockedPackages())
    const folders = (await readdir(join(root, 'stowage/node_modules'))).filter(
      (name) => !name.startsWith('.'),
    )
    assert.deepEqual(folders.sort(), [...new Set([...found.keys()].map((path) => path.split('/')[1]))].sort())
    for (const cache of ['root/.npm', 'stowage/.git', 'data/metadata.sqlite'])
      await assert.rejects(readFile(join(root, cache)), { code: 'ENOENT' }, cache)
  })
  const sizes = await podman('image', 'inspect', '--format', '{{.Size}}', 'localhost/node-base', IMAGE)
  const [base = 0, whole = 0] = sizes.split('\n').map(Number)
  assert.ok(whole > base && whole - base < MAX_ADDED_BYTES, `${whole - base} bytes on top of the base image`)
})

test('the image says who runs it, where it listens, what it writes to, and what it is', {
  skip,
}, async () => {
  const [image] = JSON.parse(await podman('image', 'inspect', IMAGE))
  const { name, description, version, license } = JSON.parse(
    await readFile(join(PROJECT, 'package.json'), 'utf8'),
  )
  const { Config: config } = image
  assert.equal(config.User, '10001:0')
  assert.deepEqual(Object.keys(config.ExposedPorts), ['5000/tcp'])
  assert.deepEqual(Object.keys(config.Volumes), ['/data'])
  assert.equal(config.StopSignal, 'SIGTERM')
  const prefix = 'org.opencontainers.image'
  assert.equal(config.Labels[`${prefix}.title`], name)
  assert.equal(config.Labels[`${prefix}.description`], description)
  assert.equal(config.Labels[`${prefix}.version`], version)
  assert.equal(config.Labels[`${prefix}.licenses`], license)
})

for (const [who, options] of [
  ['the user of the image', ['--memory', '256m', '--cpus', '1']],
  ['an unknown user of group 0, as OpenShift has it', ['--user', '1000770000:0']],
] as const) {
  test(`${who} pushes and pulls in a read-only container without capabilities, and its data outlives it`, {
    skip,
  }, async () => {
    const volume = `data-${randomUUID()}`
    const first = await start(volume, options)
    const pushed = await push(store, first.host)
    assert.deepEqual(await pull(store, first.host), pushed)
    assert.equal(await stop(first), 0)
    const second = await start(volume, options)
    assert.deepEqual(await pull(store, second.host), pushed)
    assert.equal(await stop(second), 0)
  })
}

test('any user pushes and pulls with data in a folder of that user', { skip }, async () => {
  const data = join(folder, 'data-of-4711')
  await mkdir(data, { mode: 0o700 })
  await chown(data, 4711, 4711)
  const container = await start(data, ['--user', '4711:4711'])
  const pushed = await push(store, container.host)
  assert.deepEqual(await pull(store, container.host), pushed)
  assert.equal(await stop(container), 0)
})

test('a server that is told to stop while it starts, as the first process of its container, ends with 0', {
  skip,
}, async () => {
  const name = `stowage-${randomUUID()}`
  const address = `STOWAGE_LISTEN=127.0.0.1:${await freePort()}`
  await podman('run', '--detach', '--name', name, ...CONFINED, '--env', address, IMAGE)
  const pid = await podman('inspect', '--format', '{{.State.Pid}}', name)
  // What the first process of a container is told before Node.js runs the program's first statement is lost; `--init` mends that.
  await repeatUntilDone(async () => assert.ok(await hasHandlers(pid)), 1)
  assert.equal(await stop({ name }), 0)
})

/** Whether a process has set its handlers. SIGHUP is the last of them; Node.js itself has one for SIGTERM, which ends it. */
async function hasHandlers(pid: string): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const caught = BigInt(`0x${/^SigCgt:\s*(\w+)$/m.exec(status)?.[1]}`)
  return (caught & (1n << BigInt(constants.signals.SIGHUP - 1))) !== 0n
}

test('the health check of the image succeeds while the server answers, and fails where nothing does', {
  skip,
}, async () => {
  const name = `stowage-${randomUUID()}`
  // With a network of its own, so that it can listen on the port of the image.
  await podman(
    'run',
    '--detach',
    '--name',
    name,
    ...CONFINED,
    '--network',
    'none',
    IMAGE,
    '--allow-anonymous',
  )
  const [{ Config: config }] = JSON.parse(await podman('inspect', name))
  const [kind, ...command] = config.Healthcheck.Test
  assert.equal(kind, 'CMD')
  await repeatUntilDone(() => podman('exec', name, ...command))
  await podman('healthcheck', 'run', name)
  await podman('rm', '--force', '--time', '0', name)
  await podmanRefuses(
    'run',
    '--rm',
    '--network',
    'none',
    '--entrypoint',
    command[0],
    IMAGE,
    ...command.slice(1),
  )
})

test('a command is run in a container by its name', { skip }, async () => {
  const container = await start(`data-${randomUUID()}`)
  assert.match(
    await podman('exec', container.name, 'stowage', 'collect', '--now', '--data', '/data'),
    /^freed 0 /,
  )
  assert.equal(await stop(container), 0)
})

test('a container refuses to listen on all addresses without --allow-anonymous', {
  skip,
}, async () => {
  const { stderr } = await podmanRefuses('run', '--rm', ...CONFINED, IMAGE)
  assert.match(stderr, /Add --allow-anonymous if that is what you want/)
})

test('the user of the image can read the compiled code, and change nothing', { skip }, async () => {
  const count = `
    const { accessSync, constants, readdirSync, readFileSync } = require('node:fs')
    const [folder] = readdirSync('/stowage/.cache/code')
    const files = readdirSync('/stowage/.cache/code/' + folder)
    for (const file of files) readFileSync('/stowage/.cache/code/' + folder + '/' + file)
    const isWritable = (path) => { try { accessSync(path, constants.W_OK); return true } catch { return false } }
    const written = readdirSync('/stowage', { recursive: true }).filter((path) => isWritable('/stowage/' + path))
    console.log(JSON.stringify({ user: folder.split('-').at(-1), files: files.length, written }))`
  const { user, files, written } = JSON.parse(
    await podman('run', '--rm', '--entrypoint', 'node', IMAGE, '-e', count),
  )
  assert.equal(user, '10001')
  assert.ok(files > 100, `${files} files`)
  assert.deepEqual(written, [])
})
