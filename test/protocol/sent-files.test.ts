import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, truncate } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeCertificate } from '../cli/certificate.ts'
import { openSandbox } from '../cli/program.ts'
import { digestOf, pushBlob } from '../content.ts'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { answerOthers } from './file-server.ts'
import { connect, head } from './raw-request.ts'

const SIZE = 5 * 1024 * 1024 + 17

/** Both ways of sending a file; whether the first is inside of the kernel is up to the system. */
for (const zeroCopy of ['auto', 'off'] as const) {
  const title = (text: string) => `zero copy ${zeroCopy}: ${text}`

  test(title('a file comes whole, in a range, and in several'), async (t) => {
    const { url } = await startStowage(t, { zeroCopy })
    const bytes = randomBytes(SIZE)
    const blob = `${url}/v2/app/blobs/${await pushBlob(url, 'app', bytes)}`
    const whole = await fetch(blob)
    assert.deepEqual(Buffer.from(await whole.arrayBuffer()), bytes)
    for (const [first, last] of [
      [0, 0],
      [1, 1_048_576],
      [1_048_575, 3_145_731],
      [SIZE - 3, SIZE - 1],
    ] as const) {
      const part = await fetch(blob, { headers: { Range: `bytes=${first}-${last}` } })
      assert.equal(part.status, 206)
      assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(first, last + 1))
    }
    const several = await fetch(blob, { headers: { Range: 'bytes=5-10,2000000-2000003' } })
    const body = Buffer.from(await several.arrayBuffer())
    assert.ok(body.includes(bytes.subarray(5, 11)) && body.includes(bytes.subarray(2_000_000, 2_000_004)))
  })

  test(title('answers of one connection stay in their order, and a last one ends it'), async (t) => {
    const { url } = await startStowage(t, { zeroCopy })
    const bytes = randomBytes(SIZE)
    const path = `/v2/app/blobs/${await pushBlob(url, 'app', bytes)}`
    const connection = await connect(t, url)
    const requests = [
      head(`GET ${path}`),
      head('GET /v2/'),
      head(`GET ${path}`, 'Range: bytes=7-4000000'),
      head(`HEAD ${path}`),
      head(`GET ${path}`, 'Connection: close'),
    ]
    await connection.send(requests.join(''))
    assert.deepEqual((await connection.response()).body, bytes)
    assert.equal((await connection.response()).body.toString(), '{}')
    assert.deepEqual((await connection.response()).body, bytes.subarray(7, 4_000_001))
    assert.equal((await connection.response({ toHead: true })).headers['content-length'], String(SIZE))
    assert.deepEqual((await connection.response()).body, bytes)
    assert.deepEqual(await connection.ended(), { by: 'end', rest: Buffer.alloc(0) })
  })

  test(title('a slow reader gets every byte, and others are answered meanwhile'), async (t) => {
    const { url } = await startStowage(t, { zeroCopy })
    const bytes = randomBytes(SIZE)
    const path = `/v2/app/blobs/${await pushBlob(url, 'app', bytes)}`
    const { hostname, port } = new URL(url)
    const socket = connectSocket(Number(port), hostname)
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    socket.write(head(`GET ${path}`, 'Connection: close'))
    const chunks: Buffer[] = []
    let size = 0
    let pauses = 0
    for await (const chunk of socket) {
      chunks.push(chunk)
      size += chunk.length
      if (size < 400_000 * (pauses + 1)) continue
      pauses++
      await Promise.all([sleep(20), answerOthers(url, 2)])
    }
    const received = Buffer.concat(chunks)
    assert.ok(pauses >= 10)
    assert.deepEqual(received.subarray(received.indexOf('\r\n\r\n') + 4), bytes)
  })

  test(title('a file that became shorter ends the connection, and nothing follows'), async (t) => {
    const { url, data } = await startStowage(t, { zeroCopy })
    const path = `/v2/app/blobs/${await pushBlob(url, 'app', randomBytes(SIZE))}`
    const files = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true })
    const file = files.find((entry) => entry.isFile())
    assert.ok(file)
    await truncate(join(file.parentPath, file.name), 3_000_000)
    const connection = await connect(t, url)
    await connection.send(head(`GET ${path}`), head('GET /v2/'))
    const { rest } = await connection.ended()
    const body = rest.subarray(rest.indexOf('\r\n\r\n') + 4)
    assert.equal(body.length, 3_000_000)
  })

  test(title('TLS changes nothing'), async (t) => {
    const sandbox = await openSandbox(t)
    const { certFile, keyFile, cert } = await makeCertificate(await temporaryFolder(t), 'server')
    const flags = ['--tls-cert', certFile, '--tls-key', keyFile, '--zero-copy', zeroCopy]
    const server = await sandbox.serve('data', flags)
    const agent = new Agent({ ca: cert, keepAlive: true })
    t.after(() => agent.destroy())
    const ask = async (method: string, path: string, body?: Buffer): Promise<Buffer> => {
      const sent = request(new URL(path, server.url), { method, agent })
      sent.end(body)
      const [answer] = await once(sent, 'response')
      return Buffer.concat(await answer.toArray())
    }
    const bytes = randomBytes(SIZE)
    const digest = digestOf(bytes)
    await ask('POST', `/v2/app/blobs/uploads/?digest=${digest}`, bytes)
    for (let turn = 0; turn < 3; turn++) assert.deepEqual(await ask('GET', `/v2/app/blobs/${digest}`), bytes)
  })
}
