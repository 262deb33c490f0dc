import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { type Answer, emptyAnswer, jsonAnswer } from '../../src/api/answer.ts'
import { extensionEndpoint } from '../../src/api/extension.ts'
import { CURSOR, limitParameter, tagParameter } from '../../src/api/parameters.ts'
import { readBody } from '../../src/extensions/body.ts'
import { eventStream } from '../../src/extensions/event-stream.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { bytesOf, digestOf, errorCodes } from '../content.ts'
import { ENDPOINT, serveEndpoints } from './extension-server.ts'
import { nextOf } from './pages.ts'

const OWN = 'application/vnd.test.list.v1+json'
const JSON_TYPE = 'application/json'

/** A list whose state and body the test sets. */
function listEndpoint() {
  const list = { state: 'one', reads: 0, onRead() {} }
  const query = { tag: { ...tagParameter(''), filter: true }, n: limitParameter(10), cursor: CURSOR } as const
  return {
    list,
    endpoint: extensionEndpoint({
      ...ENDPOINT,
      module: 'list',
      mediaTypes: [OWN, JSON_TYPE],
      query,
      handle: async (_, { query: { cursor } }) => ({
        type: 'json',
        state: async () => list.state,
        async read() {
          list.reads++
          list.onRead()
          const next = cursor === undefined ? { cursor: 'a&b=c' } : undefined
          return { json: { state: list.state }, next }
        },
      }),
    }),
  }
}

test('a list is answered in the media type that is accepted, and says that it depends on that', async (t) => {
  const { endpoint } = listEndpoint()
  const { url } = await serveEndpoints(t, [endpoint])
  for (const [accept, type] of [
    ['*/*', OWN],
    [OWN, OWN],
    [JSON_TYPE, JSON_TYPE],
    [`${JSON_TYPE}, */*`, OWN],
  ] as const) {
    const answer = await fetch(`${url}/v2/_test/test/list`, { headers: { Accept: accept } })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), type)
    assert.equal(answer.headers.get('vary'), 'Accept')
    assert.deepEqual(await answer.json(), { state: 'one' })
  }
  const refused = await fetch(`${url}/v2/_test/test/list`, {
    headers: { Accept: 'application/vnd.test.list.v2+json' },
  })
  assert.equal(refused.status, 406)
  assert.match(
    await refused.text(),
    new RegExp(`"UNSUPPORTED".*answers in ${OWN.replaceAll(/[.+]/g, '\\$&')}, ${JSON_TYPE}`),
  )
})

test('a client that has the state gets 304, and neither that nor HEAD reads the list', async (t) => {
  const { endpoint, list } = listEndpoint()
  const { url } = await serveEndpoints(t, [endpoint])
  const target = `${url}/v2/_test/test/list`
  const first = await fetch(target)
  const etag = first.headers.get('etag') ?? ''
  assert.match(etag, /^"state:[A-Za-z0-9_-]{43}"$/)
  assert.equal(list.reads, 1)

  const head = await fetch(target, { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers.get('etag'), etag)
  assert.equal(head.headers.get('content-type'), OWN)
  assert.equal(head.headers.get('content-length'), null)
  for (const method of ['GET', 'HEAD']) {
    const same = await fetch(target, { method, headers: { 'If-None-Match': `W/"x", ${etag}` } })
    assert.equal(same.status, 304)
    assert.equal(same.headers.get('etag'), etag)
    assert.equal(same.headers.get('vary'), 'Accept')
    assert.equal(await same.text(), '')
  }
  assert.equal(list.reads, 1)

  const failed = await fetch(target, { headers: { 'If-Match': '"state:other"' } })
  assert.equal(failed.status, 412)
  list.state = 'two'
  const changed = await fetch(target, { headers: { 'If-None-Match': etag } })
  assert.equal(changed.status, 200)
  assert.notEqual(changed.headers.get('etag'), etag)
  assert.deepEqual(await changed.json(), { state: 'two' })
})

test('another query or media type is another state, and what the endpoint does not know is not', async (t) => {
  const { endpoint } = listEndpoint()
  const { url } = await serveEndpoints(t, [endpoint])
  const tagOf = async (query: string, accept: string) => {
    const answer = await fetch(`${url}/v2/_test/test/list${query}`, { headers: { Accept: accept } })
    assert.equal(answer.status, 200)
    return answer.headers.get('etag')
  }
  const different = await Promise.all([
    tagOf('', OWN),
    tagOf('', JSON_TYPE),
    tagOf('?tag=a', OWN),
    tagOf('?tag=b', OWN),
    tagOf('?n=1', OWN),
    tagOf('?cursor=x', OWN),
  ])
  assert.equal(new Set(different).size, different.length)
  assert.equal(await tagOf('?what=ever', '*/*'), different[0])
  assert.equal(await tagOf('?n=1&tag=a', OWN), await tagOf('?tag=a&n=1', OWN))
})

test('a body that was read while something changed has no ETag', async (t) => {
  const { endpoint, list } = listEndpoint()
  const { url } = await serveEndpoints(t, [endpoint])
  list.onRead = () => {
    list.state = 'two'
  }
  const answer = await fetch(`${url}/v2/_test/test/list`)
  assert.equal(answer.headers.get('etag'), null)
  list.onRead = () => {}
  assert.notEqual((await fetch(`${url}/v2/_test/test/list`)).headers.get('etag'), null)
})

test('the link to the next page repeats what was asked for, and filters are named', async (t) => {
  const { endpoint } = listEndpoint()
  const { url } = await serveEndpoints(t, [endpoint])
  const first = await fetch(`${url}/v2/_test/test/list?n=3&what=ever&tag=a.b`)
  assert.equal(first.headers.get('oci-filters-applied'), 'tag')
  const next = nextOf(first)
  assert.equal(`${next?.pathname}${next?.search}`, '/v2/_test/test/list?tag=a.b&n=3&cursor=a%26b%3Dc')
  const last = await fetch(next ?? '')
  assert.equal(last.status, 200)
  assert.equal(nextOf(last), undefined)
  const plain = await fetch(`${url}/v2/_test/test/list`)
  assert.equal(plain.headers.get('oci-filters-applied'), null)
})

test('content is answered in ranges and on conditions', async (t) => {
  const bytes = Buffer.from('0123456789')
  const digest = parseDigest(digestOf(bytes))
  assert.ok(digest !== undefined)
  const { url } = await serveEndpoints(t, [
    extensionEndpoint({
      ...ENDPOINT,
      module: 'content',
      handle: async (): Promise<Answer> => ({
        type: 'content',
        digest,
        mediaType: 'text/x',
        size: bytes.length,
        cacheControl: 'private, no-transform',
        open: async ({ start, end }) => ({ type: 'bytes', bytes: bytes.subarray(start, end + 1) }),
      }),
    }),
  ])
  const target = `${url}/v2/_test/test/content`
  const whole = await fetch(target)
  assert.equal(whole.headers.get('docker-content-digest'), digest)
  assert.equal(whole.headers.get('cache-control'), 'private, no-transform')
  assert.deepEqual(await bytesOf(whole), bytes)
  const part = await fetch(target, { headers: { Range: 'bytes=2-4' } })
  assert.equal(part.status, 206)
  assert.equal(await part.text(), '234')
  const same = await fetch(target, { headers: { 'If-None-Match': `"${digest}"` } })
  assert.equal(same.status, 304)
  const head = await fetch(target, { method: 'HEAD' })
  assert.equal(head.headers.get('content-length'), '10')
})

test('JSON without a state, an empty answer and a refusal are answered as they are', async (t) => {
  const fields = {
    tag: { schema: {}, required: true, parse: (value: unknown) => String(value) },
  } as const
  const { url } = await serveEndpoints(t, [
    extensionEndpoint({
      ...ENDPOINT,
      method: 'POST',
      module: 'json',
      handle: async (_, request) =>
        jsonAnswer(await readBody(request, fields), { status: 201, headers: { Location: '/v2/x' } }),
    }),
    extensionEndpoint({
      ...ENDPOINT,
      method: 'DELETE',
      module: 'json',
      handle: async () => emptyAnswer(204),
    }),
  ])
  const target = `${url}/v2/_test/test/json`
  const send = (body: string, type = JSON_TYPE) =>
    fetch(target, { method: 'POST', body, headers: { 'Content-Type': type } })
  const made = await send('{"tag":"v1"}')
  assert.equal(made.status, 201)
  assert.equal(made.headers.get('location'), '/v2/x')
  assert.equal(made.headers.get('etag'), null)
  assert.deepEqual(await made.json(), { tag: 'v1' })
  assert.equal((await fetch(target, { method: 'DELETE' })).status, 204)

  for (const [body, type, status, code] of [
    ['{}', JSON_TYPE, 400, 'UNSUPPORTED'],
    ['{', JSON_TYPE, 400, 'UNSUPPORTED'],
    ['{"tag":"v1"}', 'text/plain', 415, 'UNSUPPORTED'],
    [`{"tag":"${'x'.repeat(70_000)}"}`, JSON_TYPE, 413, 'SIZE_INVALID'],
  ] as const) {
    const refused = await send(body, type)
    assert.equal(refused.status, status)
    assert.deepEqual(await errorCodes(refused), [code])
  }
  const wrongMethod = await fetch(target)
  assert.equal(wrongMethod.status, 405)
  assert.equal(wrongMethod.headers.get('allow'), 'POST, DELETE')
})

/** An endpoint whose stream goes on until nobody waits for it. */
function endlessEndpoint() {
  const waiting = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  async function* events(signal: AbortSignal) {
    try {
      yield { id: '1', event: 'change', data: { sequence: 1 } }
      waiting.resolve()
      if (!signal.aborted) await once(signal, 'abort')
    } finally {
      ended.resolve()
    }
  }
  return {
    waiting: waiting.promise,
    ended: ended.promise,
    endpoint: extensionEndpoint({
      ...ENDPOINT,
      module: 'stream',
      mediaTypes: ['text/event-stream'],
      handle: async (_, { signal }) => ({ type: 'stream', chunks: () => eventStream(events(signal)) }),
    }),
  }
}

async function readUntil(answer: Response, wanted: string): Promise<string> {
  let text = ''
  assert.ok(answer.body !== null)
  for await (const chunk of answer.body) {
    text += Buffer.from(chunk)
    if (text.includes(wanted)) break
  }
  return text
}

test('a stream is sent as it is produced, and ends when the client has disconnected', async (t) => {
  const { endpoint, ended } = endlessEndpoint()
  const { url, failures } = await serveEndpoints(t, [endpoint])
  const answer = await fetch(`${url}/v2/_test/test/stream`)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), 'text/event-stream')
  assert.equal(answer.headers.get('content-length'), null)
  assert.equal(await readUntil(answer, 'data'), ':\n\nid: 1\nevent: change\ndata: {"sequence":1}\n\n')
  await ended
  assert.deepEqual(failures, [])
})

test('a stream ends, whole, when the server closes', async (t) => {
  const { endpoint, ended } = endlessEndpoint()
  const { url, close, failures } = await serveEndpoints(t, [endpoint])
  const answer = await fetch(`${url}/v2/_test/test/stream`)
  const text = answer.text()
  const closed = close()
  assert.match(await text, /data: \{"sequence":1\}\n\n$/)
  await Promise.all([ended, closed])
  assert.deepEqual(failures, [])
})

test('a stream without a port ends when its reader cancels it, also while it waits', async (t) => {
  const { endpoint, waiting, ended } = endlessEndpoint()
  const { ask } = await serveEndpoints(t, [endpoint])
  const answer = await ask(new Request('http://registry.test/v2/_test/test/stream'))
  const reader = answer.body?.getReader()
  assert.ok(reader !== undefined)
  const texts = [await reader.read(), await reader.read()].map(({ value }) =>
    String(Buffer.from(value ?? [])),
  )
  assert.match(texts.join(''), /data: \{"sequence":1\}/)
  const last = reader.read()
  await waiting
  await Promise.all([reader.cancel(), ended])
  assert.ok((await last).done)
})

test('HEAD of a stream has only its headers', async (t) => {
  const { endpoint } = endlessEndpoint()
  const { url } = await serveEndpoints(t, [endpoint])
  const head = await fetch(`${url}/v2/_test/test/stream`, { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers.get('content-type'), 'text/event-stream')
  assert.equal(await head.text(), '')
})
