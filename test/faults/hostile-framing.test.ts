import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { pushImage } from '../content.ts'
import { CRLF, chunkedBody, connect, head, type RawConnection, sendRaw } from '../protocol/raw-request.ts'
import { assertRefused, type Refusal } from '../protocol/refusal.ts'
import { type FaultServer, startServer } from './start-server.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
const UPGRADE = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']
const TAGS = head('GET /v2/app/tags/list')
const SMUGGLED = head('DELETE /v2/app/manifests/v1')
const MANIFEST = '{"layers":[]}'
const PUSH = 'PUT /v2/app/manifests/v2'
const CHUNKED = 'Transfer-Encoding: chunked'
const BAD_FRAMING: Refusal = [400, 'UNSUPPORTED']
const UNKNOWN_CODING: Refusal = [501, 'UNSUPPORTED']

async function startWithImage(t: TestContext): Promise<FaultServer> {
  const server = await startServer(t, { workers: 1 })
  await pushImage(server.url, 'app', 'v1')
  return server
}

async function tagsOf({ url }: FaultServer): Promise<unknown> {
  const answer = await fetch(`${url}/v2/app/tags/list`)
  return ((await answer.json()) as { tags: unknown }).tags
}

async function assertTags(connection: RawConnection, tags: string[]): Promise<void> {
  const answer = await connection.response()
  assert.equal(`${answer.status} ${answer.body}`, `200 ${JSON.stringify({ name: 'app', tags })}`)
}

test(
  'fault 43: Upgrade is ignored, and requests that follow in the same packet are answered',
  HANG,
  async (t) => {
    const server = await startWithImage(t)
    for (const before of ['', TAGS.repeat(3)]) {
      const connection = await connect(t, server.url)
      const upgrade = head('GET /v2/app/tags/list', ...UPGRADE)
      await connection.send(before, upgrade, TAGS, upgrade, upgrade, TAGS)
      for (let answers = before === '' ? 5 : 8; answers > 0; answers--) await assertTags(connection, ['v1'])
      await connection.send(TAGS)
      await assertTags(connection, ['v1'])
      connection.destroy()
    }
    await server.close()
  },
)

test('fault 43: a body that follows an Upgrade is never read as a request', HANG, async (t) => {
  const server = await startWithImage(t)
  const pushed = `${SMUGGLED}${' '.repeat(100)}`
  const framing = ['Content-Type: application/octet-stream', `Content-Length: ${pushed.length}`]
  const connection = await connect(t, server.url)
  // The head of the second request is in the packet of the first, its body in the next one.
  await connection.send(head('GET /v2/app/tags/list', ...UPGRADE), head(PUSH, ...framing))
  await assertTags(connection, ['v1'])
  await connection.send(pushed, TAGS)
  assertRefused(await connection.response(), [400, 'MANIFEST_INVALID'], 'a body that is no manifest')
  await assertTags(connection, ['v1'])
  assert.deepEqual(await tagsOf(server), ['v1'])
  await server.close()
})

test(
  'fault 43: the body of an Upgrade is read by its framing, and nothing is read after its answer',
  HANG,
  async (t) => {
    const server = await startWithImage(t)
    for (const [what, body, framing] of [
      ['with a length', MANIFEST, `Content-Length: ${MANIFEST.length}`],
      ['in chunks', chunkedBody(MANIFEST).toString(), CHUNKED],
    ] as const) {
      for (const cut of [0, 5, body.length]) {
        const connection = await connect(t, server.url)
        const request = head(
          PUSH,
          ...UPGRADE,
          'Content-Type: application/vnd.oci.image.manifest.v1+json',
          framing,
        )
        await connection.send(request, body.slice(0, cut))
        await connection.send(body.slice(cut), SMUGGLED)
        const answer = await connection.response()
        assert.equal(`${answer.status} ${answer.headers.connection}`, '201 close', `${what}, cut at ${cut}`)
        await connection.send(SMUGGLED).catch(() => {})
        assert.equal((await connection.ended()).rest.toString(), '')
        assert.deepEqual(await tagsOf(server), ['v1', 'v2'], `${what}, cut at ${cut}`)
      }
    }
    await server.close()
  },
)

test(
  'fault 43: a client that breaks off after an Upgrade, or requests a tunnel, affects no other client',
  HANG,
  async (t) => {
    const server = await startWithImage(t)
    for (let round = 0; round < 20; round++) {
      const connection = await connect(t, server.url)
      await connection.send(TAGS.repeat(5), head('GET /v2/app/tags/list', ...UPGRADE))
      connection.destroy()
    }
    const tunnel = await connect(t, server.url)
    await tunnel.send(TAGS, head('CONNECT registry.test:443'), SMUGGLED)
    await assertTags(tunnel, ['v1'])
    assertRefused(await tunnel.response(), [405, 'UNSUPPORTED'], 'CONNECT')
    assert.equal((await tunnel.ended()).rest.toString(), '')
    assert.deepEqual(await tagsOf(server), ['v1'])
    await server.close()
  },
)

const TWO_MEANINGS: [what: string, request: string, refusal: Refusal][] = [
  [
    'Transfer-Encoding in HTTP/1.0',
    [`${PUSH} HTTP/1.0`, CHUNKED, 'Connection: keep-alive', '', ''].join(CRLF),
    BAD_FRAMING,
  ],
  ['a coding before chunked', head(PUSH, 'Transfer-Encoding: gzip, chunked'), UNKNOWN_CODING],
  ['a coding alone', head(PUSH, 'Transfer-Encoding: gzip'), UNKNOWN_CODING],
  ['identity', head(PUSH, 'Transfer-Encoding: identity'), UNKNOWN_CODING],
  ['a name that ends like chunked', head(PUSH, 'Transfer-Encoding: xchunked'), UNKNOWN_CODING],
  ['chunked with a parameter', head(PUSH, 'Transfer-Encoding: chunked;q=1'), UNKNOWN_CODING],
  ['chunked twice', head(PUSH, 'Transfer-Encoding: chunked, chunked'), UNKNOWN_CODING],
  ['chunked in two headers', head(PUSH, CHUNKED, CHUNKED), UNKNOWN_CODING],
  ['chunked first', head(PUSH, 'Transfer-Encoding: chunked, gzip'), UNKNOWN_CODING],
  ['both framings', head(PUSH, CHUNKED, 'Content-Length: 5'), BAD_FRAMING],
]

test(
  'fault 43: framing that two programs understand differently is refused, and the connection ends',
  HANG,
  async (t) => {
    const server = await startWithImage(t)
    for (const [what, request, refusal] of TWO_MEANINGS) {
      const connection = await connect(t, server.url)
      await connection.send(request, chunkedBody(MANIFEST), SMUGGLED)
      const answer = await connection.response()
      assertRefused(answer, refusal, what)
      assert.equal(answer.headers.connection, 'close', what)
      await connection.send(SMUGGLED).catch(() => {})
      assert.equal((await connection.ended()).rest.toString(), '', what)
      assert.deepEqual(await tagsOf(server), ['v1'], what)
    }
    assert.equal((await sendRaw(t, server.url, TAGS)).status, 200)
    await server.close()
  },
)
