import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { bytesOf, digestIn, digestOf } from '../content.ts'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { answerOthers, startForFile } from './file-server.ts'
import { chunk, connect, head } from './raw-request.ts'
import {
  beginUpload,
  chunkRange,
  closeUpload,
  locationOf,
  patchUpload,
  statusRange,
} from './upload-requests.ts'

const { url, data } = await startForFile()

const MIB = 1024 * 1024

/** How many bytes an upload says that it has; one byte can't be told from none. */
async function offsetOf(upload: URL): Promise<number> {
  const last = Number(/^0-(\d+)$/.exec((await statusRange(upload)) ?? '')?.[1])
  return last === 0 ? 0 : last + 1
}

/** Goes on as a careful client does: from where the upload says that it ends, until all is there. */
async function resume(upload: URL, bytes: Buffer): Promise<void> {
  let offset = await offsetOf(upload)
  while (offset < bytes.length) {
    const rest = bytes.subarray(offset)
    const patched = await patchUpload(upload, rest, chunkRange(offset, rest.length))
    assert.ok([202, 409, 416].includes(patched.status), await patched.text())
    offset = patched.status === 202 ? bytes.length : await offsetOf(upload)
  }
}

async function assertCloses(upload: URL, bytes: Buffer): Promise<void> {
  const closed = await closeUpload(upload, digestOf(bytes))
  assert.equal(closed.status, 201, await closed.text())
  assert.ok(bytes.equals(await bytesOf(await fetch(locationOf(closed)))))
}

/** Waits until the server has stored a file of so many bytes. */
async function stored(size: number): Promise<void> {
  for (;;) {
    const files = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true })
    const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name))
    const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size))
    if (sizes.some((found) => found >= size)) return
    await answerOthers(url, 1)
  }
}

/** Sends the beginning of a PATCH, waits, and breaks the connection. */
async function cut(
  test: TestContext,
  upload: URL,
  parts: (string | Uint8Array)[],
  wait: () => Promise<void>,
): Promise<void> {
  const connection = await connect(test, upload.origin)
  await connection.send(...parts)
  await wait()
  connection.destroy()
}

test('a large chunk whose connection is cut is kept up to that point, and the upload can continue', async (t) => {
  const bytes = randomBytes(3 * MIB)
  const sent = bytes.subarray(0, 2.5 * MIB)
  const upload = await beginUpload(url, 'app')
  const begin = head(`PATCH ${upload.pathname}`, `Content-Length: ${bytes.length}`)
  await cut(t, upload, [begin, sent], () => stored(2 * MIB))
  const offset = await offsetOf(upload)
  assert.ok(offset >= 2 * MIB && offset <= sent.length, `the upload has ${offset} bytes`)
  await resume(upload, bytes)
  await assertCloses(upload, bytes)
})

test('a small chunk whose connection is cut is kept up to that point, and the upload can continue', async (t) => {
  const bytes = randomBytes(60_000)
  const sent = bytes.subarray(0, 30_000)
  // How soon the server has read what was sent is not ours to know: the cut comes later each time.
  for (let others = 20; ; others *= 2) {
    const upload = await beginUpload(url, 'app')
    const begin = head(`PATCH ${upload.pathname}`, 'Transfer-Encoding: chunked')
    await cut(t, upload, [begin, chunk(sent), '7530\r\n'], () => answerOthers(url, others))
    await answerOthers(url, others)
    const offset = await offsetOf(upload)
    assert.ok(offset <= sent.length, `the upload has ${offset} bytes`)
    await resume(upload, bytes)
    await assertCloses(upload, bytes)
    if (offset === sent.length) return
    assert.ok(others < 3000, 'nothing of a cut chunk was kept')
  }
})

test('a closing PUT whose connection is cut leaves an upload that can continue', async (t) => {
  const bytes = randomBytes(3 * MIB)
  const first = bytes.subarray(0, 100_000)
  const upload = await beginUpload(url, 'app')
  await patchUpload(upload, first)
  const closing = `PUT ${upload.pathname}?digest=${digestOf(bytes)}`
  const begin = head(closing, `Content-Length: ${bytes.length - first.length}`)
  await cut(t, upload, [begin, bytes.subarray(first.length, 2.5 * MIB)], () => answerOthers(url, 20))
  const offset = await offsetOf(upload)
  assert.ok(offset >= first.length, `the upload has ${offset} bytes`)
  await resume(upload, bytes)
  await assertCloses(upload, bytes)
})

test('a single POST whose connection is cut leaves no blob, and can be done again', async (t) => {
  const bytes = randomBytes(200_000)
  const push = `/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`
  const connection = await connect(t, url)
  await connection.send(head(`POST ${push}`, 'Content-Length: 200000'), bytes.subarray(0, 199_999))
  connection.destroy()
  const blob = `${url}/v2/app/blobs/${digestOf(bytes)}`
  assert.equal((await fetch(blob)).status, 404)
  const pushed = await fetch(url + push, { method: 'POST', body: new Uint8Array(bytes) })
  assert.equal(pushed.status, 201)
  assert.ok(bytes.equals(await bytesOf(await fetch(blob))))
})

/** An upload of a stopped server, as the next one has it. */
function movedTo(server: { url: string }, upload: URL): URL {
  return new URL(upload.pathname, server.url)
}

test('an upload continues after a restart, and closes after another', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await startStowage(t, { data: folder })
  const uploads = await Promise.all(
    [0, 1000, 60_000, 200_000].map(async (before) => {
      const bytes = randomBytes(before + 20_000)
      const upload = await beginUpload(first.url, 'app')
      if (before > 0) await patchUpload(upload, bytes.subarray(0, before))
      return { upload, bytes, before }
    }),
  )
  await first.close()
  const second = await startStowage(t, { data: folder })
  for (const { upload, bytes, before } of uploads) {
    const here = movedTo(second, upload)
    const refused = await closeUpload(here, digestOf('something else'))
    assert.equal(refused.status, 400)
    assert.equal(await offsetOf(here), before)
    await resume(here, bytes)
  }
  await second.close()
  const third = await startStowage(t, { data: folder })
  for (const { upload, bytes } of uploads) {
    const here = movedTo(third, upload)
    assert.equal(await offsetOf(here), bytes.length)
    await assertCloses(here, bytes)
  }
})

test('an upload that went on after a restart closes with a digest in any algorithm', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await startStowage(t, { data: folder })
  const uploads = await Promise.all(
    ['sha256', 'sha512', 'blake3'].flatMap((algorithm) =>
      [1000, 100_000].flatMap((before) =>
        [true, false].map(async (isNamed) => {
          const bytes = randomBytes(before + 50_000)
          const query = isNamed ? `digest-algorithm=${algorithm}` : ''
          const upload = await beginUpload(first.url, 'app', query)
          await patchUpload(upload, bytes.subarray(0, before))
          const digest = await digestIn(algorithm, bytes)
          return { upload, bytes, digest, before, lastByPatch: isNamed === before < 65_536 }
        }),
      ),
    ),
  )
  await first.close()
  const second = await startStowage(t, { data: folder })
  const checks = uploads.map(async ({ upload, bytes, digest, before, lastByPatch }) => {
    const here = movedTo(second, upload)
    const body = bytes.subarray(before)
    if (lastByPatch) await patchUpload(here, body)
    const closed = await closeUpload(here, digest, lastByPatch ? {} : { body })
    assert.equal(closed.status, 201, await closed.text())
    assert.ok(bytes.equals(await bytesOf(await fetch(locationOf(closed)))))
  })
  await Promise.all(checks)
})
