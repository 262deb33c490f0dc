import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { LAYER_SIZE } from '../images.ts'
import { storedFiles } from '../protocol/refusal.ts'
import { beginUpload, patchUpload } from '../protocol/upload-requests.ts'
import { assertServes, assertSound, serveImages } from './served-images.ts'

test('a backup of a running server is a folder that can be served, without incomplete uploads', async (t) => {
  const { sandbox, server, images, data } = await serveImages(t)
  const upload = await beginUpload(server.url, 'app')
  assert.equal((await patchUpload(upload, randomBytes(LAYER_SIZE))).status, 202)
  const exit = await sandbox.run(['backup', '--to', 'copies/backup', '--data', 'data'])
  assert.equal(exit.code, 0, exit.stderr)
  assert.match(
    exit.stdout,
    /^backed up 2 blobs with 195\.3 KiB and a database of \S+ KiB to \S+\/copies\/backup in \S+ s; 1 open upload is not in it\n$/,
  )
  const backup = join(sandbox.folder, 'copies/backup')
  assert.deepEqual((await readdir(backup)).sort(), ['blobs', 'metadata.sqlite'])
  for (const name of ['', 'blobs', 'metadata.sqlite'])
    assert.equal((await stat(join(backup, name))).mode & 0o077, 0, name)
  const files = await storedFiles(backup)
  assert.equal(files.length, 2)
  for (const key of files) {
    const path = join('blobs', key.slice(0, 2), key)
    const [copy, original] = [await stat(join(backup, path)), await stat(join(data, path))]
    // Times are set to the millisecond.
    assert.ok(Math.abs(copy.mtimeMs - original.mtimeMs) <= 1, 'the copy has the time of its original')
  }
  assert.equal((await storedFiles(data)).length, 3)
  await assertSound(sandbox, 'copies/backup')
  await assertServes(sandbox, 'copies/backup', images)
  // As for the server, the environment says where the data is.
  const env = { STOWAGE_DATA: 'data' }
  for (const command of [['check'], ['collect', '--now'], ['backup', '--to', 'copies/another']]) {
    const done = await sandbox.run(command, { env })
    assert.equal(done.code, 0, done.stderr)
  }
})
