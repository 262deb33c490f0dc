import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { openSandbox } from '../cli/program.ts'
import { digestOf, EMPTY_CONFIG, manifestOf, pushBlob } from '../content.ts'
import { connect, head } from '../protocol/raw-request.ts'
import { descriptorsOf, NO_FIGURES } from './process-figures.ts'

const PATIENCE = { timeout: 300_000, skip: NO_FIGURES }
const FLOOD = 300
/** More than the system takes for a connection that nobody reads from, so that the file stays open. */
const LARGE = 16 * 1024 * 1024
/** Half of what is left after what a server of one thread needs: a connection may have a file open as well. */
const connectionsFor = (files: number) => Math.floor((files - 64 - 48) / 2)

interface Client {
  ask(
    method: string,
    path: string,
    body?: Uint8Array,
    type?: string,
  ): Promise<{ status: number; location: string }>
}

/** A client that has one connection, and keeps it. */
function openClient(t: TestContext, url: string): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  return {
    ask: (method, path, body = new Uint8Array(), type = 'application/octet-stream') =>
      new Promise((resolve, reject) => {
        const headers = { 'Content-Length': body.length, 'Content-Type': type }
        const sent = request(new URL(path, url), { agent, method, headers }, (response) => {
          response.resume()
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, location: response.headers.location ?? '' })
          })
        })
        sent.on('error', reject).end(body)
      }),
  }
}

/** Asks for something on a connection of its own, and reads no more than the beginning. @returns the status, or that there was none */
async function beginToRead(t: TestContext, url: string, path: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connectSocket({ host: hostname, port: Number(port) })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(head(`GET ${path}`))
  return await new Promise((resolve) => {
    socket.once('close', () => resolve('none'))
    socket.once('data', (bytes: Buffer) => {
      socket.pause()
      resolve(bytes.toString('latin1').split(' ')[1] ?? '')
    })
  })
}

async function push(client: Client, tag: string): Promise<void> {
  const layer = randomBytes(200_000)
  for (const bytes of [layer, Buffer.from('{}')]) {
    const begun = await client.ask('POST', '/v2/app/blobs/uploads/')
    assert.equal(begun.status, 202)
    const separator = begun.location.includes('?') ? '&' : '?'
    const closed = await client.ask('PUT', `${begun.location}${separator}digest=${digestOf(bytes)}`, bytes)
    assert.equal(closed.status, 201)
  }
  const mediaType = 'application/vnd.oci.image.layer.v1.tar'
  const layers = [{ mediaType, digest: digestOf(layer), size: layer.length }]
  const manifest = manifestOf({ config: EMPTY_CONFIG, layers })
  const pushed = await client.ask('PUT', `/v2/app/manifests/${tag}`, manifest.bytes, manifest.mediaType)
  assert.equal(pushed.status, 201)
}

for (const files of [128, 256]) {
  test(
    `fault 59: with ulimit -n ${files} a flood of connections gets 503, nothing gets 500, and earlier clients continue`,
    PATIENCE,
    async (t) => {
      const sandbox = await openSandbox(t)
      const launcher = ['bash', '-c', `ulimit -n ${files}; exec "$0" "$@"`]
      const server = await sandbox.serve('data', ['--workers', '1', '--drain-timeout', '1s'], {
        launcher,
        nodeFlags: [],
      })
      const digest = await pushBlob(server.url, 'app', randomBytes(LARGE))
      const clients = [openClient(t, server.url), openClient(t, server.url)]
      for (const [index, client] of clients.entries()) await push(client, `before-${index}`)

      // Each that is let in takes a descriptor and an open file, since it does not read.
      const answers = new Map<string, number>()
      for (let index = 0; index < FLOOD; index++) {
        const status = await beginToRead(t, server.url, `/v2/app/blobs/${digest}`)
        answers.set(status, (answers.get(status) ?? 0) + 1)
      }
      t.diagnostic(
        `${JSON.stringify(Object.fromEntries(answers))}, ${await descriptorsOf(server.pid)} descriptors`,
      )
      assert.deepEqual([...answers.keys()].sort(), ['200', '503'])
      // Those that pushed are let in as well; this process may still have two or three from before.
      const letIn = answers.get('200') ?? 0
      const most = connectionsFor(files) - clients.length
      assert.ok(letIn <= most && letIn >= most - 3, `${letIn} of ${most} were let in`)

      const refused = await connect(t, server.url)
      await refused.send(head('GET /v2/app/tags/list'))
      const answer = await refused.response()
      const { 'retry-after': retryAfter, connection } = answer.headers
      assert.deepEqual([answer.status, retryAfter, connection], [503, '5', 'close'])
      const probe = await connect(t, server.url)
      await probe.send(head('GET /livez'))
      assert.equal((await probe.response()).status, 200)
      for (const [index, client] of clients.entries()) await push(client, `meanwhile-${index}`)
      server.signal('SIGTERM')
      assert.equal((await server.ended).code, 0)
    },
  )
}
