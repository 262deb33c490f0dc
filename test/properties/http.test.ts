import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { startForFile } from '../protocol/file-server.ts'
import { CRLF, connect, head, type RawResponse, sendRaw } from '../protocol/raw-request.ts'
import { digests, PATH_WORDS, repositoryNames, tags } from './names.ts'
import { holdsAsync } from './property.ts'
import { near } from './text.ts'

const HANG_MS = 60_000

const { url } = await startForFile()

/** Any bytes but those that would end a line, so that the request is framed as it says. */
const lineBytes = fc.uint8Array({ maxLength: 30 }).map((bytes) =>
  Buffer.from(bytes)
    .toString('latin1')
    .replace(/[\r\n]/g, ''),
)

const toLatin1 = (text: string) =>
  Buffer.from(text)
    .toString('latin1')
    .replace(/[\r\n]/g, '')
const value = (valid: fc.Arbitrary<string>) =>
  fc.oneof(lineBytes, near(valid, 'aA0:/.,;=-_%"*').map(toLatin1))

const segment = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom<string>(...PATH_WORDS, '_oci', 'ext', 'discover', '_catalog', 'app'),
  },
  { weight: 2, arbitrary: fc.oneof(value(repositoryNames), value(tags), value(digests)) },
  { weight: 1, arbitrary: fc.constantFrom('%', '%2F', '%00', '%ff', '..', '', '%25') },
)
const paths = fc.oneof(
  { weight: 6, arbitrary: fc.array(segment, { maxLength: 6 }).map((parts) => `/v2/${parts.join('/')}`) },
  { weight: 1, arbitrary: lineBytes },
)
const parameter = fc.tuple(
  fc.oneof(
    fc.constantFrom('n', 'last', 'digest', 'tag', 'mount', 'from', 'artifactType', 'digest-algorithm'),
    lineBytes,
  ),
  fc.oneof(value(digests), value(tags), value(fc.constant('10'))),
)
const queries = fc
  .array(parameter, { maxLength: 4 })
  .map((list) => (list.length === 0 ? '' : `?${list.map((parts) => parts.join('=')).join('&')}`))

/** Not those that tell how long a body is: of these the client would have to keep its word. */
const headerNames = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      ...[
        'Range',
        'If-Range',
        'If-Match',
        'If-None-Match',
        'Content-Type',
        'Content-Range',
        'Accept',
        'Host',
      ],
      ...['Authorization', 'Origin', 'Sec-Fetch-Site', 'Connection', 'Upgrade', 'Cookie', 'Trailer', 'TE'],
    ),
  },
  { weight: 1, arbitrary: lineBytes.map((name) => `X${name}`) },
)
const headerValues = fc.oneof(
  value(digests.map((digest) => `"${digest}"`)),
  value(
    fc.constantFrom(
      'bytes=0-1,5-',
      '0-9',
      'application/vnd.oci.image.manifest.v1+json',
      'close',
      'websocket',
    ),
  ),
)
const headers = fc.array(
  fc.tuple(headerNames, headerValues).map((parts) => parts.join(': ')),
  { maxLength: 4 },
)
const bodies = fc.oneof(
  fc.constant(new Uint8Array()),
  fc.uint8Array({ maxLength: 40 }),
  fc.json().map((text) => Buffer.from(text)),
)

const requests = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'),
  target: fc.tuple(paths, queries).map((parts) => parts.join('')),
  headers,
  body: bodies,
})

interface AnyRequest {
  method: string
  target: string
  headers: string[]
  body: Uint8Array
}

/** Connections of one run, which go when it ends. */
async function onConnections<T>(use: (test: { after(undo: () => void): void }) => Promise<T>): Promise<T> {
  const undo: (() => void)[] = []
  try {
    return await use({ after: (step) => void undo.push(step) })
  } finally {
    for (const step of undo) step()
  }
}

async function answerTo({ method, target, headers, body }: AnyRequest): Promise<RawResponse> {
  return await onConnections(async (test) => {
    const connection = await connect(test, url)
    const length = `Content-Length: ${body.length}`
    await connection.send(Buffer.from(head(`${method} ${target}`, length, ...headers), 'latin1'), body)
    return await connection.response({ toHead: method === 'HEAD' })
  })
}

async function assertServes(): Promise<void> {
  const response = await onConnections(async (test) => await sendRaw(test, url, head('GET /v2/')))
  assert.equal(`${response.status} ${response.body}`, '200 {}')
}

function assertSound(response: RawResponse, method: string): void {
  assert.ok(response.status >= 200 && response.status < 500, `${response.status} ${response.body}`)
  if (response.status >= 400 && method !== 'HEAD') assert.ok(response.codes().length > 0)
}

test('any path, query and headers get an answer other than 500, and the next client is served', async () => {
  await holdsAsync(
    requests,
    async (request) => {
      assertSound(await answerTo(request), request.method)
      await assertServes()
    },
    0.5,
  )
})

/** Sends bytes and nothing more. @returns what came until the server ended the connection too; rejects if it doesn't */
async function answersTo(bytes: Uint8Array): Promise<Buffer> {
  const { hostname, port } = new URL(url)
  const socket = connectSocket({ host: hostname, port: Number(port) })
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  // What the server has refused before all of it came may end in a reset.
  socket.on('error', () => {})
  let hangs = false
  socket.setTimeout(HANG_MS, () => {
    hangs = true
    socket.destroy()
  })
  socket.end(bytes)
  await once(socket, 'close')
  assert.ok(!hangs, 'the connection hangs')
  return Buffer.concat(received)
}

const pieces = fc.oneof(
  fc.uint8Array({ maxLength: 30 }),
  fc
    .constantFrom(
      'GET /v2/ HTTP/1.1',
      'PUT /v2/a/manifests/v1 HTTP/1.1',
      CRLF,
      CRLF + CRLF,
      '\n',
      'Host: localhost',
      ' ',
      ':',
    )
    .map((text) => Buffer.from(text)),
  fc
    .constantFrom(
      'Content-Length: 5',
      'Transfer-Encoding: chunked',
      '5',
      '0',
      'HTTP/1.0',
      'Expect: 100-continue',
    )
    .map((text) => Buffer.from(text)),
)

test('whatever bytes a client sends, the server answers no failure and ends with it, and the next client is served', async () => {
  await holdsAsync(
    fc.array(pieces, { maxLength: 12 }),
    async (parts) => {
      const answers = await answersTo(Buffer.concat([...parts, Buffer.from(CRLF + CRLF)]))
      // 501 is said of codings that are not known, which is no failure.
      assert.doesNotMatch(answers.toString('latin1'), /^HTTP\/1\.1 5(?!01)/m)
      await assertServes()
    },
    0.3,
  )
})
