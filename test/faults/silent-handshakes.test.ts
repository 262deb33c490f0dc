import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { makeCertificate } from '../cli/certificate.ts'
import { openSandbox } from '../cli/program.ts'
import { descriptorsOf, NO_FIGURES, settlesAt } from './process-figures.ts'

const PATIENCE = { timeout: 300_000, skip: NO_FIGURES }
const CLIENTS = 500

/** Opens connections that stay open whatever the server says, each with other first bytes of a handshake that never goes on. */
async function openSilent(t: TestContext, url: string, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(url)
  const beginnings = ['', '\x16', '\x16\x03\x01\x02\x00', `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03`]
  return await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
      t.after(() => socket.destroy())
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(Buffer.from(beginnings[index % beginnings.length] ?? '', 'latin1'))
      return socket
    }),
  )
}

test(
  'fault 44: TLS handshakes that stay silent give their descriptors back, and neither they nor new ones keep the server from stopping',
  PATIENCE,
  async (t) => {
    const sandbox = await openSandbox(t)
    const { certFile, keyFile } = await makeCertificate(sandbox.folder, 'tls')
    const flags = ['--tls-cert', certFile, '--tls-key', keyFile, '--workers', '2']
    const server = await sandbox.serve('data', flags, { nodeFlags: [] })
    const before = await descriptorsOf(server.pid)
    await openSilent(t, server.url, CLIENTS)
    await settlesAt(
      'connections that are missing',
      50,
      async () => before + CLIENTS - (await descriptorsOf(server.pid)),
    )
    const after = await settlesAt('descriptors', before + 50, () => descriptorsOf(server.pid))
    t.diagnostic(`descriptors: ${before} before, ${after} after ${CLIENTS} handshakes that stayed silent`)
    await openSilent(t, server.url, 20)
    server.signal('SIGTERM')
    assert.equal((await server.ended).code, 0)
  },
)
