import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFile, rename, writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { makeCertificate, type TestCertificate } from './certificate.ts'
import { assertRefusedToStart } from './exit.ts'
import { openSandbox } from './program.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }

const TLS_FLAGS = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem']

/** Puts files in the place of those that a server uses, as tools that renew certificates do. */
async function install(folder: string, files: { cert?: string; key?: string }): Promise<void> {
  for (const [name, file] of Object.entries(files)) {
    await copyFile(file, join(folder, `${name}.new`))
    await rename(join(folder, `${name}.new`), join(folder, `${name}.pem`))
  }
}

/** The fingerprint of the certificate that a new connection meets. */
async function servedFingerprint(url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

async function statusBy(agent: Agent, url: string): Promise<number> {
  const request = get(`${url}/v2/`, { agent })
  const [response] = await once(request, 'response')
  response.resume()
  await once(response, 'end')
  return response.statusCode
}

test(
  'HTTPS takes files that are replaced for new connections, and keeps the old ones if they are broken',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const { folder } = sandbox
    const first = await makeCertificate(folder, 'first')
    const second = await makeCertificate(folder, 'second')
    await install(folder, { cert: first.certFile, key: first.keyFile })
    const server = await sandbox.serve('data', TLS_FLAGS)
    const agent = new Agent({ ca: first.cert, keepAlive: true, maxSockets: 1 })
    t.after(() => agent.destroy())
    assert.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/)
    assert.equal(await statusBy(agent, server.url), 200)
    const inTheClear = await answerInTheClear(server.url)
    assert.match(inTheClear, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.match(inTheClear, /this is an HTTPS port, but the request was sent over plain HTTP; use https:/)

    await install(folder, { cert: second.certFile })
    await server.wrote('stderr', /TLS certificate or key cannot be used; the previous ones stay/)
    assert.equal(await servedFingerprint(server.url), first.fingerprint)

    await install(folder, { key: second.keyFile })
    await untilServed(server.url, second)
    assert.equal(await statusBy(agent, server.url), 200, 'the connection from before goes on')

    await writeFile(join(folder, 'cert.pem'), 'no certificate')
    await server.wrote('stderr', /(?:[\s\S]*?TLS certificate or key cannot be used){2}/)
    assert.equal(await servedFingerprint(server.url), second.fingerprint)
  },
)

/** What a client gets that speaks plain HTTP to a server of HTTPS. */
async function answerInTheClear(url: string): Promise<string> {
  const socket = connectPlain({ host: '127.0.0.1', port: Number(new URL(url).port) })
  const answer: Buffer[] = []
  socket.on('data', (chunk: Buffer) => answer.push(chunk)).on('error', () => {})
  socket.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(socket, 'close')
  return Buffer.concat(answer).toString('latin1')
}

async function untilServed(url: string, { fingerprint }: TestCertificate): Promise<void> {
  while ((await servedFingerprint(url)) !== fingerprint) await sleep(50)
}

test('a certificate or key that cannot be used is reported in one line', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const [first, second] = await Promise.all([
    makeCertificate(sandbox.folder, 'first'),
    makeCertificate(sandbox.folder, 'second'),
  ])
  await writeFile(join(sandbox.folder, 'garbage.pem'), 'no certificate')
  const flagsOf = (cert: string, key: string) => ['--tls-cert', cert, '--tls-key', key]
  for (const [flags, problem] of [
    [flagsOf('absent.pem', first.keyFile), /absent\.pem/],
    [flagsOf('garbage.pem', first.keyFile), /--tls-cert|garbage\.pem/],
    [flagsOf(first.certFile, second.keyFile), /--tls-key|--tls-cert/],
  ] as const) {
    const exit = await sandbox.run(['serve', '--listen', '127.0.0.1:0', '--data', 'data', ...flags])
    assertRefusedToStart(exit, problem)
  }
})
