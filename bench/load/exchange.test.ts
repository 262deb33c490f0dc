import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Connection } from './connection.ts'
import { contentOf, MIB } from './content.ts'
import { pullBlob, pushBlob } from './exchange.ts'

/** Connects to a server that lives as long as the test. */
async function connectTo(t: TestContext, answer: RequestListener): Promise<Connection> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connection = await Connection.open({ host: '127.0.0.1', port })
  t.after(() => {
    connection.close()
    server.close()
  })
  return connection
}

/** A server of one body, whatever is asked for. */
function bodyServer(body: Buffer): RequestListener {
  return (_, response) => response.writeHead(200, { 'Content-Length': body.length }).end(body)
}

function bytesOf(id: number, size: number): Buffer {
  return Buffer.concat([...contentOf(id, size).pieces()].flat())
}

test('content has its size and digest, and no mebibyte in common with other content', () => {
  const size = 3 * MIB + 100
  const { digest } = contentOf(7, size)
  const bytes = bytesOf(7, size)
  assert.equal(bytes.length, size)
  assert.equal(digest, `sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  const other = bytesOf(8, size)
  const all = [bytes, other].flatMap((each) => [0, 1, 2].map((at) => each.subarray(at * MIB, (at + 1) * MIB)))
  assert.equal(new Set(all.map((each) => createHash('sha256').update(each).digest('hex'))).size, 6)
})

test('content is the same each time, so that all systems get the same', () => {
  assert.ok(bytesOf(7, MIB).equals(bytesOf(7, MIB)))
})

test('a pull counts what came', async (t) => {
  const connection = await connectTo(t, bodyServer(bytesOf(7, 2 * MIB)))
  assert.equal(await pullBlob(connection, '/', { id: 7, size: 2 * MIB }), 2 * MIB)
  assert.equal(await pullBlob(connection, '/', { id: 7, size: 2 * MIB }), 2 * MIB)
})

test('a pull of other content, or of another length, fails', async (t) => {
  const connection = await connectTo(t, bodyServer(bytesOf(8, MIB)))
  await assert.rejects(pullBlob(connection, '/', { id: 7, size: MIB }), /other content/)
  await assert.rejects(pullBlob(connection, '/', { id: 8, size: MIB + 1 }), /1048576 bytes/)
})

test('a body that is cut fails', async (t) => {
  const connection = await connectTo(t, (_, response) => {
    response.writeHead(200, { 'Content-Length': MIB }).write(bytesOf(7, 100), () => response.destroy())
  })
  await assert.rejects(pullBlob(connection, '/', { id: 7, size: MIB }), /closed|reset/i)
})

for (const streamed of [false, true]) {
  test(`a ${streamed ? 'streamed' : 'monolithic'} push sends just the content`, async (t) => {
    const seen: string[] = []
    const received: Buffer[] = []
    const connection = await connectTo(t, (request, response) => {
      seen.push(`${request.method} ${request.url}`)
      request.on('data', (bytes: Buffer) => received.push(bytes))
      request.on('end', () => {
        const status = request.method === 'PUT' ? 201 : 202
        response.writeHead(status, { Location: '/upload?state=x', 'Content-Length': 0 }).end()
      })
    })
    const content = contentOf(9, 2 * MIB + 5)
    assert.equal(await pushBlob(connection, 'a', { content, streamed }), content.size)
    const patch = streamed ? ['PATCH /upload?state=x'] : []
    const put = `PUT /upload?state=x&digest=${content.digest}`
    assert.deepEqual(seen, ['POST /v2/a/blobs/uploads/', ...patch, put])
    assert.ok(Buffer.concat(received).equals(bytesOf(9, 2 * MIB + 5)))
  })
}

test('a refused push fails and shows the answer', async (t) => {
  const connection = await connectTo(t, (_, response) => response.writeHead(507).end('{"full":true}'))
  const content = contentOf(9, 100)
  await assert.rejects(pushBlob(connection, 'a', { content }), /507 instead of 202 \{"full":true\}/)
})

test('a push that is refused before its body is sent fails too', async (t) => {
  const connection = await connectTo(t, (request, response) => {
    if (request.method === 'POST') {
      response.writeHead(202, { Location: '/upload', 'Content-Length': 0 }).end()
      return
    }
    request.pause()
    response.writeHead(413).end('too large')
  })
  await assert.rejects(pushBlob(connection, 'a', { content: contentOf(9, 64 * MIB) }), /413 instead of 201/)
  assert.ok(!connection.isOpen)
})
