import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../test/stowage.ts'
import { bodyOf, brokenBody, newKey, readBlob } from '../../test/suites/blob-bytes.ts'
import { blobStoreSuite, HOSTILE_KEYS } from '../../test/suites/blob-store.ts'
import { smallDisk } from '../../test/suites/small-disk.ts'
import type { BlobStore } from './blob-store.ts'
import { type FileOperations, systemFiles } from './file-operations.ts'
import { fileSystemBlobStore } from './file-system.ts'

const sharedRoot = await mkdtemp(join(tmpdir(), 'stowage-test-'))
after(() => rm(sharedRoot, { recursive: true }))
const shared = await fileSystemBlobStore({ root: sharedRoot })
blobStoreSuite('file system', async () => shared)

async function ownStore(t: TestContext): Promise<{ store: BlobStore; parent: string; root: string }> {
  const parent = await temporaryFolder(t)
  const root = join(parent, 'blobs')
  return { store: await fileSystemBlobStore({ root }), parent, root }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)
}

async function openDescriptors(): Promise<number> {
  return (await readdir('/proc/self/fd')).length
}

const BROKEN = new Error('the client closed the connection')

test('a blob is one file under its key, as long as its state says, and nothing else', async (t) => {
  const { store, parent, root } = await ownStore(t)
  const key = newKey()
  const recorded = await store.append(key, '', 0, bodyOf(randomBytes(50)))
  await store.append(key, recorded.state, recorded.offset, bodyOf(randomBytes(50)))
  await store.publish(key, recorded.state)
  assert.deepEqual(await filesIn(parent), [key])
  assert.equal((await stat(join(root, key.slice(0, 2), key))).size, 50)
  await store.delete(key)
  assert.deepEqual(await filesIn(parent), [])
})

test('only its owner can read a file', async () => {
  const key = newKey()
  await shared.append(key, '', 0, bodyOf(randomBytes(5)))
  assert.equal((await stat(join(sharedRoot, key.slice(0, 2), key))).mode & 0o777, 0o600)
})

test('hostile keys leave nothing, inside or outside of the folder', async (t) => {
  const { store, parent } = await ownStore(t)
  const neighbor = join(parent, 'x')
  await writeFile(neighbor, 'mine')
  for (const key of HOSTILE_KEYS) {
    await assert.rejects(async () => await store.append(key, '', 0, bodyOf(randomBytes(1))))
    await assert.rejects(async () => await store.delete(key))
  }
  assert.deepEqual(await readdir(parent), ['blobs', 'x'])
  assert.deepEqual(await filesIn(parent), ['x'])
  assert.equal((await stat(neighbor)).size, 4)
})

test('no descriptor stays open, whatever goes wrong', async () => {
  const store = shared
  const key = newKey()
  const before = await openDescriptors()
  const { offset, state } = await store.append(key, '', 0, brokenBody(BROKEN, randomBytes(10)))
  await store.append(key, state, offset, brokenBody(BROKEN, randomBytes(3_000_000)))
  await assert.rejects(store.append(key, state, 99_000_000, bodyOf()))
  await assert.rejects(store.publish(key, '1:99000000'))
  await store.publish(key, state)
  await store.publish(key, state)
  await readBlob(store, key, { start: 0, end: 9 })
  await store.open(newKey(), { start: 0, end: 0 })
  await store.delete(key)
  assert.equal(await openDescriptors(), before)
})

test('an open blob keeps one descriptor until it is closed', async () => {
  const store = shared
  const key = newKey()
  const { state } = await store.append(key, '', 0, bodyOf(randomBytes(10)))
  await store.publish(key, state)
  const before = await openDescriptors()
  const opened = await store.open(key, { start: 0, end: 9 })
  assert.equal(await openDescriptors(), before + 1)
  if (opened?.type === 'file') await opened.close()
  assert.equal(await openDescriptors(), before)
})

test('a body is written as it arrives, so that memory does not grow with it', async () => {
  const key = newKey()
  const path = join(sharedRoot, key.slice(0, 2), key)
  const chunk = randomBytes(256 * 1024)
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < 16 * 1024 * 1024; sent += chunk.length) {
      const { size } = await stat(path)
      assert.ok(sent - size <= 2 * 1024 * 1024 + chunk.length, `${sent - size} bytes are held in memory`)
      yield chunk
    }
  }
  const { interrupted } = await shared.append(key, '', 0, body())
  assert.equal(interrupted, undefined)
})

test('a store is opened again with all that it holds, and its folders are made if some are gone', async (t) => {
  const { store, root } = await ownStore(t)
  const key = `00${newKey().slice(2)}`
  const bytes = randomBytes(10)
  const { state } = await store.append(key, '', 0, bodyOf(bytes))
  await rm(join(root, 'ff'), { recursive: true })
  const again = await fileSystemBlobStore({ root })
  await again.publish(key, state)
  assert.deepEqual(await readBlob(again, key, { start: 0, end: 9 }), bytes)
  const other = `ff${newKey().slice(2)}`
  assert.equal((await again.append(other, '', 0, bodyOf(bytes))).offset, 10)
})

test('a root whose place is taken by a file is refused', async (t) => {
  const parent = await temporaryFolder(t)
  await writeFile(join(parent, 'blobs'), 'not a folder')
  await assert.rejects(fileSystemBlobStore({ root: join(parent, 'blobs') }), { code: 'EEXIST' })
})

test('what cannot be opened for another reason than absence is an error, not an absent blob', async () => {
  const key = newKey()
  await mkdir(join(sharedRoot, key.slice(0, 2), key))
  await assert.rejects(shared.append(key, '', 0, bodyOf()), { code: 'EISDIR' })
  await assert.rejects(shared.publish(key, '1:0'), { code: 'EISDIR' })
  await assert.rejects(shared.delete(key))
})

test('an append to a full disk rejects with ENOSPC, and the same succeeds once there is space', async (t) => {
  const disk = await smallDisk(t)
  const store = await fileSystemBlobStore({ root: join(disk, 'blobs') })
  const ballast = join(disk, 'ballast')
  const key = newKey()
  const [first, second] = [randomBytes(50_000), randomBytes(300_000)]
  const before = await openDescriptors()
  const kept = await store.append(key, '', 0, bodyOf(first))
  await writeFile(ballast, Buffer.alloc(800_000))
  await assert.rejects(store.append(key, kept.state, kept.offset, bodyOf(second)), { code: 'ENOSPC' })
  assert.equal(await openDescriptors(), before)

  await rm(ballast)
  const { offset, state } = await store.append(key, kept.state, kept.offset, bodyOf(second))
  assert.equal(offset, 350_000)
  await store.publish(key, state)
  assert.deepEqual(await readBlob(store, key, { start: 0, end: 349_999 }), Buffer.concat([first, second]))
})

test('a body is not read further when the disk is full, and may release its resources', async (t) => {
  const disk = await smallDisk(t)
  const store = await fileSystemBlobStore({ root: join(disk, 'blobs') })
  let sent = 0
  let released = false
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        yield randomBytes(256 * 1024)
        sent += 256 * 1024
        assert.ok(sent < 20 * 1024 * 1024, 'it is asked for more and more')
      }
    } finally {
      released = true
    }
  }
  await assert.rejects(store.append(newKey(), '', 0, endless()), { code: 'ENOSPC' })
  assert.ok(released)
})

test('a sync that fails while a large body is being received is not forgotten, although the last one succeeds', async (t) => {
  const root = join(await temporaryFolder(t), 'blobs')
  let syncs = 0
  const files: FileOperations = {
    ...systemFiles,
    async open(path, flags, mode) {
      const file = await systemFiles.open(path, flags, mode)
      const { datasync } = file
      return Object.assign(file, {
        async datasync() {
          syncs++
          if (syncs === 1) throw Object.assign(new Error('the disk failed'), { code: 'EIO' })
          await datasync.call(file)
        },
      })
    },
  }
  const store = await fileSystemBlobStore({ root, files })
  const body = async function* () {
    for (let size = 0; size < 40; size++) yield Buffer.alloc(1024 * 1024)
  }
  await assert.rejects(store.append(newKey(), '', 0, body()), { code: 'EIO' })
  const { offset } = await store.append(newKey(), '', 0, body())
  assert.equal(offset, 40 * 1024 * 1024)
  assert.ok(syncs >= 3, 'a large body is synced while it comes')
})
