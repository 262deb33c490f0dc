import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { assertRefusedToStart } from '../cli/exit.ts'
import { openSandbox, type Sandbox } from '../cli/program.ts'
import { pushImage, type TestManifest } from '../content.ts'

const PATIENCE = { timeout: 120_000 }
const OTHER_USER = { uid: 65_534, gid: 65_534 }

/** Lets a server use the data folder, and end. @returns an image that was pushed to it */
async function useFolder(sandbox: Sandbox): Promise<TestManifest> {
  const server = await sandbox.serve('data')
  const image = await pushImage(server.url, 'app', 'v1')
  server.signal('SIGTERM')
  assert.equal((await server.ended).code, 0)
  return image
}

test('fault 56: a start that is refused leaves the folder of another user as it was, and names file, owner and mode', {
  ...PATIENCE,
  skip: process.getuid?.() === 0 ? false : 'only root may start a program as another user',
}, async (t) => {
  const sandbox = await openSandbox(t)
  const image = await useFolder(sandbox)
  const data = join(sandbox.folder, 'data')
  await chmod(data, 0o777)
  const before = await entries(data)
  const exit = await sandbox.run(['serve', '--listen', '127.0.0.1:0', '--data', 'data'], OTHER_USER)
  assertRefusedToStart(
    exit,
    /data cannot be used: .*\.sqlite belongs to user 0 with mode 0600, and this process runs as user 65534/,
  )
  assert.deepEqual(await entries(data), before)
  const again = await sandbox.serve('data')
  const pulled = await fetch(`${again.url}/v2/app/manifests/v1`)
  assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), image.bytes)
})

/** The names in a folder, with owners, modes and times. */
async function entries(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).sort()
  const found = await Promise.all(names.map((name) => stat(join(folder, name))))
  return names.map((name, index) =>
    [name, found[index]?.uid, found[index]?.mode, found[index]?.mtimeMs].join(' '),
  )
}

test(
  'fault 56: in a folder that everybody may look into only the owner may read the files, those of before too',
  PATIENCE,
  async (t) => {
    const sandbox = await openSandbox(t)
    const data = join(sandbox.folder, 'data')
    await mkdir(data, { mode: 0o755 })
    await useFolder(sandbox)
    await assertHidden(data)
    await chmod(join(data, 'metadata.sqlite'), 0o644)
    const server = await sandbox.serve('data')
    await server.wrote('stderr', /"files":\["metadata.sqlite"\].*readable by other users/)
    await assertHidden(data)
  },
)

/** Fails if anybody but its owner may do anything with a file of a folder. */
async function assertHidden(folder: string): Promise<void> {
  const names = await readdir(folder)
  assert.ok(names.includes('metadata.sqlite') && names.includes('lock.sqlite') && names.includes('blobs'))
  for (const name of names) assert.equal((await stat(join(folder, name))).mode & 0o077, 0, name)
}
