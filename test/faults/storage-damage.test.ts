import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { open, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { bytesOf, digestOf, pushBlob } from '../content.ts'
import { answerOthers, startForFile } from '../protocol/file-server.ts'
import { head } from '../protocol/raw-request.ts'
import { garbageKeys, storedFiles } from '../protocol/refusal.ts'
import { beginUpload, closeUpload, patchUpload } from '../protocol/upload-requests.ts'

const { url, data } = await startForFile()

const MIB = 1024 * 1024
const SIZE = 100_000

interface StoredBlob {
  bytes: Buffer
  /** Where it is pulled. */
  blob: string
  /** The file that it lies in. */
  path: string
}

/** Pushes random content. */
async function storeBlob(size: number): Promise<StoredBlob> {
  const bytes = randomBytes(size)
  const before = new Set(await storedFiles(data))
  const digest = await pushBlob(url, 'app', bytes)
  const [key = ''] = (await storedFiles(data)).filter((name) => !before.has(name))
  return { bytes, blob: `${url}/v2/app/blobs/${digest}`, path: join(data, 'blobs', key.slice(0, 2), key) }
}

async function flipByte(path: string, bytes: Buffer, position: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Uint8Array.of((bytes[position] ?? 0) ^ 0xff), 0, 1, position)
  await file.close()
}

test('fault 9: a stored byte that changed is sent, under a digest by which every client finds it', async () => {
  const { bytes, blob, path } = await storeBlob(SIZE)
  await flipByte(path, bytes, SIZE / 2)
  const pulled = await fetch(blob)
  assert.equal(pulled.status, 200)
  const found = await bytesOf(pulled)
  assert.equal(found.length, SIZE)
  assert.notEqual(digestOf(found), digestOf(bytes))
  assert.equal(pulled.headers.get('docker-content-digest'), digestOf(bytes))
  const part = await fetch(blob, { headers: { Range: `bytes=0-${SIZE / 2 - 1}` } })
  assert.ok((await bytesOf(part)).equals(bytes.subarray(0, SIZE / 2)))
})

const ENDS = [
  ['shorter', (path: string) => truncate(path, SIZE / 2)],
  ['empty', (path: string) => truncate(path, 0)],
] as const

for (const [what, damage] of ENDS) {
  test(`fault 9: of a stored file that became ${what} never a whole answer is made`, async () => {
    const { bytes, blob, path } = await storeBlob(SIZE)
    await damage(path)
    await assert.rejects(fetch(blob).then(bytesOf))
    await assert.rejects(fetch(blob, { headers: { Range: `bytes=${SIZE / 4}-${SIZE - 1}` } }).then(bytesOf))
    assert.equal((await fetch(`${url}/v2/`)).status, 200)
    await pushBlob(url, 'app', bytes)
    assert.ok((await bytesOf(await fetch(blob))).equals(bytes))
  })
}

test('fault 9: a blob whose stored file is gone is unknown until it is pushed again', async () => {
  const { bytes, blob, path } = await storeBlob(SIZE)
  await rm(path)
  assert.equal((await fetch(blob)).status, 404)
  await pushBlob(url, 'app', bytes)
  assert.ok((await bytesOf(await fetch(blob))).equals(bytes))
})

const PUSHES = {
  'in one request': async (bytes: Buffer) =>
    await fetch(`${url}/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`, {
      method: 'POST',
      body: new Uint8Array(bytes),
    }),
  'by POST and PUT': async (bytes: Buffer) =>
    await closeUpload(await beginUpload(url, 'app'), digestOf(bytes), { body: bytes }),
  'in chunks': async (bytes: Buffer) => {
    const upload = await beginUpload(url, 'app')
    await patchUpload(upload, bytes.subarray(0, SIZE / 3))
    await patchUpload(upload, bytes.subarray(SIZE / 3))
    return await closeUpload(upload, digestOf(bytes))
  },
  'to another repository': async (bytes: Buffer) =>
    await closeUpload(await beginUpload(url, 'other'), digestOf(bytes), { body: bytes }),
}

for (const [how, push] of Object.entries(PUSHES)) {
  test(`fault 9: a damaged blob that is pushed again ${how} is healed, and the damaged file goes`, async () => {
    const { bytes, blob, path } = await storeBlob(SIZE)
    await flipByte(path, bytes, SIZE - 1)
    assert.equal((await push(bytes)).status, 201)
    assert.ok((await bytesOf(await fetch(blob))).equals(bytes))
    assert.ok(garbageKeys(data).some((key) => path.endsWith(key)))
  })
}

/** More than a system holds for a connection that nobody reads from. */
const LONG = 48 * MIB
const CUT = 20 * MIB
const FROM = 1000

/** Asks twice on one connection, and reads no more than the beginning. */
async function beginToRead(path: string, ...headers: string[]): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(head(`GET ${path}`, ...headers) + head('GET /v2/'))
  await once(socket, 'readable')
  return socket
}

/** Reads all that comes, up to the end of the connection, however it ends. @returns what came behind the head, and the length it told */
async function readToEnd(socket: Socket): Promise<{ rest: Buffer; length: number }> {
  const chunks: Buffer[] = []
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise((resolve) => socket.once('close', resolve))
  const all = Buffer.concat(chunks)
  const end = all.indexOf('\r\n\r\n')
  const length = Number(/^Content-Length: (\d+)\r$/im.exec(all.toString('latin1', 0, end + 2))?.[1])
  return { rest: all.subarray(end + 4), length }
}

const RANGES = [
  ['whole', [], 0],
  ['in one range', [`Range: bytes=${FROM}-`], FROM],
] as const

for (const [how, headers, start] of RANGES) {
  test(`fault 22: a file that becomes shorter while it is sent ${how} ends the connection, and nothing follows inside of the body`, async () => {
    const { bytes, blob, path } = await storeBlob(LONG)
    const socket = await beginToRead(new URL(blob).pathname, ...headers)
    await truncate(path, CUT)
    const { rest, length } = await readToEnd(socket)
    assert.equal(length, LONG - start)
    assert.ok(rest.length <= CUT - start, `${rest.length} bytes came`)
    assert.ok(rest.equals(bytes.subarray(start, start + rest.length)))
  })
}

test('fault 22: a file that becomes shorter while several ranges are sent ends the connection, and nothing follows', async () => {
  const { blob, path } = await storeBlob(LONG)
  const ranges = `Range: bytes=0-9,${FROM}-${LONG / 2},${LONG / 2 + 10}-`
  const socket = await beginToRead(new URL(blob).pathname, ranges)
  await truncate(path, CUT)
  const { rest, length } = await readToEnd(socket)
  assert.ok(length > LONG - FROM)
  assert.ok(rest.length < length)
  assert.equal(rest.indexOf('HTTP/1.1'), -1)
})

const REPLACEMENTS = {
  'replaced by another': async (path: string) => {
    await writeFile(`${path}.new`, randomBytes(10))
    await rename(`${path}.new`, path)
  },
  deleted: (path: string) => rm(path),
}

for (const [what, replace] of Object.entries(REPLACEMENTS)) {
  test(`fault 22: a file that is ${what} while it is sent arrives as it was`, async () => {
    const { bytes, blob, path } = await storeBlob(LONG)
    const pulled = await fetch(blob, { headers: { Range: `bytes=${FROM}-` } })
    await replace(path)
    assert.equal(pulled.status, 206)
    assert.ok((await bytesOf(pulled)).equals(bytes.subarray(FROM)))
    await answerOthers(url, 1)
  })
}
