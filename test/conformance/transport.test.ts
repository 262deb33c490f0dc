import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer as createHttp } from 'node:http'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { rawSender } from '../../src/cli/conformance-connection.ts'
import { openTransport } from '../../src/cli/conformance-transport.ts'
import { problemOf } from '../../src/conformance/problem.ts'
import { makeCertificate } from '../cli/certificate.ts'
import { openSandbox } from '../cli/program.ts'

async function startListening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  return (server.address() as AddressInfo).port
}

test('a name is connected to only if all of its addresses are public, whatever it is called', async (t) => {
  let count = 0
  const server = createHttp((_, response) => {
    count++
    response.end()
  })
  const port = await startListening(t, server)
  const answers = [
    [{ address: '127.0.0.1', family: 4 }],
    [{ address: '::ffff:127.0.0.1', family: 6 }],
    [
      { address: '93.184.215.14', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ],
  ]
  for (const addresses of answers) {
    const fetch = openTransport({ lookup: (_name, _options, callback) => callback(null, addresses) })
    const init = { redirect: 'manual' } as const
    await assert.rejects(
      fetch(`http://rebinding.example:${port}/`, init, { isHome: false, isFresh: false }),
      (error) =>
        /^rebinding\.example has the address .*, so no requests are sent to it$/.test(problemOf(error)),
    )
  }
  assert.equal(count, 0)
  const home = openTransport({
    lookup: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  const answer = await home(`http://registry.corp.example:${port}/`, {}, { isHome: true, isFresh: true })
  assert.equal(answer.status, 200, 'the registry itself may be anywhere')
})

test('https is HTTP/1.1, and HTTP/2 only where that was asked for', async (t) => {
  const sandbox = await openSandbox(t)
  const { certFile, cert, keyFile } = await makeCertificate(sandbox.folder, 'server')
  const versions: string[] = []
  const server = createSecureServer(
    { allowHTTP1: true, cert, key: await readFile(keyFile) },
    (request, response) => {
      versions.push(request.httpVersion)
      response.writeHead(200).end()
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const run = ['conformance', url, '--only', 'base']
  const env = { NODE_EXTRA_CA_CERTS: certFile }
  assert.equal((await sandbox.run(run, { env })).code, 0)
  assert.deepEqual(new Set(versions), new Set(['1.1']))
  versions.length = 0
  assert.equal((await sandbox.run([...run, '--http2'], { env })).code, 0)
  assert.deepEqual(new Set(versions), new Set(['2.0']))
  const untrusted = await sandbox.run(run)
  assert.equal(untrusted.code, 2)
  assert.match(untrusted.stderr, /cannot be tested: its certificate is self-signed/)
})

async function startRaw(t: TestContext, answer: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}))
    answer(socket)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${await startListening(t, server)}`
}

test('a response on its own connection ends at 1 MiB', async (t) => {
  const origin = await startRaw(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    const pour = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 97)));
    }
    socket.on('drain', pour)
    pour()
  })
  const { statuses, text, ended } = await rawSender(origin)('GET / HTTP/1.1\r\n\r\n')
  assert.deepEqual([statuses, text.length, ended], [[200], 1024 * 1024, false])
})

test('a slow response on its own connection ends after its time limit', async (t) => {
  const origin = await startRaw(t, (socket) => {
    const drop = setInterval(() => socket.write('x'), 20)
    socket.on('close', () => clearInterval(drop))
  })
  const { statuses, ended } = await rawSender(origin, 300)('GET / HTTP/1.1\r\n\r\n')
  assert.deepEqual([statuses, ended], [[], false])
})

test('a connection that cannot be made, or stays silent, decides nothing', async (t) => {
  const server = createServer()
  const port = await startListening(t, server)
  server.close()
  await once(server, 'close')
  const gone = rawSender(`http://127.0.0.1:${port}`)
  await assert.rejects(gone('GET / HTTP/1.1\r\n\r\n'), { name: 'Undecided', message: /connection refused/ })
  const silent = rawSender(await startRaw(t, () => {}), 200)
  await assert.rejects(silent('GET / HTTP/1.1\r\n\r\n'), {
    name: 'Undecided',
    message: /no response within 0.2 seconds/,
  })
  const notTls = rawSender((await startRaw(t, (socket) => void socket.end('no'))).replace('http:', 'https:'))
  await assert.rejects(notTls('GET / HTTP/1.1\r\n\r\n'), { name: 'Undecided' })
})
