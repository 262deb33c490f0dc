import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { OCI_MANIFEST, pushBlob } from '../content.ts'
import { chunk, head } from '../protocol/raw-request.ts'
import { memoryOf, NO_FIGURES, watchMemory } from './process-figures.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000, skip: NO_FIGURES }
const MIB = 1024 * 1024
const CHUNKED = 'Transfer-Encoding: chunked'
/** At 400 bytes for each, these took 400 MiB before they were gathered. */
const PIECES = 1_000_000
const PIECES_OF_A_WRITE = 10_000
const SLACK_MIB = 100
const MANY = 200
/** What all bodies of a server may hold is 256 MiB; what the system and Node hold for connections comes on top of it. */
const MAX_TOGETHER_MIB = 450

async function open(t: TestContext, url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Writes, and waits until the system took it or the connection is gone. */
function send(socket: Socket, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', resolve)
    socket.write(bytes, () => {
      socket.off('close', resolve)
      resolve()
    })
  })
}

test('fault 47: a million chunks of one byte take no more memory than as many bytes', PATIENCE, async (t) => {
  const server = await startServer(t, { workers: 1, watched: false })
  await pushBlob(server.url, 'app', 'warm')
  const before = await memoryOf(server.pid)
  const most = watchMemory(server.pid)
  const pieces = Buffer.from('1\r\na\r\n'.repeat(PIECES_OF_A_WRITE))
  for (const line of [
    'PUT /v2/app/manifests/small',
    `POST /v2/app/blobs/uploads/?digest=sha256:${'0'.repeat(64)}`,
  ]) {
    const socket = await open(t, server.url)
    const answer = once(socket, 'data')
    await send(socket, head(line, `Content-Type: ${OCI_MANIFEST}`, CHUNKED))
    for (let sent = 0; sent < PIECES; sent += PIECES_OF_A_WRITE) await send(socket, pieces)
    await send(socket, chunk(''))
    assert.match(String((await answer)[0]), /^HTTP\/1\.1 400 /)
    socket.destroy()
  }
  const peak = await most()
  t.diagnostic(`MiB: ${before.toFixed()} before, at most ${peak.toFixed()}`)
  assert.ok(peak < before + SLACK_MIB, `${peak} MiB, after ${before}`)
  await server.close()
})

test(
  'fault 47: bodies that are kept in memory wait for each other, and those that stop give way',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 2, watched: false })
    await pushBlob(server.url, 'app', 'warm')
    const before = await memoryOf(server.pid)
    const most = watchMemory(server.pid)
    const sockets = await Promise.all(Array.from({ length: MANY }, () => open(t, server.url)))
    const line = head('PUT /v2/app/manifests/held', `Content-Type: ${OCI_MANIFEST}`, CHUNKED)
    const rest = chunk(Buffer.alloc(4 * MIB - 10, ' '))
    // None of them ends its body, and those that wait are never taken by the system.
    for (const socket of sockets) socket.write(Buffer.concat([Buffer.from(line), rest]))
    const pushed = await fetch(`${server.url}/v2/app/manifests/v1`, {
      method: 'PUT',
      headers: { 'Content-Type': OCI_MANIFEST },
      body: `{"schemaVersion":2,"layers":[],"annotations":{"text":"${'x'.repeat(MIB)}"}}`,
    })
    assert.equal(pushed.status, 201, await pushed.text())
    const peak = await most()
    t.diagnostic(`MiB: ${before.toFixed()} before, at most ${peak.toFixed()} with ${MANY} bodies of 4 MiB`)
    assert.ok(peak < before + MAX_TOGETHER_MIB, `${peak} MiB, after ${before}`)
    for (const socket of sockets) socket.destroy()
    await server.close()
  },
)
