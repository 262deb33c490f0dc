import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get as getPlain, type IncomingMessage } from 'node:http'
import { get as getEncrypted } from 'node:https'
import { connect, type Socket } from 'node:net'
import { suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectEncrypted } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { makeCertificate } from '../cli/certificate.ts'
import { openSandbox, type ServingProgram } from '../cli/program.ts'
import { head } from '../protocol/raw-request.ts'
import { descriptorsOf, memoryOf, NO_FIGURES, settlesAt, watchMemory } from './process-figures.ts'

const PATIENCE = { timeout: 300_000, skip: NO_FIGURES }
const MIB = 1024 * 1024
/** Judged eight times sooner, so that a reader of 30 kB/s is one of 240 kB/s here. */
const STEP_BYTES = 24_000
const STEP_MS = 100
/** Almost three of the windows of 15 seconds. */
const STEPS = 400
/** More than a slow reader takes in that time, and than the system takes for it. */
const LARGE = 40 * MIB
const UNREAD_CONNECTIONS = 20
const PIPELINED = 50
const TAGS = 1_000
/** Less than half of what all answers are together; without a bound all of them would be held. */
const MAX_MORE = 250
const LONG_HEAD = 30_000
const WAITING_HEADS = 2_000
/** All of them are 57 MiB. */
const MAX_MORE_OF_HEADS = 25

type How = 'zero copy' | 'reading' | 'TLS'

interface Registry {
  server: ServingProgram
  /** Of a server with TLS. */
  ca: string | undefined
}

async function startRegistry(t: TestContext, how: How): Promise<Registry> {
  const sandbox = await openSandbox(t)
  const { certFile, keyFile, cert } = await makeCertificate(sandbox.folder, 'registry')
  const flags = {
    'zero copy': [],
    reading: ['--zero-copy', 'off'],
    TLS: ['--tls-cert', certFile, '--tls-key', keyFile],
  }[how]
  const preload = fileURLToPath(new URL('fast-watch.ts', import.meta.url))
  const env = { NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${preload}` }
  const args = ['--workers', '1', '--drain-timeout', '1s', ...flags]
  const server = await sandbox.serve('data', args, { env, nodeFlags: [] })
  return { server, ca: how === 'TLS' ? cert : undefined }
}

/** Sends a request with a body, whatever the server speaks. @returns its status */
async function put({ server, ca }: Registry, method: string, path: string, body: Uint8Array, type = '') {
  const { request } = await (ca === undefined ? import('node:http') : import('node:https'))
  const headers = { 'Content-Length': body.length, ...(type !== '' && { 'Content-Type': type }) }
  return await new Promise<number>((resolve, reject) => {
    const sent = request(new URL(path, server.url), { method, headers, ca, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject).end(body)
  })
}

async function pushBlob(registry: Registry, bytes: Uint8Array): Promise<string> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  assert.equal(await put(registry, 'POST', `/v2/app/blobs/uploads/?digest=${digest}`, bytes), 201)
  return digest
}

async function pushTags(registry: Registry): Promise<void> {
  const type = 'application/vnd.oci.image.index.v1+json'
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [] }))
  for (let from = 0; from < TAGS; from += 100) {
    const names = Array.from({ length: 100 }, (_, index) => `${'t'.repeat(100)}${from + index}`)
    const query = names.map((name) => `tag=${name}`).join('&')
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    assert.equal(await put(registry, 'PUT', `/v2/app/manifests/${digest}?${query}`, bytes, type), 201)
  }
}

async function openDownload({ server, ca }: Registry, path: string): Promise<IncomingMessage> {
  const url = new URL(path, server.url)
  const sent = ca === undefined ? getPlain(url, { agent: false }) : getEncrypted(url, { ca, agent: false })
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

/** A connection on which nothing is read once it is there. */
async function openUnread(t: TestContext, { server, ca }: Registry): Promise<Socket> {
  const { hostname: host, port } = new URL(server.url)
  const socket =
    ca === undefined
      ? connect({ host, port: Number(port) })
      : connectEncrypted({ host, port: Number(port), ca })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, ca === undefined ? 'connect' : 'secureConnect')
  socket.pause()
  return socket
}

suite('readers that are slow, and that do not read, all at once', { concurrency: true }, () => {
  for (const how of ['zero copy', 'reading', 'TLS'] as const) {
    test(
      `fault 27: a steady reader gets all of a large blob, by ${how}, however slow it is`,
      PATIENCE,
      async (t) => {
        const registry = await startRegistry(t, how)
        const content = randomBytes(LARGE)
        const response = await openDownload(registry, `/v2/app/blobs/${await pushBlob(registry, content)}`)
        const hash = createHash('sha256')
        let received = 0
        const take = (bytes: Buffer | null) => {
          if (bytes === null) return
          hash.update(bytes)
          received += bytes.length
        }
        for (let step = 0; step < STEPS; step++) {
          take(response.read(STEP_BYTES) as Buffer | null)
          assert.ok(!response.destroyed && !response.errored, `cut after ${step} steps and ${received} bytes`)
          await sleep(STEP_MS)
        }
        assert.ok(received > (STEPS * STEP_BYTES) / 2 && received < LARGE / 2, `${received} bytes`)
        for await (const bytes of response) take(bytes as Buffer)
        assert.equal(received, LARGE)
        assert.equal(hash.digest('hex'), createHash('sha256').update(content).digest('hex'))
      },
    )
  }

  for (const how of ['zero copy', 'TLS'] as const) {
    test(`fault 27: responses in memory that are not read are cut off, with ${how}`, PATIENCE, async (t) => {
      const registry = await startRegistry(t, how)
      await pushTags(registry)
      const { pid } = registry.server
      const descriptors = await descriptorsOf(pid)
      const before = await memoryOf(pid)
      const most = watchMemory(pid)
      const sockets = await Promise.all(
        Array.from({ length: UNREAD_CONNECTIONS }, () => openUnread(t, registry)),
      )
      for (const socket of sockets) socket.write(head(`GET /v2/app/tags/list?n=${TAGS}`).repeat(PIPELINED))
      await settlesAt('missing', 2, async () => descriptors + sockets.length - (await descriptorsOf(pid)))
      await settlesAt('descriptors', descriptors + 2, () => descriptorsOf(pid))
      const peak = await most()
      t.diagnostic(`MiB: ${before.toFixed()} before, at most ${peak.toFixed()}`)
      assert.ok(peak < before + MAX_MORE, `${peak} MiB, after ${before}`)
    })
  }

  test(
    'fault 27: an idle stream of changes is not cut off, and tells of the next change',
    PATIENCE,
    async (t) => {
      const registry = await startRegistry(t, 'zero copy')
      await pushBlob(registry, Buffer.from('{}'))
      const stream = await openDownload(registry, '/v2/app/_stowage/changes/stream')
      assert.equal(stream.statusCode, 200)
      let text = ''
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      await sleep(STEPS * STEP_MS)
      assert.equal(stream.destroyed, false)
      await pushTags(registry)
      while (!text.includes('manifest-pushed')) await sleep(STEP_MS)
      stream.destroy()
    },
  )

  test('fault 27: heads that wait for the answer before them are bounded in bytes', PATIENCE, async (t) => {
    const registry = await startRegistry(t, 'zero copy')
    await pushBlob(registry, Buffer.from('{}'))
    const before = await memoryOf(registry.server.pid)
    const most = watchMemory(registry.server.pid)
    const socket = await openUnread(t, registry)
    const firstAnswer = once(socket, 'data')
    socket.write(head('GET /v2/app/_stowage/changes/list?since=1&wait=10'))
    const filler = head('GET /v2/', `A: ${'a'.repeat(LONG_HEAD)}`).repeat(WAITING_HEADS)
    socket.write(filler)
    socket.resume()
    await firstAnswer
    const peak = await most()
    t.diagnostic(`MiB: ${before.toFixed()} before, at most ${peak.toFixed()}`)
    assert.ok(peak < before + MAX_MORE_OF_HEADS, `${peak} MiB, after ${before}`)
  })
})
