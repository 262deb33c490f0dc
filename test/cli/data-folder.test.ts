import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { MIGRATIONS } from '../../src/metadata/sqlite/migrations.ts'
import { pushImage, type TestManifest } from '../content.ts'
import { assertRefusedToStart } from './exit.ts'
import { openSandbox, type Sandbox } from './program.ts'

/** A user other than the one who made the folders; a user without privileges needs to be no other. */
const OTHER_USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

/** The arguments that serve a folder on any free port. */
function serving(data: string): string[] {
  return ['serve', '--listen', '127.0.0.1:0', '--data', data]
}

/** A data folder in which an image was pushed, by a server that ended since. */
async function usedFolder(sandbox: Sandbox): Promise<{ image: TestManifest; bytes: () => Promise<Buffer> }> {
  const server = await sandbox.serve('data')
  const image = await pushImage(server.url, 'app', 'v1')
  server.signal('SIGTERM')
  assert.equal((await server.ended).code, 0)
  return { image, bytes: () => readFile(join(sandbox.folder, 'data', 'metadata.sqlite')) }
}

async function assertServes(sandbox: Sandbox, data: string, image: TestManifest): Promise<void> {
  const server = await sandbox.serve(data)
  const pulled = await fetch(`${server.url}/v2/app/manifests/v1`)
  assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), image.bytes)
  server.signal('SIGTERM')
  await server.ended
}

test('a data folder that this user may not write to is reported in one line and not changed', async (t) => {
  const sandbox = await openSandbox(t)
  const { image, bytes } = await usedFolder(sandbox)
  const before = await bytes()
  await mkdir(join(sandbox.folder, 'empty'))
  for (const folder of ['data', 'empty']) await chmod(join(sandbox.folder, folder), 0o555)
  for (const folder of ['data', 'empty/absent']) {
    const exit = await sandbox.run(serving(folder), OTHER_USER)
    assertRefusedToStart(exit, new RegExp(`${folder} cannot be used: this user cannot write`))
  }
  await chmod(join(sandbox.folder, 'data'), 0o777)
  assertRefusedToStart(await sandbox.run(serving('data'), OTHER_USER), /data cannot be used/)
  assert.deepEqual(await bytes(), before)
  await assertServes(sandbox, 'data', image)
})

test('a data folder that is a file, or below one, is reported in one line, and the file is kept', async (t) => {
  const sandbox = await openSandbox(t)
  const file = join(sandbox.folder, 'file')
  await writeFile(file, 'precious')
  assertRefusedToStart(await sandbox.run(serving('file')), /file cannot be used: it is a file/)
  assertRefusedToStart(await sandbox.run(serving('file/below')), /below cannot be used: .* is a file/)
  assert.equal(await readFile(file, 'utf8'), 'precious')
})

test('a data folder with an invalid database is reported in one line, and the file is kept', async (t) => {
  const sandbox = await openSandbox(t)
  const file = join(sandbox.folder, 'data', 'metadata.sqlite')
  await mkdir(join(sandbox.folder, 'data'))
  await writeFile(file, 'precious'.repeat(1000))
  assertRefusedToStart(await sandbox.run(serving('data')), /data cannot be used/)
  assert.equal(await readFile(file, 'utf8'), 'precious'.repeat(1000))
})

test('a data folder of a newer version is reported in one line, and no byte of it changes', async (t) => {
  const sandbox = await openSandbox(t)
  const { image, bytes } = await usedFolder(sandbox)
  for (const [mode, version] of [
    ['WAL', 1_000],
    ['DELETE', 1_000],
    ['WAL', MIGRATIONS.length],
  ] as const) {
    const database = new DatabaseSync(join(sandbox.folder, 'data', 'metadata.sqlite'))
    database.exec(`PRAGMA journal_mode = ${mode}; PRAGMA user_version = ${version}`)
    database.close()
    if (version === MIGRATIONS.length) continue
    const before = await bytes()
    assertRefusedToStart(await sandbox.run(serving('data')), /cannot be used: .*newer version.*1000/)
    assert.deepEqual(await bytes(), before)
  }
  await assertServes(sandbox, 'data', image)
})

test('a second server on one data folder is refused in one line, and the first continues', async (t) => {
  const sandbox = await openSandbox(t)
  const first = await sandbox.serve('data')
  const image = await pushImage(first.url, 'app', 'v1')
  await symlink('data', join(sandbox.folder, 'link'))
  const folders = ['data', 'link']
  for (const exit of await Promise.all(folders.map((folder) => sandbox.run(serving(folder))))) {
    assertRefusedToStart(exit, /cannot be used: another server is using it/)
  }
  const pulled = await fetch(`${first.url}/v2/app/manifests/v1`)
  assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), image.bytes)
  const next = await pushImage(first.url, 'app', 'v1')

  first.signal('SIGKILL')
  assert.equal((await first.ended).signal, 'SIGKILL')
  await assertServes(sandbox, 'data', next)
})

test('a data folder is made with its parents', async (t) => {
  const sandbox = await openSandbox(t)
  const server = await sandbox.serve('a/b/data')
  await pushImage(server.url, 'app', 'v1')
  assert.ok((await stat(join(sandbox.folder, 'a/b/data/metadata.sqlite'))).isFile())
})

test('a folder that the system refuses to create is reported in one line', async (t) => {
  const sandbox = await openSandbox(t)
  const refused = await sandbox.run(serving('/proc/stowage/data'))
  assertRefusedToStart(
    refused,
    /\/proc\/stowage\/data cannot be used: the system does not allow creating it there/,
  )
})

test('a missing folder on a read-only disk is reported in one line', {
  skip: OTHER_USER.uid === undefined ? 'only root may mount a disk' : false,
}, async (t) => {
  const sandbox = await openSandbox(t)
  const disk = join(sandbox.folder, 'disk')
  await mkdir(disk)
  // In a namespace of its own, so that nothing stays mounted.
  const mounted = `mount -t tmpfs -o ro none '${disk}' && exec "$@"`
  const launcher = ['unshare', '--mount', 'sh', '-c', mounted, 'sh']
  const refused = await sandbox.run(serving('disk/absent/data'), { launcher })
  assertRefusedToStart(refused, /data cannot be used: it is on a read-only file system/)
})
