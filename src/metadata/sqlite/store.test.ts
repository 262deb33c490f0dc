import assert from 'node:assert/strict'
import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../../test/stowage.ts'
import {
  blobCommand,
  changesOf,
  commitOne,
  edge,
  manifestCommand,
  newDigest,
  newRepository,
  newToken,
  putManifest,
  tagged,
  tags,
} from '../../../test/suites/metadata-place.ts'
import { openCommand } from '../../../test/suites/metadata-upload.ts'
import { startProgram } from '../../../test/suites/program.ts'
import { smallDisk } from '../../../test/suites/small-disk.ts'
import type { Tag } from '../../oci/reference.ts'
import { ANONYMOUS } from '../actor.ts'
import type { MetadataStore } from '../metadata-store.ts'
import { sqliteMetadata } from './store.ts'

async function openStore(t: TestContext, path: string): Promise<MetadataStore> {
  const store = await sqliteMetadata({ path })
  t.after(() => store.close())
  return store
}

async function ownStore(t: TestContext): Promise<{ store: MetadataStore; path: string }> {
  const path = join(await temporaryFolder(t), 'metadata.sqlite')
  return { store: await openStore(t, path), path }
}

test('a store that is opened again has everything and continues from there', async (t) => {
  const { store, path } = await ownStore(t)
  const repository = newRepository()
  const key = newToken()
  const blob = blobCommand(repository, { size: 1_000_000, content: { key } })
  await commitOne(store, blob)
  const digest = await putManifest(store, repository, {
    edges: [edge('layer', blob.digest)],
    tags: tags('v1'),
  })
  const changes = await changesOf(store, repository)
  await store.close()

  const again = await openStore(t, path)
  assert.deepEqual(again.secret, store.secret)
  assert.equal(await tagged(again, repository, 'v1'), digest)
  assert.equal((await again.blobs.find(repository, blob.digest))?.content.key, key)
  assert.deepEqual(await changesOf(again, repository), changes)
  await putManifest(again, repository)
  assert.equal((await changesOf(again, repository)).at(-1)?.revision, changes.length + 1)
})

test('no bytes are left of content that no repository has any more', async (t) => {
  const { store, path } = await ownStore(t)
  const repository = newRepository()
  const blobs = [blobCommand(repository), blobCommand(repository)]
  await store.commit(blobs)
  const digest = await putManifest(store, repository, {
    edges: [edge('layer', blobs[0]?.digest ?? newDigest())],
  })
  await commitOne(store, { type: 'deleteManifest', actor: ANONYMOUS, repository, digest })
  for (const blob of blobs) {
    await commitOne(store, { type: 'deleteBlob', repository, digest: blob.digest })
  }
  const database = new DatabaseSync(path, { readOnly: true })
  t.after(() => database.close())
  for (const table of ['contents', 'links', 'manifests', 'edges', 'tags']) {
    assert.equal(database.prepare(`SELECT * FROM ${table}`).get(), undefined, table)
  }
})

test('no upload is held after a start, since its writer is gone', async (t) => {
  const { store, path } = await ownStore(t)
  const upload = { id: newToken(), repository: newRepository() }
  const open = openCommand(upload, { lease: { token: newToken(), duration: 1e12 } })
  await commitOne(store, open)
  const early = openCommand(upload, { claim: { version: 1 } })
  assert.deepEqual(await commitOne(store, early), { result: 'changed' })
  await store.close()

  const again = await openStore(t, path)
  const found = await again.uploads.find(upload.id)
  assert.ok(found !== undefined && found !== 'ended')
  assert.equal(found.lease, undefined)
  const opened = await commitOne(again, openCommand(upload, { claim: { version: found.version } }))
  assert.ok(opened.result === 'opened')
  assert.equal(opened.key, open.key)
})

test('acknowledged content exists after the process was killed', async (t) => {
  const path = join(await temporaryFolder(t), 'metadata.sqlite')
  const program = await startProgram(
    t,
    `import { sqliteMetadata } from ${JSON.stringify(new URL('./store.ts', import.meta.url))}
    const store = await sqliteMetadata({ path: ${JSON.stringify(path)} })
    const put = (index) => ({ type: 'putBlob', actor: { kind: 'anonymous' }, repository: 'r' + index, digest: 'sha256:' + index, size: 1,
      content: { bytes: Buffer.of(index) } })
    await Promise.all(Array.from({ length: 20 }, (_, index) => store.commit([put(index)])))
    process.stdout.write('answered')
    for (;;) await store.commit([put(100)])`,
  )
  assert.equal(program.said, 'answered')
  await program.kill()
  const store = await openStore(t, path)
  const { items } = await store.repositories.list('', 100)
  assert.equal(items.filter((name) => name !== 'r100').length, 20)
})

test('a writer that dies rejects what waits for it, and another one takes later commits', async (t) => {
  const { store, path } = await ownStore(t)
  const lost = Array.from({ length: 5 }, () => manifestCommand(newRepository(), { tags: tags('v1') }))
  // The thread of the writer has just been started. When it opens its file, it finds a folder there.
  await rename(path, `${path}.away`)
  await mkdir(path)
  const results = await Promise.allSettled(lost.map((command) => commitOne(store, command)))
  await rmdir(path)
  await rename(`${path}.away`, path)
  for (const result of results) {
    assert.ok(result.status === 'rejected')
    assert.equal(result.reason.code, 'ERR_WRITER_STOPPED')
  }
  for (const command of lost) {
    assert.equal(await store.repositories.exists(command.repository), false)
    assert.deepEqual(await commitOne(store, command), { result: 'stored' })
    assert.equal(await tagged(store, command.repository, 'v1'), command.digest)
  }
})

test('a commit to a full disk rejects with ENOSPC, and the same succeeds once there is space', async (t) => {
  const disk = await smallDisk(t)
  const ballast = join(disk, 'ballast')
  await writeFile(ballast, Buffer.alloc(400_000))
  const store = await openStore(t, join(disk, 'metadata.sqlite'))
  const push = () =>
    manifestCommand(newRepository(), { bytes: Buffer.alloc(50_000, newToken()), tags: tags('v1') })
  const stored = [push()]
  let refused = stored[0] ?? push()
  for (; ; refused = push()) {
    const outcome = await commitOne(store, refused).catch((error: NodeJS.ErrnoException) => error.code)
    if (outcome === 'ENOSPC') break
    assert.deepEqual(outcome, { result: 'stored' })
    stored.push(refused)
    assert.ok(stored.length < 100, 'the disk is never full')
  }
  assert.equal(await store.repositories.exists(refused.repository), false)
  await rm(ballast)
  assert.deepEqual(await commitOne(store, refused), { result: 'stored' })
  for (const { repository, digest } of [...stored, refused]) {
    assert.equal(await tagged(store, repository, 'v1'), digest)
  }
})

test('a close waits for commits that began before it, also when the writer has not started yet', async (t) => {
  for (const isStarted of [true, false]) {
    const { store, path } = await ownStore(t)
    if (isStarted) await putManifest(store, newRepository())
    const command = manifestCommand(newRepository(), { tags: tags('v1') })
    const pending = commitOne(store, command)
    const [outcome] = await Promise.allSettled([pending, store.close()])
    // Whatever is wrong, no thread may keep this test from ending.
    await store.close()
    assert.deepEqual(outcome, { status: 'fulfilled', value: { result: 'stored' } })
    const again = await openStore(t, path)
    assert.equal(await tagged(again, command.repository, 'v1'), command.digest)
  }
})

test('a commit after the close rejects', async (t) => {
  const { store, path } = await ownStore(t)
  await putManifest(store, newRepository())
  await store.close()
  const command = manifestCommand(newRepository())
  const [outcome] = await Promise.allSettled([commitOne(store, command)])
  // Whatever is wrong, no thread may keep this test from ending.
  await store.close()
  assert.equal(outcome.status, 'rejected')
  const again = await openStore(t, path)
  assert.equal(await again.repositories.exists(command.repository), false)
})

test('damaged bytes of small content are refused, and a push of the same heals them', async (t) => {
  const { store, path } = await ownStore(t)
  const repository = newRepository()
  const blob = blobCommand(repository)
  const manifest = manifestCommand(repository, { tags: tags('v1') })
  await store.commit([blob, manifest])
  const database = new DatabaseSync(path)
  t.after(() => database.close())
  database.exec(`UPDATE contents SET bytes = X'00'`)
  const [tag] = manifest.tags
  const read = () => store.manifests.read(repository, { tag: tag as Tag })
  await assert.rejects(store.blobs.find(repository, blob.digest), /damaged; push them again/)
  await assert.rejects(read(), /damaged; push them again/)
  await store.commit([blob, manifest])
  assert.deepEqual(
    Buffer.from((await store.blobs.find(repository, blob.digest))?.content.bytes ?? ''),
    blob.content.bytes,
  )
  assert.deepEqual(Buffer.from((await read())?.bytes ?? ''), manifest.bytes)
})
