import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readlink } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { bytesOf, digestOf, pushBlob } from '../content.ts'
import { clockedRegistry } from './clocked-registry.ts'
import { answerOthers, startForFile } from './file-server.ts'
import { head } from './raw-request.ts'

const { url } = await startForFile()

const SIZE = 6 * 1024 * 1024
const BLOB = `/v2/app/blobs/${await pushBlob(url, 'app', randomBytes(SIZE))}`
const OPEN_FILES = '/proc/self/fd'

/** Files that were forgotten while open, and then collected: where no test runner listens this ends the process. */
const forgotten: string[] = []

process.on('uncaughtException', (error) => forgotten.push(error.message))

/** Files of blobs that this process, which is the server's too, has open. */
async function openBlobs(): Promise<string[]> {
  const links = await readdir(OPEN_FILES)
  const paths = await Promise.all(links.map((name) => readlink(join(OPEN_FILES, name)).catch(() => '')))
  return paths.filter((path) => /\/blobs\/[0-9a-f]{2}\/[0-9a-f]{32}/.test(path))
}

async function assertAllClosed(): Promise<void> {
  for (let turn = 0; (await openBlobs()).length > 0; turn++) {
    assert.ok(turn < 300, 'files of blobs stay open')
    await answerOthers(url, 10)
  }
  assert.deepEqual(forgotten.splice(0), [])
}

/** Sends requests on a connection and reads nothing of the answers. */
async function askWithoutReading(...requests: string[]): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(requests.join(''))
  return socket
}

const RANGES = [[], ['Range: bytes=100-'], [`Range: bytes=0-${SIZE / 2},${SIZE / 2 + 10}-${SIZE - 10}`]]
const skip = process.platform !== 'linux' && 'only Linux tells which files are open'

test('a download that the client breaks off, at whatever moment, leaves no file open', { skip }, async () => {
  for (let turn = 0; turn < 45; turn++) {
    const socket = await askWithoutReading(head(`GET ${BLOB}`, ...(RANGES[turn % 3] ?? [])))
    await answerOthers(url, turn % 5)
    socket.destroy()
  }
  for (let turn = 0; turn < 60; turn++) {
    const abort = new AbortController()
    const { body } = await fetch(url + BLOB, { signal: abort.signal })
    await body?.getReader().read()
    abort.abort()
  }
  await assertAllClosed()
})

test('downloads that are waiting for one another on a connection that breaks leave no file open', {
  skip,
}, async () => {
  for (let turn = 0; turn < 5; turn++) {
    const socket = await askWithoutReading(head(`GET ${BLOB}`), head(`GET ${BLOB}`), head(`GET ${BLOB}`))
    await answerOthers(url, 10)
    socket.destroy()
  }
  await assertAllClosed()
})

test('a download whose request never ends leaves no file open', { skip }, async () => {
  for (const range of RANGES) {
    const socket = await askWithoutReading(head(`GET ${BLOB}`, 'Content-Length: 5', ...range))
    await answerOthers(url, 10)
    socket.destroy()
  }
  await assertAllClosed()
})

test('a download that is read to its end, in whole or in part, leaves no file open', { skip }, async () => {
  for (const Range of ['bytes=0-', 'bytes=-10', 'bytes=0-0,5-9', 'items=0-']) {
    await bytesOf(await fetch(url + BLOB, { headers: { Range } }))
  }
  await assertAllClosed()
})

test('a body that a web host does not read leaves no file open', { skip }, async (t) => {
  const registry = await clockedRegistry(t)
  const bytes = randomBytes(200_000)
  await registry.request('POST', `/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`, bytes)
  const blob = `/v2/app/blobs/${digestOf(bytes)}`
  await (await registry.request('GET', blob)).body?.cancel()
  const reader = (await registry.request('GET', blob)).body?.getReader()
  await reader?.read()
  await reader?.cancel()
  await assertAllClosed()
})

test('clients that hang up after what they wanted of an open range get what they wanted', async () => {
  const whole = await bytesOf(await fetch(url + BLOB))
  const downloads = Array.from({ length: 8 }, async (_, index) => {
    const start = index * 500_000
    const abort = new AbortController()
    const part = await fetch(url + BLOB, { headers: { Range: `bytes=${start}-` }, signal: abort.signal })
    assert.equal(part.status, 206)
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of part.body ?? []) {
      chunks.push(chunk)
      size += chunk.length
      if (size >= 100_000) break
    }
    abort.abort()
    assert.deepEqual(Buffer.concat(chunks), whole.subarray(start, start + size))
  })
  await Promise.all(downloads)
})
