import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { bytesOf, digestOf, errorCodes, pushBlob, pushImage } from '../content.ts'
import {
  beginUpload,
  chunkRange,
  closeUpload,
  patchUpload,
  statusRange,
} from '../protocol/upload-requests.ts'
import { converse } from './conversation.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }
/** What is kept in a row, and what in a file. */
const SIZES = [1_000, 200_000]

async function statusOf(url: string, method = 'GET', headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(url, { method, headers })
  await response.arrayBuffer()
  return response.status
}

/** Every way to ask for a blob. */
async function assertBlob(url: string, name: string, bytes: Buffer, status: 200 | 404): Promise<void> {
  const blob = `${url}/v2/${name}/blobs/${digestOf(bytes)}`
  const part = status === 200 ? 206 : 404
  assert.equal(await statusOf(blob, 'HEAD'), status, `HEAD in ${name}`)
  assert.equal(await statusOf(blob, 'GET', { Range: 'bytes=0-9' }), part, `a range in ${name}`)
  assert.equal(await statusOf(blob, 'GET', { 'If-None-Match': '"other"' }), status, `a condition in ${name}`)
  const pulled = await fetch(blob)
  assert.equal(pulled.status, status, `GET in ${name}`)
  if (status === 200) assert.ok((await bytesOf(pulled)).equals(bytes))
  else assert.deepEqual(await errorCodes(pulled), ['BLOB_UNKNOWN'])
}

test(
  'fault 19: a blob that is deleted in one repository stays gone there, and stays whole in the other',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    const blobs = SIZES.map((size) => randomBytes(size))
    for (const [index, bytes] of blobs.entries()) {
      await pushBlob(server.url, 'a', bytes)
      const mount = `${server.url}/v2/b/blobs/uploads/?mount=${digestOf(bytes)}&from=a`
      if (index % 2 === 0) assert.equal(await statusOf(mount, 'POST'), 201)
      else await pushBlob(server.url, 'b', bytes)
      for (const name of ['a', 'b']) await assertBlob(server.url, name, bytes, 200)
      assert.equal(await statusOf(`${server.url}/v2/a/blobs/${digestOf(bytes)}`, 'DELETE'), 202)
    }
    const assertApart = async (url: string) => {
      for (const bytes of blobs) {
        for (const name of ['a', 'b', 'a', 'b', 'a'])
          await assertBlob(url, name, bytes, name === 'a' ? 404 : 200)
        assert.equal(await statusOf(`${url}/v2/a/blobs/${digestOf(bytes)}`, 'DELETE'), 404)
      }
    }
    await assertApart(server.url)
    await server.close()
    await server.sweep()
    const again = await server.restart()
    await assertApart(again.url)
    await again.close()
  },
)

test(
  'fault 19: a manifest that is deleted in one repository stays gone there, and stays whole in the other',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    const image = await pushImage(server.url, 'a', 'v1')
    for (const { digest } of JSON.parse(String(image.bytes)).layers) {
      assert.equal(await statusOf(`${server.url}/v2/b/blobs/uploads/?mount=${digest}&from=a`, 'POST'), 201)
    }
    const { digest } = JSON.parse(String(image.bytes)).config
    assert.equal(await statusOf(`${server.url}/v2/b/blobs/uploads/?mount=${digest}&from=a`, 'POST'), 201)
    const init = {
      method: 'PUT',
      headers: { 'Content-Type': image.mediaType },
      body: new Uint8Array(image.bytes),
    }
    assert.equal((await fetch(`${server.url}/v2/b/manifests/v1`, init)).status, 201)
    assert.equal(await statusOf(`${server.url}/v2/a/manifests/${image.digest}`, 'DELETE'), 202)
    for (const reference of ['v1', image.digest, 'v1', image.digest]) {
      for (const method of ['GET', 'HEAD']) {
        assert.equal(await statusOf(`${server.url}/v2/b/manifests/${reference}`, method), 200)
        assert.equal(await statusOf(`${server.url}/v2/a/manifests/${reference}`, method), 404)
      }
    }
    await server.close()
  },
)

/** A digest that no content has. */
function unknown(): string {
  return digestOf(randomBytes(32))
}

/** What the writer asks after each batch, at a time of its own: a look at the log, and a read that moves its mark there. */
const AFTER_A_BATCH = ['PRAGMA wal_checkpoint(NOOP)', 'SELECT 1 FROM settings LIMIT 1']

/** What was asked of the database for a request. */
async function queriesIn(log: string): Promise<string[]> {
  const lines = (await readFile(log, 'utf8')).split('\n')
  return lines.filter((line) => line !== '' && !AFTER_A_BATCH.includes(JSON.parse(line)))
}

test(
  'fault 33: the response to content of another repository is the same as to unknown content, with the same queries',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, {
      env: { STOWAGE_TEST_SQL_LOG: 'sql.log', STOWAGE_TEST_SQL_LOG_OF: 'workers' },
      preloads: ['sql-log'],
    })
    const log = join(server.folder, 'sql.log')
    await pushImage(server.url, 'mine', 'v1')
    const image = await pushImage(server.url, 'other', 'theirs')
    const foreign = [image.digest, ...SIZES.map((size) => randomBytes(size))]
    const client = await converse(t, server.url)
    const told = async (line: string) => {
      // What was read of a repository is kept as long as nothing in it changes.
      await pushBlob(server.url, 'mine', randomBytes(8))
      await writeFile(log, '')
      const { status, headers, body } = await client.ask(line)
      const { date: _date, 'x-request-id': id = '', ...fixed } = headers
      // The body has the id too, and ids count up, so they become longer.
      const length = Number(headers['content-length']) - id.length
      const text = body
        .toString()
        .replaceAll(/sha256:[0-9a-f]{64}|theirs|nobody/g, 'it')
        .replace(id, 'id')
      const queries = await queriesIn(log)
      return { status, headers: { ...fixed, 'content-length': length }, text, queries }
    }
    for (const content of foreign) {
      const digest = typeof content === 'string' ? content : await pushBlob(server.url, 'other', content)
      for (const place of ['blobs', 'manifests']) {
        for (const method of ['GET', 'HEAD', 'DELETE']) {
          const line = `${method} /v2/mine/${place}/${digest}`
          const known = await told(line)
          assert.equal(known.status, 404)
          assert.ok(known.queries.length > 0, line)
          assert.deepEqual(await told(`${method} /v2/mine/${place}/${unknown()}`), known, line)
        }
      }
    }
    for (const method of ['GET', 'HEAD']) {
      const known = await told(`${method} /v2/mine/manifests/theirs`)
      assert.equal(known.status, 404)
      assert.deepEqual(await told(`${method} /v2/mine/manifests/nobody`), known)
    }
    await server.close()
  },
)

const METHODS = ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'] as const

/** Fails unless an upload is unknown, whatever is asked of it. */
async function assertUnknown(upload: string | URL, bytes: Buffer, what: string): Promise<void> {
  for (const method of METHODS) {
    const url = method === 'PUT' ? `${upload}?digest=${digestOf(bytes)}` : upload
    const hasBody = method === 'PUT' || method === 'PATCH'
    const response = await fetch(url, { method, ...(hasBody && { body: new Uint8Array(bytes) }) })
    assert.equal(response.status, 404, `${method} ${what}`)
    if (method !== 'HEAD') assert.deepEqual(await errorCodes(response), ['BLOB_UPLOAD_UNKNOWN'])
  }
}

test(
  'fault 34: an upload is unknown in another repository, once it is complete, and once it is cancelled',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    await pushBlob(server.url, 'b', 'something')
    for (const size of SIZES) {
      const bytes = randomBytes(size)
      const half = size / 2
      const upload = await beginUpload(server.url, 'a')
      const elsewhere = ['b', 'a/b', 'c', 'a-b'].map((name) =>
        String(upload).replace('/v2/a/', `/v2/${name}/`),
      )
      for (const url of elsewhere) await assertUnknown(url, bytes, 'elsewhere, without bytes')
      assert.equal((await patchUpload(upload, bytes.subarray(0, half), chunkRange(0, half))).status, 202)
      for (const url of elsewhere) await assertUnknown(url, bytes, `elsewhere, with ${half} bytes`)
      assert.equal(await statusRange(upload), `0-${half - 1}`)
      const cancelled = await beginUpload(server.url, 'a')
      assert.equal((await patchUpload(cancelled, bytes)).status, 202)
      assert.equal(await statusOf(String(cancelled), 'DELETE'), 204)
      await assertUnknown(cancelled, bytes, 'after it was cancelled')
      assert.equal((await closeUpload(upload, digestOf(bytes), { body: bytes.subarray(half) })).status, 201)
      assert.equal(
        (await closeUpload(upload, digestOf('other'))).status,
        404,
        'as another blob, after it was complete',
      )
      await assertBlob(server.url, 'a', bytes, 200)
      await assertBlob(server.url, 'b', bytes, 404)
    }
    await server.close()
  },
)
